"""What a run writes while the storage is away: kept up to a bound, and there in order afterwards, or taken over."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from redis.asyncio import Redis

from hubline import HubError
from hubline.runs import FinishedRun, Run, RunLimits, Runs
from hubline.runs.backlog import ROOM
from tests import postgres
from tests.postgres import Database
from tests.runs import answering
from tests.runs.fleet import are_watching, text, to_the_end, until_told
from tests.runs.storages import KINDS, log_at
from tests.valkey import LIMIT, Valkey, until, valkey
from tests.ways import Link, link

PIECE = "x" * 65_536


class Pair:
    """A server with a way to the storage that can be cut, and another one."""

    def __init__(self, way: Link, url: str, lease: float) -> None:
        self.way, self.url = way, url
        self.ends: list[tuple[str, str, str]] = []
        self.cut_off, self.other = self._serve(way.url, "cut off", lease), self._serve(url, "other", lease)

    def _serve(self, url: str, name: str, lease: float) -> Runs:
        async def on_end(run: FinishedRun) -> None:
            self.ends.append((name, run.info.state, run.text))

        limits = RunLimits(text=8 * ROOM, silence=None)
        runs = Runs(log=log_at(url, lease=lease), on_end=on_end, merge=0, drain=0, limits=limits)
        runs.function(restartable=True)(answering.counting)
        return runs


@pytest.fixture(params=[KINDS[0], KINDS[2]])
def server(request: pytest.FixtureRequest) -> Iterator[Valkey | Database]:
    """An empty storage of each kind to which there is a network."""
    if request.param == "postgres":
        yield postgres.made(request.getfixturevalue("postgres_server"))
        return
    with valkey() as started:
        yield started


@asynccontextmanager
async def pair(server: Valkey | Database, lease: float = 60.0) -> AsyncIterator[Pair]:
    async with link(server) as way:
        servers = Pair(way, server.url, lease)
        try:
            for runs in (servers.cut_off, servers.other):
                assert await runs.room_runs("none") == []
            yield servers
        finally:
            way.mend()
            for runs in (servers.cut_off, servers.other):
                await runs.drain()


async def is_back(runs: Runs) -> bool:
    """Whether all connections of a server to the storage are."""
    try:
        await runs.room_runs("none")
    except HubError:
        return False
    return True


async def said(begun: asyncio.Event) -> None:
    """Return when a function has said its first word.

    That a run is watched does not say so: it begins when the storage has it, which may be when that is back.
    """
    async with asyncio.timeout(LIMIT):
        await begun.wait()


@pytest.mark.rule("R32")
async def test_a_function_goes_on_without_the_storage_for_a_mebibyte_and_everything_is_there_in_order(
    server: Valkey | Database,
) -> None:
    async with pair(server) as servers:
        written, begun, full, cut = 0, asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def long(run: Run) -> None:
            nonlocal written
            await run.text("begin ")
            begun.set()
            await cut.wait()
            for number in range(40):
                await run.reasoning(f"{number} ")
                await run.text(PIECE)
                written += 1
                if written == ROOM // len(PIECE) - 1:
                    full.set()

        run = await servers.cut_off.start(long)
        viewers = [asyncio.create_task(to_the_end(runs, run.id)) for runs in (servers.cut_off, servers.other)]
        await until(lambda: are_watching(servers.cut_off, run.id, 2))
        await said(begun)
        servers.way.cut()
        cut.set()
        async with asyncio.timeout(LIMIT):
            await full.wait()
        for _ in range(1_000):  # turns in which it could go on
            await asyncio.sleep(0)
        assert written <= ROOM // len(PIECE) + 1
        servers.way.mend()
        whole = "begin " + PIECE * 40
        for items in await asyncio.gather(*viewers):
            assert text(items) == whole
            parts = [item["text"] for item in items if item["kind"] == "reasoning"]
            assert parts == [f"{number} " for number in range(40)]
            assert len({item["part"] for item in items if item["kind"] == "text"}) == 41
            assert items[-1]["state"] == "completed"
        await until_told(servers.ends, 1)
        assert servers.ends == [("cut off", "completed", whole)]


@pytest.mark.rule("R32")
async def test_text_written_without_the_storage_belongs_to_the_same_part_as_before(
    server: Valkey | Database,
) -> None:
    async with pair(server) as servers:
        cut, done = asyncio.Event(), asyncio.Event()

        async def saying(run: Run) -> None:
            await run.text("a")
            await cut.wait()
            for word in "bcd":
                await run.text(word)
            assert run.parts == [{"part": "1", "kind": "text", "text": "abcd"}]
            await run.data("n", 1, part="p")
            await run.data("n", 2, part="p")
            done.set()

        run = await servers.cut_off.start(saying)
        first = servers.cut_off.attach(run.id)
        while (await anext(first))["kind"] != "text":
            pass
        servers.way.cut()
        cut.set()
        async with asyncio.timeout(LIMIT):
            await done.wait()
        servers.way.mend()
        assert (await run.wait()).state == "completed"
        items = await to_the_end(servers.other, run.id)
        assert {item["part"] for item in items if item["kind"] == "text"} == {"1"}
        assert [item["value"] for item in items if item["kind"] == "data"] == [1, 2]


@pytest.mark.rule("R32", "R31")
async def test_a_server_that_was_away_for_longer_than_its_lease_finds_its_run_taken_over(
    server: Valkey | Database,
) -> None:
    async with pair(server, lease=1.0) as servers:
        begun, cut, written, cancelled = (asyncio.Event() for _ in range(4))

        async def saying(run: Run) -> None:
            await run.text("one ")
            begun.set()
            await cut.wait()
            try:
                await run.text("two ")
                written.set()
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        run = await servers.cut_off.start(saying, room="r", on_busy="queue")
        viewer = asyncio.create_task(to_the_end(servers.other, run.id))

        async def watched() -> bool:
            return (await servers.cut_off.info(run.id)).viewers == 1

        await until(watched)
        await said(begun)
        next_one = await servers.other.start(saying, room="r", on_busy="queue")
        servers.way.cut()
        cut.set()
        async with asyncio.timeout(LIMIT):
            await written.wait()
        items = await viewer
        assert (text(items), items[-1]["state"]) == ("one ", "interrupted")
        assert not cancelled.is_set()
        servers.way.mend()
        async with asyncio.timeout(LIMIT):
            await cancelled.wait()
        await until_told(servers.ends, 1)
        assert servers.ends == [("other", "interrupted", "one ")]
        await until(lambda: is_back(servers.cut_off))
        assert text(await to_the_end(servers.cut_off, run.id)) == "one "
        assert (await next_one.stop()).state == "stopped"


@pytest.mark.rule("R32")
@pytest.mark.valkey
async def test_on_end_gets_the_whole_answer_when_redis_comes_back_without_it() -> None:
    with valkey() as server:
        async with pair(server) as servers:
            begun, cut, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

            async def saying(run: Run) -> None:
                await run.text("one ")
                begun.set()
                await cut.wait()
                await run.text("two ")
                await run.text("three")
                ended.set()

            run = await servers.cut_off.start(saying)
            viewer = asyncio.create_task(to_the_end(servers.cut_off, run.id))

            async def watched() -> bool:
                return (await servers.cut_off.info(run.id)).viewers == 1

            await until(watched)
            await said(begun)
            servers.way.cut()
            cut.set()
            async with asyncio.timeout(LIMIT):
                await ended.wait()
            async with Redis.from_url(servers.url) as redis:
                await redis.flushall()
            servers.way.mend()
            assert text(await viewer) == "one two three"
            assert (await run.wait()).state == "completed"
            await until_told(servers.ends, 1)
            assert servers.ends == [("cut off", "completed", "one two three")]


@pytest.mark.rule("R32")
@pytest.mark.parametrize("server", [KINDS[0]], indirect=True)
async def test_calls_about_the_run_are_refused_without_redis_and_stopping_waits_for_it(
    server: Valkey | Database,
) -> None:
    """A database does not know who hears: there the other server waits as long as for any answer."""
    async with pair(server) as servers:
        run = await servers.cut_off.start(answering.plain)
        servers.way.cut()

        async def unreachable() -> bool:
            try:
                await servers.cut_off.room_runs("r")
            except HubError:
                return True
            return False

        await until(unreachable)
        stopping = asyncio.create_task(run.stop())
        with pytest.raises(HubError, match="cannot be reached"):
            await servers.other.stop(run.id)
        servers.way.mend()
        assert (await stopping).state == "stopped"
        assert (await servers.other.info(run.id)).id == run.id
