"""Runs while Valkey is away, and servers that stop on purpose."""

import asyncio
from contextlib import aclosing
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from hubline import BackplaneError, HubError
from hubline.runs import FinishedRun, Run, Runs, elsewhere
from hubline.runs.redis_log import RedisRunLog
from tests.runs import answering
from tests.runs.fleet import are_watching, say, text, to_the_end, until_told
from tests.valkey import LIMIT, Valkey, until, valkey

pytestmark = pytest.mark.valkey


def served(server: Valkey, ends: list[tuple[str, str]], lease: float = 10.0) -> Runs:
    async def on_end(run: FinishedRun) -> None:
        ends.append((run.info.state, run.text))

    return Runs(log=RedisRunLog(server.url, lease=lease), on_end=on_end, merge=0, drain=0)


async def heard(runs: Runs, run_id: str, said: str) -> None:
    """Return when a run has said this."""
    found = ""
    async with asyncio.timeout(LIMIT), aclosing(runs.attach(run_id)) as items:
        async for item in items:
            found += item.get("text", "")
            if found == said:
                return
    raise AssertionError(f"the run ended: {found!r}")


@pytest.mark.rule("R32")
async def test_a_pause_of_redis_is_a_pause_of_the_run_and_everything_is_there_once() -> None:
    ends: list[tuple[str, str]] = []
    with valkey() as server:
        first, second = served(server, ends, lease=1.0), served(server, ends, lease=1.0)
        begun, seen = asyncio.Event(), asyncio.Event()

        async def count(run: Run) -> None:
            for number in range(200):
                await run.text(f"{number} ")
                if number == 50:
                    await seen.wait()
                    server.freeze()
                    begun.set()

        run = await first.start(count)
        viewers = [asyncio.create_task(to_the_end(runs, run.id)) for runs in (first, second)]
        await until(lambda: are_watching(first, run.id, 2))
        seen.set()
        await begun.wait()

        async def noticed() -> bool:
            try:
                await first.start(count)
            except BackplaneError:
                return True
            return False

        await until(noticed)  # longer than a lease
        with pytest.raises(HubError, match="cannot be reached"):
            await second.stop(run.id)
        server.thaw()
        for items in await asyncio.gather(*viewers):
            assert text(items) == "".join(f"{number} " for number in range(200))
            assert items[-1]["state"] == "completed"
        await until_told(ends, 1)
        assert ends == [("completed", "".join(f"{number} " for number in range(200)))]
        for runs in (first, second):
            await runs.drain()


@pytest.mark.rule("R32")
async def test_a_run_that_redis_has_lost_fails_and_its_text_is_not_lost() -> None:
    ends: list[tuple[str, str]] = []
    with valkey() as server:
        first, second = served(server, ends), served(server, ends)
        go, written = asyncio.Event(), asyncio.Event()

        async def saying(run: Run) -> None:
            await run.text("one ")
            written.set()
            await go.wait()
            await run.text("two ")

        run = await first.start(saying)
        viewers = [asyncio.create_task(to_the_end(runs, run.id)) for runs in (first, second)]
        await written.wait()
        await until(lambda: are_watching(first, run.id, 2))
        await server.restart()

        async def reached() -> bool:
            try:
                return await first.room_runs("none") == []
            except HubError:
                return False

        await until(reached)
        go.set()
        own, other = await asyncio.gather(*viewers)
        assert (text(own), own[-1]["state"]) == ("one two ", "failed")
        assert (text(other), other[-1]["state"]) == ("one ", "interrupted")
        await until_told(ends, 1)
        assert ends == [("failed", "one two ")]
        again = await second.start(saying)  # the servers are as they were
        assert text(await to_the_end(first, again.id)) == "one two "
        for runs in (first, second):
            await runs.drain()


@pytest.mark.rule("R16", "R30")
async def test_a_server_that_stops_hands_its_restartable_runs_over() -> None:
    ends: list[tuple[str, str]] = []
    with valkey() as server:
        first, second = served(server, ends, lease=3_600), served(server, ends, lease=3_600)
        for runs in (first, second):
            runs.function(restartable=True)(answering.counting)
            assert await runs.room_runs("none") == []
        run = await first.start(answering.counting)
        viewer = asyncio.create_task(to_the_end(second, run.id))
        async with Redis.from_url(server.url) as redis:

            async def written() -> bool:
                return bool(await redis.exists(f"hubline:runs:{{{run.id}}}:log"))

            await until(written)
            await first.drain()
            for _ in range(2):
                answering.GO.put_nowait("go")
            answering.GO.put_nowait("go")
            items = await viewer
            assert (text(items), items[-1]["state"]) == ("0 1 2 ", "completed")
            await until_told(ends, 1)
            assert ends == [("completed", "0 1 2 ")]
            await second.drain()
        answering.GO = asyncio.Queue()


@pytest.mark.rule("R16", "R30")
async def test_a_server_that_stops_while_it_takes_a_run_over_leaves_it_to_the_next() -> None:
    """A deploy that is faster than the takeover of the runs of the server that was replaced first."""
    ends: list[tuple[str, str]] = []
    with valkey() as server:

        async def joined() -> Runs:
            runs = served(server, ends, lease=1.0)
            runs.function(restartable=True)(answering.counting)
            assert await runs.room_runs("none") == []
            return runs

        first, second = await joined(), await joined()
        run = await first.start(answering.counting)
        await heard(first, run.id, "0 ")
        turns = second._turns
        assert turns is not None
        take_over, taken = turns.take_over, []

        async def taken_over(record: Any) -> Any:
            second._execution.draining = True  # as the beginning of `drain` does; the rest comes below
            taken.append(record)
            return await take_over(record)

        async def left() -> bool:
            return any(record.is_over for record in taken)

        turns.take_over = taken_over  # type: ignore[method-assign]
        await first.drain()
        await until(left)
        await second.drain()
        third = await joined()
        for _ in range(2):
            answering.GO.put_nowait("go")
        items = await to_the_end(third, run.id)
        assert (text(items), items[-1]["state"]) == ("0 1 2 ", "completed")
        await until_told(ends, 1)
        assert ends == [("completed", "0 1 2 ")]
        await third.drain()
    answering.GO = asyncio.Queue()


@pytest.mark.rule("R16", "R30")
async def test_viewers_that_leave_after_their_server_has_stopped_do_not_connect_it_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(elsewhere, "UNWATCHED", 0.1)
    ends: list[tuple[str, str]] = []
    with valkey() as server:
        first, second = served(server, ends), served(server, ends)
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await first.start(say, words)
        words.put_nowait("one ")
        log = cast("RedisRunLog", second._settings.log)
        async with aclosing(second.attach(run.id)) as items:
            while (await anext(items)).get("text") != "one ":
                pass
            await second.drain()
            node = log.node
        await second._settings.tasks.join()
        assert (log.node, log._open) == (node, False)
        words.put_nowait(None)
        await run.wait()
        await first.drain()


@pytest.mark.rule("R16", "R30")
async def test_deploys_do_not_count_as_attempts_however_many_there_are() -> None:
    ends: list[tuple[str, str]] = []
    with valkey() as server:

        async def joined() -> Runs:
            runs = served(server, ends, lease=3_600)
            runs.function(restartable=True)(answering.deadly)
            assert await runs.room_runs("none") == []
            return runs

        running = await joined()
        run_id, said = (await running.start(answering.deadly)).id, ""
        for attempt in range(1, 5):
            said += f"attempt {attempt} "
            await heard(running, run_id, said)
            if attempt < 4:
                following = await joined()
                await running.drain()
                running = following
        assert (await running.stop(run_id)).state == "stopped"
        await running.drain()
        assert ends == [("stopped", said)]
