"""The log in Redis on a cluster of three nodes, and for a user with no more rights than the guide lists."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubline import BackplaneError
from hubline._clock import MonotonicClock
from hubline.backplanes.redis_commands import Commands, Script
from hubline.backplanes.redis_connections import Connections, key_slot
from hubline.runs import FinishedRun, Run, RunLog, Runs, StartedRun
from hubline.runs.redis_keys import keys_of
from hubline.runs.redis_log import RedisRunLog
from hubline.testing import RunLogSuite
from tests.valkey import LIMIT, Valkey, until, valkey
from tests.valkey_cluster import Cluster, ask, valkey_cluster

pytestmark = pytest.mark.valkey

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "answers-that-survive.md"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with valkey_cluster() as formed:
        yield formed


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


class TestRedisRunLogOnACluster(RunLogSuite):
    @pytest.fixture(autouse=True)
    def _cluster(self, cluster: Cluster) -> None:
        self.cluster = cluster

    @asynccontextmanager
    async def log(self, entries: int) -> AsyncIterator[RunLog]:
        for node in self.cluster.nodes:
            await ask(node, "FLUSHALL")
        await self.cluster.fence()  # the suite uses one name for all its runs
        log = RedisRunLog(self.cluster.url, entries=entries)
        try:
            yield log
        finally:
            await log.close()


@asynccontextmanager
async def two_servers(*urls: str) -> AsyncIterator[tuple[Runs, Runs]]:
    """Servers of runs, each with its address of Redis."""
    one, two = (Runs(log=RedisRunLog(url, lease=1.0), merge=0, drain=0) for url in urls)
    try:
        yield one, two
    finally:
        await one.drain()
        await two.drain()


async def say(run: Run, words: "asyncio.Queue[str | None]") -> None:
    while (word := await words.get()) is not None:
        await run.text(word)


async def to_the_end(runs: Runs, run_id: str) -> tuple[str, str]:
    """What was said, and the state at the end."""
    async with asyncio.timeout(LIMIT):
        items = [item async for item in runs.attach(run_id)]
    assert items[-1]["kind"] == "end"
    return "".join(item["text"] for item in items if item["kind"] == "text"), items[-1]["state"]


async def test_any_server_attaches_to_lists_and_stops_a_run_whichever_node_it_was_given(cluster: Cluster) -> None:
    async with two_servers(cluster.nodes[0].url, cluster.nodes[1].url) as (first, second):
        words: asyncio.Queue[str | None] = asyncio.Queue()
        runs: list[StartedRun] = []
        nodes: set[Valkey] = set()
        while len(runs) < 6 or len(nodes) < 2:  # their ids are random, and so are their nodes
            runs.append(await first.start(say, words, room="r"))
            nodes.add(await cluster.owner(key_slot(keys_of(runs[-1].id)[0].encode())))
        assert {info.id for info in await second.room_runs("r")} == {run.id for run in runs}
        stopped = await asyncio.gather(*(second.stop(run.id) for run in runs[1:]))
        assert {info.state for info in stopped} == {"stopped"}
        viewer = asyncio.create_task(to_the_end(second, runs[0].id))
        for word in ("one ", "two ", None):
            words.put_nowait(word)
        assert await viewer == ("one two ", "completed")


async def test_a_run_goes_on_while_its_slot_moves(cluster: Cluster) -> None:
    async with two_servers(cluster.nodes[0].url, cluster.nodes[1].url) as (first, second):
        words: asyncio.Queue[str | None] = asyncio.Queue(maxsize=2)
        run = await first.start(say, words)
        slot = key_slot(keys_of(run.id)[0].encode())
        viewer = asyncio.create_task(to_the_end(second, run.id))
        feeding = asyncio.create_task(feed(words))
        home = await cluster.owner(slot)
        for to in (*[node for node in cluster.primaries if node is not home], home):
            await cluster.move(slot, to)
            assert await ask(to, "CLUSTER", "COUNTKEYSINSLOT", slot) >= 2
        count = await feeding
        assert await viewer == ("".join(f"{number} " for number in range(count)), "completed")


async def feed(words: "asyncio.Queue[str | None]") -> int:
    """Numbers, as fast as they are taken."""
    for number in range(300):
        await words.put(f"{number} ")
    await words.put(None)
    return 300


# A user with the rights of the guide


def rights(user: str = "hubline") -> list[str]:
    (line,) = [line for line in GUIDE.read_text().splitlines() if line.startswith(f"ACL SETUSER {user} ")]
    return line.split()[5:]


async def counting(run: Run) -> None:
    for number in range(20):
        await run.text(f"{number} ")


async def waiting(run: Run) -> None:
    await run.text(f"attempt {run.attempt} ")
    if run.attempt == 1:
        await asyncio.Event().wait()


async def allow(server: Valkey, *allowed: str) -> str:
    """The address for a user with these rights."""
    await ask(server, "ACL", "SETUSER", "hubline", "reset", "on", ">secret", *allowed)
    return f"redis://hubline:secret@{server.address}"


async def used(server: Valkey) -> set[str]:
    """The commands that somebody has called, without those of this test."""
    lines = (await ask(server, "INFO", "commandstats")).decode().splitlines()
    found = {line.partition(":")[0].removeprefix("cmdstat_") for line in lines if line.startswith("cmdstat_")}
    return found - {"auth", "hello", "client|setinfo", "info", "config|resetstat", "acl|setuser"}


async def test_the_rights_that_the_guide_lists_suffice_and_each_is_used(server: Valkey) -> None:
    url = await allow(server, *rights())
    await ask(server, "CONFIG", "RESETSTAT")
    ends: dict[str, str] = {}
    adopted = asyncio.Event()

    async def on_end(run: FinishedRun) -> None:
        ends[run.info.id] = run.text
        if "attempt 2" in run.text:
            adopted.set()

    first, second = (
        Runs(log=RedisRunLog(url, entries=4, lease=1.0), merge=0, drain=0, keep=0.01, on_end=on_end) for _ in range(2)
    )
    try:
        for runs in (first, second):
            runs.function(restartable=True)(waiting)
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await first.start(say, words, room="r", starter="alice", key="k")
        assert [info.id for info in await second.room_runs("r")] == [run.id]
        assert (await second.stop(run.id)).state == "stopped"
        folded = await first.start(counting, room="r")
        assert (await to_the_end(first, folded.id))[1] == "completed"
        handed_over = await first.start(waiting)
        async with asyncio.timeout(LIMIT), aclosing(first.attach(handed_over.id)) as items:
            async for item in items:
                if item.get("text") == "attempt 1 ":
                    break
        await first.drain()
        async with asyncio.timeout(LIMIT):
            await adopted.wait()
        assert ends[handed_over.id] == "attempt 1 attempt 2 "
        expected = {right[1:] for right in rights() if right.startswith("+")}

        async def all_used() -> bool:
            await second.room_runs("r")  # forgets those that are over
            return await used(server) >= expected

        await until(all_used)
        assert await used(server) == expected, "nothing else is needed"
    finally:
        await first.drain()
        await second.drain()


SAMPLES: dict[str, tuple[Any, ...]] = {
    **{verb: () for verb in ("smembers", "exists", "del", "get", "pttl", "zcard")},
    **{verb: ("x",) for verb in ("publish", "sadd", "srem", "zrem", "set", "hget", "hmget")},
    "zadd": (1, "x"),
    "zrange": (0, -1),
    "hset": ("x", "y"),
    "zremrangebyscore": (0, 1),
    "hsetnx": ("x", "y"),
    "pexpire": (1,),
    "xadd": ("*", "x", "y"),
    "xrange": ("-", "+"),
    "xtrim": ("MAXLEN", 1),
}
"""For each right of one command, what comes behind the key."""


async def test_each_of_the_rights_is_named_when_it_is_missing(server: Valkey) -> None:
    everything = rights()
    scripted = Script("return redis.call(ARGV[1], KEYS[1], unpack(ARGV, 2))")
    for right in everything:
        verb = right[1:]
        if verb in ("subscribe", "unsubscribe") or not right.startswith("+"):
            continue
        url = await allow(server, *(each for each in everything if each != right))
        commands = Commands(Connections(url), MonotonicClock())
        await commands.start()
        if verb in ("evalsha", "eval"):
            await ask(server, "SCRIPT", "FLUSH")
            with pytest.raises(BackplaneError, match=rf"lacks the right \+{verb}$"):
                await commands.run(scripted, ["hubline:a"], "exists")
        elif verb == "time":  # it has no key
            with pytest.raises(BackplaneError, match=r"lacks the right \+time$"):
                await commands.run(Script("return redis.call('TIME')"), ["hubline:a"])
        else:
            with pytest.raises(BackplaneError, match=rf"lacks the right \+{verb}$"):
                await commands.call(verb.upper(), f"hubline:{verb}", *SAMPLES[verb])
            with pytest.raises(BackplaneError, match=rf"lacks the right \+{verb}$"):
                await commands.run(scripted, ["hubline:a"], verb, *SAMPLES[verb])
        await commands.close()


async def test_a_run_that_waits_because_a_right_is_missing_says_so_in_the_log(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    url = await allow(server, *(each for each in rights() if each != "+xadd"))  # which only a script calls
    runs = Runs(log=RedisRunLog(url), merge=0, drain=0)
    try:
        run = await runs.start(counting)

        async def said() -> bool:
            return "Redis has refused a script: the user lacks the right +xadd" in caplog.messages

        await until(said)
        await allow(server, *rights())
        assert (await run.wait()).state == "completed"
    finally:
        await runs.drain()


async def test_keys_and_channels_that_are_not_allowed_are_named(server: Valkey) -> None:
    commands = Commands(Connections(await allow(server, *rights())), MonotonicClock())
    await commands.start()
    with pytest.raises(BackplaneError, match=r"one of these keys \(~PATTERN\): other"):
        await commands.call("GET", "other")
    with pytest.raises(BackplaneError, match=r"one of these channels \(&PATTERN\): other"):
        await commands.call("PUBLISH", "other", "x")
    await commands.close()


async def test_a_cluster_that_may_not_be_asked_for_its_slots_is_an_error_that_says_so(cluster: Cluster) -> None:
    url = await allow(cluster.nodes[0], *rights())
    log = RedisRunLog(url)
    with pytest.raises(BackplaneError, match=r"refused CLUSTER SLOTS: the user lacks the right \+cluster\|slots"):
        await log.create("run")
    for node in cluster.nodes:
        await allow(node, *rights(), "+cluster|slots")
    await log.create("run")
    await log.remove("run")
    await log.close()
