"""One server at a time is awake, and one that failed is replaced."""

import os
import signal
import sys
from collections.abc import AsyncIterator

import pytest

from benchmarks import peers
from benchmarks.fleet import Fleet
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
