"""Runs while Valkey is away, and servers that stop on purpose."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from hubline import BackplaneError, HubError
from hubline.runs import FinishedRun, Run, Runs
from hubline.runs.redis_log import RedisRunLog
from tests.runs import redis_worker
from tests.valkey import LIMIT, Valkey, until, valkey

pytestmark = pytest.mark.valkey


def served(server: Valkey, ends: list[tuple[str, str]], lease: float = 10.0) -> Runs:
    async def on_end(run: FinishedRun) -> None:
        ends.append((run.info.state, run.text))

    return Runs(log=RedisRunLog(server.url, lease=lease), on_end=on_end, merge=0, drain=0)


async def to_the_end(runs: Runs, run_id: str) -> list[dict[str, Any]]:
    async with asyncio.timeout(LIMIT):
        return [item async for item in runs.attach(run_id)]


def text(items: list[dict[str, Any]]) -> str:
    return "".join(item["text"] for item in items if item["kind"] == "text")


async def test_a_pause_of_redis_is_a_pause_of_the_run_and_everything_is_there_once() -> None:
    ends: list[tuple[str, str]] = []
    with valkey() as server:
        first, second = served(server, ends, lease=1.0), served(server, ends, lease=1.0)
        begun = asyncio.Event()

        async def count(run: Run) -> None:
            for number in range(200):
                await run.text(f"{number} ")
                if number == 50:
                    server.freeze()
                    begun.set()

        run = await first.start(count)
        viewers = [asyncio.create_task(to_the_end(runs, run.id)) for runs in (first, second)]
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
        assert ends == [("completed", "".join(f"{number} " for number in range(200)))]
        for runs in (first, second):
            await runs.drain()


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

        async def watched() -> bool:
            return (await first.info(run.id)).viewers == 2

        await until(watched)
        await server.restart()
        go.set()
        own, other = await asyncio.gather(*viewers)
        assert (text(own), own[-1]["state"]) == ("one ", "failed")
        assert (text(other), other[-1]["state"]) == ("one ", "interrupted")
        assert ends == [("failed", "one ")]
        again = await second.start(saying)  # the servers are as they were
        assert text(await to_the_end(first, again.id)) == "one two "
        for runs in (first, second):
            await runs.drain()


@pytest.mark.rule("R16", "R30")
async def test_a_server_that_stops_hands_its_restartable_runs_over() -> None:
    ends: list[tuple[str, str]] = []
    with valkey() as server:
        first, second = served(server, ends, lease=1.0), served(server, ends, lease=1.0)
        for runs in (first, second):
            runs.function(restartable=True)(redis_worker.counting)
            assert await runs.room_runs("none") == []
        run = await first.start(redis_worker.counting)
        viewer = asyncio.create_task(to_the_end(second, run.id))
        async with Redis.from_url(server.url) as redis:

            async def written() -> bool:
                return bool(await redis.exists(f"hubline:runs:{{{run.id}}}:log"))

            await until(written)
            await first.drain()
            for _ in range(2):
                redis_worker.GO.put_nowait("go")
            redis_worker.GO.put_nowait("go")
            items = await viewer
            assert (text(items), items[-1]["state"]) == ("0 1 2 ", "completed")
            assert ends == [("completed", "0 1 2 ")]
            await second.drain()
        redis_worker.GO = asyncio.Queue()
