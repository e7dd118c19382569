"""One server at a time is awake, and one that failed is replaced."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from benchmarks import peers
from benchmarks.fleet import Fleet
from benchmarks.rows.backplane import joined, spread
from benchmarks.rows.measuring import Bench
from benchmarks.settings import TINY
from hubline.cli.load import LoadError, connect

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the benchmark reads /proc")


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    made = Fleet(min(os.sched_getaffinity(0)), TINY)
    yield made
    await made.end_all()


def await_stop(bench: Bench) -> None:
    """Come back when the kernel has stopped it."""
    told = os.waitid(os.P_PID, bench.server.process.pid, os.WSTOPPED)
    assert told is not None
    assert told.si_status == signal.SIGSTOP


async def test_between_its_turns_a_server_is_stopped_and_keeps_what_it_has(fleet: Fleet) -> None:
    (peer,) = peers.named(["hubline"])
    async with fleet.turn(peer) as bench:
        connection = await connect(bench.server.url, peer.dialect())
        bench.warmed.add("calls")
    await_stop(bench)
    async with fleet.turn(peer) as again:
        assert again is bench
        assert await connection.call("EchoText", "still here") == "still here"
    connection.close()


async def test_after_an_error_the_next_turn_has_a_new_server_that_is_cold(fleet: Fleet) -> None:
    (peer,) = peers.named(["hubline"])
    used: list[Bench] = []

    async def fail() -> None:
        async with fleet.turn(peer) as bench:
            used.append(bench)
            bench.warmed.add("calls")
            raise LoadError("lost a message")

    with pytest.raises(LoadError, match="lost"):
        await fail()
    (first,) = used
    assert first.server.process.returncode is not None
    async with fleet.turn(peer) as second:
        assert second is not first
        assert second.warmed == set()


async def test_at_the_end_servers_that_are_stopped_end_too(fleet: Fleet) -> None:
    (peer,) = peers.named(["hubline"])
    async with fleet.turn(peer) as bench:
        pass
    await fleet.end_all()
    assert bench.server.process.returncode is not None


@pytest.mark.valkey
async def test_servers_with_a_backplane_share_one_redis_and_are_not_stopped_between_turns(fleet: Fleet) -> None:
    (peer,) = peers.named(["hubline"])
    async with fleet.turn(peer) as alone:
        pass
    async with fleet.turn(peer, backplane=True) as bench:
        assert bench is not alone
        servers = await joined(bench).at_least(2)
        assert len({server.port for server in servers}) == 2
    async with fleet.turn(peer, backplane=True) as again, spread(again, (1, 1)) as ((here,), (there,)):
        assert again is bench
        assert await joined(again).at_least(1) == servers[:1]
        await there.call("Join", "room")
        heard = asyncio.get_running_loop().create_future()
        there.receive = lambda data, final: heard.set_result(data)
        await here.call("ToGroup", "room", "hello")
        assert b"hello" in await heard
        broker = joined(again).broker
        assert broker.on_cpu() > 0
        each = sum(server.usage().total for server in servers)
        assert round(joined(again).usage().total, 2) >= round(each, 2)  # the kernel counts hundredths of a second
        assert await broker.memory() > 100_000
    await fleet.end_all()
    assert [server.process.returncode is None for server in servers] == [False, False]
    assert broker.pids == []
