"""What Redis refuses is an error for who has asked, and a line in the log."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubline import BackplaneError
from hubline.backplanes import redis_asking
from hubline.backplanes.redis_asking import Asking
from hubline.backplanes.redis_commands import Commands, Script
from hubline.backplanes.redis_connections import Connections
from hubline.testing import ManualClock, settle
from tests.valkey import Valkey, valkey
from tests.valkey_cluster import ask

pytestmark = pytest.mark.valkey

LACKS = "Redis has refused {}: the user lacks the right +{}"


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@asynccontextmanager
async def connected(url: str, clock: ManualClock) -> AsyncIterator[Commands]:
    commands = Commands(Connections(url), clock)
    await commands.start()
    try:
        yield commands
    finally:
        await commands.close()


async def test_a_refusal_is_logged_once_a_minute_for_each_right_also_in_a_script(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    await ask(server, "ACL", "SETUSER", "few", "reset", "on", ">s", "~*", "+evalsha", "+eval")
    clock = ManualClock()
    script = Script("return redis.call(ARGV[1], KEYS[1])")
    async with connected(f"redis://few:s@{server.address}", clock) as commands:

        async def refused(verb: str) -> None:
            with pytest.raises(BackplaneError, match=rf"lacks the right \+{verb}$"):
                await commands.run(script, [f"key {len(caplog.messages)}"], verb)

        for _ in range(3):
            await refused("get")
            await refused("pttl")
        assert caplog.messages == [LACKS.format("a script", "get"), LACKS.format("a script", "pttl")]
        await clock.advance(59)
        await refused("get")
        assert len(caplog.messages) == 2
        await clock.advance(1)
        await refused("get")
        assert caplog.messages[2:] == [LACKS.format("a script", "get")]
        assert {record.levelname for record in caplog.records} == {"ERROR"}


async def test_refusals_are_told_apart_by_their_codes_and_not_by_their_keys(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with connected(server.url, ManualClock()) as commands:
        for number in range(3):
            await commands.call("SET", f"text {number}", "x")
            with pytest.raises(BackplaneError, match="WRONGTYPE"):
                await commands.call("SADD", f"text {number}", "x")
        with pytest.raises(BackplaneError, match="not an integer"):
            await commands.call("PEXPIRE", "text 1", "x")
        assert [message.partition(":")[0] for message in caplog.messages] == [
            "Redis has refused SADD",
            "Redis has refused PEXPIRE",
        ]


async def test_what_is_no_text_is_an_error_for_who_sends_it_and_for_nobody_else(server: Valkey) -> None:
    """A key may come from a token of another service, whose JSON may have halves of a character."""
    async with connected(server.url, ManualClock()) as commands:
        found = await asyncio.gather(
            commands.call("SET", "first", "x"),
            commands.call("SET", "half \ud800", "x"),
            commands.run(Script("return 1"), ["half \ud800"]),
            commands.run(Script("return 1"), ["second"], "half \ud800"),
            commands.call("SET", "third", "x"),
            return_exceptions=True,
        )
        assert [type(each) for each in found] == [bytes, BackplaneError, BackplaneError, BackplaneError, bytes]


async def test_a_connection_that_is_closed_while_it_is_made_is_not_left_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []

    class Late:
        def __init__(self, *_: object) -> None:
            made.append(self)
            self.goes, self.is_open = asyncio.Event(), False

        async def start(self) -> None:
            await self.goes.wait()
            self.is_open = True

        async def close(self) -> None:
            self.is_open = False

    monkeypatch.setattr(redis_asking, "Commands", Late)
    asking: Any = Asking("redis://127.0.0.1:1", ManualClock())
    waiting = asyncio.ensure_future(asking.commands())
    await settle()
    await asking.close()
    made[0].goes.set()
    with pytest.raises(BackplaneError, match="closed"):
        await waiting
    assert not made[0].is_open
    waiting = asyncio.ensure_future(asking.commands())
    await settle()
    made[1].goes.set()
    found: Any = await waiting
    assert found is made[1], "used again, it opens another one"
    assert made[1].is_open
    await asking.close()
    assert not made[1].is_open
