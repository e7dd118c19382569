"""Keys of requests on several servers: a retry joins, wherever it arrives."""

import asyncio
from collections import Counter

import pytest

from hubline import HubError
from hubline.runs import Caller, Run
from tests.runs.fleet import fleet, say
from tests.runs.storages import Storage

CALLS: Counter[str] = Counter()
"""How often the function was called, by what it was to say."""


@pytest.fixture(autouse=True)
def _nothing_called() -> None:
    CALLS.clear()


async def answer(run: Run, words: str) -> None:
    CALLS[words] += 1
    await run.text(words)


@pytest.mark.rule("R33", "R9")
async def test_the_same_key_on_another_server_joins_the_run(storage: Storage) -> None:
    async with fleet(storage, 3) as servers:
        first, second, third = servers.runs
        run = await first.start(answer, "hello", key="k", starter="alice")
        for runs in servers.runs:
            again = await runs.start(answer, "hello", key="k", starter="alice")
            assert again.id == run.id
            assert (await again.wait()).state == "completed"
            with pytest.raises(HubError, match="used for another request"):
                await runs.start(answer, "another", key="k", starter="alice")
            with pytest.raises(HubError, match="used for another request"):
                await runs.start(answer, "hello", key="k", starter="alice", room="r")
        assert (await third.start(answer, "hello", key="k", starter="bob")).id != run.id
        assert (await second.start(answer, "hello", key="l", starter="alice")).id != run.id
        assert await servers.ended(3)
        assert CALLS == {"hello": 3}


@pytest.mark.rule("R33", "R9")
async def test_whoever_joins_waits_for_the_end_and_stops_it(storage: Storage) -> None:
    async with fleet(storage) as servers:
        first, second = servers.runs
        words: asyncio.Queue[str | None] = asyncio.Queue()
        run = await first.start(say, words, key="k", starter="alice")
        joined = await second.start(say, words, key="k", starter="alice")
        waiting = asyncio.create_task(joined.wait())
        assert (await joined.stop()).state == "stopped"
        assert (await waiting).state == (await run.wait()).state == "stopped"


@pytest.mark.rule("R33", "R9")
async def test_of_many_that_race_on_all_servers_one_starts_it(storage: Storage) -> None:
    async with fleet(storage, 3) as servers:
        started = await asyncio.gather(
            *(runs.start(answer, "hello", key="k", starter="alice") for runs in servers.runs for _ in range(5))
        )
        assert len({run.id for run in started}) == 1
        assert {(await run.wait()).state for run in started} == {"completed"}
        assert CALLS == {"hello": 1}


@pytest.mark.rule("R33", "R9")
async def test_a_start_that_is_refused_gives_the_key_back(storage: Storage) -> None:
    async with fleet(storage) as servers:
        first, second = servers.runs
        busy = await first.start(say, asyncio.Queue(), room="r")
        with pytest.raises(HubError, match="busy"):
            await second.start(answer, "hello", key="k", starter="alice", room="r", on_busy="reject")
        with pytest.raises(ValueError, match="on_busy"):
            await second.start(answer, "hello", key="k", starter="alice", room="r", on_busy="never")  # type: ignore[arg-type]
        await busy.stop()
        run = await first.start(answer, "hello", key="k", starter="alice", room="other")
        assert (await run.wait()).state == "completed"


@pytest.mark.rule("R33", "R9")
async def test_a_key_whose_server_has_gone_before_there_was_a_run_is_free_after_a_while(storage: Storage) -> None:
    async with fleet(storage) as servers:
        first, second = servers.runs
        registry = servers.logs[0].registry
        taken = await registry.take_key("user alice", "k", "never", "request")
        assert (taken.run_id, taken.made) == ("never", False)
        with pytest.raises(HubError, match="used for another request"):
            await second.start(answer, "hello", key="k", starter="alice")
        assert 0 < await storage.expire_keys() <= 2 * servers.lease * 1000
        run = await second.start(answer, "hello", key="k", starter="alice")
        assert (await run.wait()).state == "completed"
        assert not await registry.confirm_key("user alice", "k", "never", "request")
        again = await first.start(answer, "hello", key="k", starter="alice")
        assert CALLS == {"hello": 1}
        await registry.free_key("user alice", "k", "never")  # another's key stays
        assert (await first.start(answer, "hello", key="k", starter="alice")).id == again.id


@pytest.mark.rule("R33", "R34")
async def test_nobody_meets_another_starter_whatever_they_call_themselves_and_their_keys(storage: Storage) -> None:
    pairs = [("a", "b}:k"), ("a}:b", "k"), ("a{b}", "k"), ("a%7Bb%7D", "k"), ("a", "k"), ("a:k", "")]
    async with fleet(storage) as servers:
        started = [
            await runs.start(answer, "hello", key=key, starter=starter)
            for runs, (starter, key) in zip(servers.runs * 3, pairs, strict=True)
        ]
        assert len({run.id for run in started}) == len(pairs)


async def test_strangers_are_told_apart_by_their_connections(storage: Storage) -> None:
    async with fleet(storage) as servers:
        first, second = servers.runs
        one = await first.start(answer, "hello", key="1", starter=Caller(None, "c1"))
        two = await second.start(answer, "hello", key="1", starter=Caller(None, "c2"))
        assert one.id != two.id
