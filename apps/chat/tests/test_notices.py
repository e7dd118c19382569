"""News of which only the newest counts."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from hubline.testing import settle
from hubline_chat.notices import Notices


async def test_the_newest_of_a_key_is_sent_and_the_others_are_not() -> None:
    sent: list[str] = []
    notices = Notices(interval=0)

    def say(text: str) -> Callable[[], Awaitable[None]]:
        async def send() -> None:
            sent.append(text)

        return send

    task = asyncio.ensure_future(notices.run())
    notices.post("a", say("old"))
    notices.post("b", say("other"))
    notices.post("a", say("new"))
    assert sent == []
    await settle()
    assert sent == ["new", "other"]
    notices.stop()
    await task


async def test_one_that_fails_is_logged_and_the_others_are_sent(caplog: pytest.LogCaptureFixture) -> None:
    sent: list[str] = []

    async def fail() -> None:
        raise ValueError("broken")

    async def send() -> None:
        sent.append("sent")

    notices = Notices(interval=0)
    task = asyncio.ensure_future(notices.run())
    notices.post("a", fail)
    notices.post("b", send)
    await settle()
    assert sent == ["sent"]
    assert "a notice could not be sent" in caplog.text
    notices.stop()
    await task
