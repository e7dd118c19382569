"""What is forgotten, when, and what is not."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from apps.chat.tests.harness import ChatUnderTest, chat
from hubline_chat.housekeeping import USAGE_DAYS, Housekeeping
from hubline_chat.periodic import Periodic
from hubline_chat.store import StoreError

NOW = datetime.now(UTC)


async def test_guests_and_sessions_of_yesterday_go_and_what_they_said_stays() -> None:
    async with chat(session_seconds=3600) as under_test:
        guest = await under_test.enter("Guest")
        await guest.say("hello")
        room = await guest.client.invoke("CreateRoom", "Secret", True)
        await under_test.member("Ada")
        tidy = housekeeping(under_test)
        await tidy.tidy(NOW)
        assert await under_test.store.users.named("Guest") is not None
        await guest.client.stop()
        await tidy.tidy(NOW + timedelta(hours=3))
        assert await under_test.store.users.named("Guest") is None
        assert await under_test.store.users.named("Ada") is not None
        assert [each.id for each in await under_test.store.rooms.all() if each.id == room["id"]] == []
        assert [each.text for each in await under_test.store.messages.newest("general", 9)] == ["hello"]
        async with under_test.store.database.reading() as connection:
            assert await connection.scalar(text("SELECT count(*) FROM sessions")) == 0


def housekeeping(under_test: ChatUnderTest) -> Housekeeping:
    state = under_test.chat
    return Housekeeping(
        under_test.store, under_test.accounts, state.rooms, retention_days=None, told=state.history_cleared
    )


async def test_old_usage_is_deleted_and_no_message() -> None:
    async with chat(history_messages=100) as under_test:
        for author in range(3):
            page = await under_test.enter(f"Author {author}")
            for number in range(50):
                await page.say(str(number))
        today = NOW.date()
        await under_test.store.usage.add("x", today, 1)
        await under_test.store.usage.add("x", today - timedelta(days=USAGE_DAYS + 1), 1)
        await housekeeping(under_test).tidy(NOW + timedelta(seconds=1))
        kept = await under_test.store.messages.newest("general", 1000)
        assert [each.seq for each in kept] == list(range(1, 151))
        assert await under_test.store.usage.used("x", today) == 1
        assert await under_test.store.usage.used("x", today - timedelta(days=USAGE_DAYS + 1)) == 0


async def test_a_database_that_fails_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with chat() as under_test:
        tidy = housekeeping(under_test)

        async def fail(now: datetime) -> None:
            raise StoreError("broken")

        monkeypatch.setattr(tidy, "tidy", fail)
        await tidy()
    assert "old data could not be deleted; the next attempt is in 600 s" in caplog.text


async def test_periodic_work_is_done_again_and_stopped_in_between() -> None:
    done, enough, may_end = list[str](), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        done.append("begun")
        if len(done) >= 3:
            enough.set()
            await may_end.wait()
        done.append("ended")

    periodic = Periodic(work, 0.0)
    running = asyncio.ensure_future(periodic.run())
    await enough.wait()
    periodic.stop()
    may_end.set()
    await running
    assert done == ["begun", "ended"] * 2


async def test_periodic_work_that_fails_is_done_again(caplog: pytest.LogCaptureFixture) -> None:
    times, again = list[int](), asyncio.Event()

    async def work() -> None:
        times.append(len(times))
        if len(times) == 1:
            raise RuntimeError("one room is broken")
        again.set()

    periodic = Periodic(work, 0.0)
    running = asyncio.ensure_future(periodic.run())
    await again.wait()
    periodic.stop()
    await running
    assert "one room is broken" in caplog.text
