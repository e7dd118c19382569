"""Two servers of a peer with one Redis: the cost of a message for all three."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from msgspec import Struct
from msgspec.json import Decoder

from benchmarks.joined import Joined
from benchmarks.machine import on_cpu
from benchmarks.rows.broadcasts import calling, sending
from benchmarks.rows.calls import TEXT, echo
from benchmarks.rows.measuring import Bench, Clock, Figures, Run, close
from benchmarks.rows.streams import reading
from hubline.cli.calls import Calls, call_for
from hubline.cli.load import Connection, LoadError, connect_many

GROUP = "elsewhere"
VALUE = 21
"""The number that a client doubles."""


@asynccontextmanager
async def to_one_server(bench: Bench) -> AsyncIterator[Run]:
    """The sender is alone on the first server, all receivers are on the second."""
    settings = bench.settings
    async with spread(bench, (1, settings.recipients)) as (control, listeners):
        sessions = [*control, *listeners]
        yield counted(bench, sending(bench, sessions, "Broadcast", settings.broadcasts, settings.message_size))


@asynccontextmanager
async def everybody(bench: Bench) -> AsyncIterator[Run]:
    """All clients send to all clients, half of them on each server."""
    async with spread(bench, _halves(bench.settings.callers)) as (first, second):
        sessions = [*first, *second]
        yield counted(bench, calling(bench, sessions, sessions, "SendMessage", "alice"))


@asynccontextmanager
async def one_hop(bench: Bench) -> AsyncIterator[Run]:
    """Many senders on the first server, one recipient on the second: nearly only the cost of Redis."""
    async with spread(bench, (bench.settings.callers, 1)) as (senders, members):
        await members[0].call("Join", GROUP)
        yield counted(bench, calling(bench, senders, members, "ToGroup", GROUP))


@asynccontextmanager
async def calls(bench: Bench) -> AsyncIterator[Run]:
    """The cost of a backplane for calls that do not need it."""
    async with spread(bench, _halves(bench.settings.callers)) as (first, second):
        yield counted(bench, echo(bench, [*first, *second], "EchoText", TEXT))


@asynccontextmanager
async def streams(bench: Bench) -> AsyncIterator[Run]:
    async with spread(bench, _halves(bench.settings.streams)) as (first, second):
        yield counted(bench, reading(bench, [*first, *second]))


class Question(Struct, rename="camel"):
    """The used fields of a call to a client."""

    type: int
    invocation_id: str = ""
    arguments: tuple[int, ...] = ()


class Doubling:
    """A client that answers each question with twice the number in it."""

    def __init__(self, connection: Connection) -> None:
        self.answered = 0
        self._connection = connection
        self._decode = Decoder(Question).decode
        self._data = b""
        connection.receive = self._receive

    def _receive(self, data: bytes, final: bool) -> None:
        *whole, self._data = (self._data + data).split(b"\x1e")
        for payload in whole:
            question = self._decode(payload)
            if question.type == 1:
                self.answered += 1
                answer = '{"type":3,"invocationId":"%s","result":%d}\x1e'
                self._connection.send((answer % (question.invocation_id, 2 * question.arguments[0])).encode())


@asynccontextmanager
async def results(bench: Bench) -> AsyncIterator[Run]:
    """Each caller, on the first server, has its call ask a client of its own, on the second."""
    count = bench.settings.callers
    async with spread(bench, (count, count)) as (callers, asked):
        ids = [await connection.call("ConnectionId") for connection in asked]
        doubling = [Doubling(connection) for connection in asked]
        if (found := await callers[0].call("AskClient", ids[0], VALUE)) != 2 * VALUE:
            raise LoadError(f"the client's answer {2 * VALUE} came as {found!r}")

        async def run(seconds: float) -> Figures:
            before = sum(each.answered for each in doubling)
            clock = Clock(bench.server)
            with clock, clock.running():
                made = await asyncio.gather(
                    *(
                        call_for(seconds, [caller], "AskClient", [connection_id, VALUE])
                        for caller, connection_id in zip(callers, ids, strict=True)
                    )
                )
            return clock.figures(_all_answered(made, sum(each.answered for each in doubling) - before))

        yield counted(bench, run)


def _all_answered(made: Sequence[Calls], asked: int) -> int:
    """How many calls there were. Raises LoadError for one that failed, and for clients that were asked too often."""
    errors = [error for each in made for error in each.errors]
    calls = sum(len(each.latencies) for each in made)
    if errors or calls != asked:
        raise LoadError(errors[0] if errors else f"clients were asked {asked} times for {calls} calls")
    return calls


@asynccontextmanager
async def spread(bench: Bench, counts: Sequence[int]) -> AsyncIterator[list[list[Connection]]]:
    """New connections on each of the servers, closed at the end."""
    made: list[list[Connection]] = []
    try:
        for server, count in zip(await joined(bench).at_least(len(counts)), counts, strict=True):
            made.append(await connect_many(count, server.url, server.peer.dialect()))
        # A server answers the handshake before Redis has confirmed the subscriptions, and handles calls after that.
        await asyncio.gather(*(each.call("EchoText", "here") for connections in made for each in connections))
        yield made
    finally:
        for connections in made:
            close(connections)


def joined(bench: Bench) -> Joined:
    assert isinstance(bench.server, Joined)
    return bench.server


def _halves(count: int) -> tuple[int, int]:
    return count - count // 2, count // 2


def counted(bench: Bench, run: Run) -> Run:
    """Which part of the CPU time Redis took, and which the first server."""
    servers = joined(bench)

    def parts() -> tuple[float, float, float]:
        return servers.usage().total, servers.broker.on_cpu(), on_cpu(servers.members[0].pids)

    async def run_and_split(seconds: float) -> Figures:
        before = parts()
        figures = await run(seconds)
        used, redis, first = (after - earlier for after, earlier in zip(parts(), before, strict=True))
        each = (figures["user_us"] + figures["kernel_us"]) / used if used else 0.0
        return figures | {"redis_us": redis * each, "first_us": first * each}

    return run_and_split
