"""Answers with many viewers, with late viewers, and with viewers that lose their connections."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from benchmarks.rows.measuring import PATIENCE, Bench, Clock, Figures, Run, Warm, close, connected
from hubline.cli.load import Connection, LoadError, connect
from hubline.wire.framing import RECORD_SEPARATOR
from hubline.wire.messages import CancelInvocation

CALL = "s1"
ITEM = 2
_decode = msgspec.json.Decoder().decode

Take = Callable[[Any], None]


@asynccontextmanager
async def viewers(bench: Bench) -> AsyncIterator[Run]:
    """One answer for all viewers; on a server without runs, the same tokens as a stream for each."""
    async with connected(bench, bench.settings.viewers) as connections:
        yield _watched(bench, connections, answers=1)


@asynccontextmanager
async def alone(bench: Bench) -> AsyncIterator[Run]:
    """An answer for each viewer."""
    async with connected(bench, bench.settings.answers) as connections:
        yield _watched(bench, connections, answers=len(connections))


def _watched(bench: Bench, connections: Sequence[Connection], *, answers: int) -> Run:
    settings, has_runs = bench.settings, bench.server.peer.has_runs
    every, size = settings.answer_every_ms, settings.token_size

    async def run(seconds: float) -> Figures:
        tokens = max(int(seconds * 1000 / every), 2)
        characters, items = [0] * len(connections), [0] * len(connections)

        def counting(number: int) -> Take:
            def take(item: Any) -> None:
                characters[number] += len(item.get("text", "") if has_runs else item)
                items[number] += 1

            return take

        clock = Clock(bench.server)
        with clock, clock.running():
            if has_runs:
                ids = [await each.call("StartTokens", tokens, size, every) for each in connections[:answers]]
                asked = [("AttachRun", [ids[number % answers], None]) for number in range(len(connections))]
            else:
                asked = [("PacedTokens", [tokens, size, every])] * len(connections)
            await _streamed(connections, asked, counting)
        if set(characters) != {tokens * size}:
            raise LoadError(f"of {tokens} tokens a viewer got {min(characters) / size:g}, another {max(characters)}")
        figures = clock.figures(tokens * len(connections))
        cpu = figures["user_us"] + figures["kernel_us"]
        return figures | {"cpu_us": cpu, "items": sum(items) / len(items)}

    return run


@asynccontextmanager
async def attaching(bench: Bench) -> AsyncIterator[Run]:
    """One more viewer attaches to an answer with viewers; and before, all of them at once."""
    settings = bench.settings
    async with connected(bench, settings.viewers + 1) as connections:
        late, *others = connections

        async def run(seconds: float) -> Figures:
            run_id = await late.call("StartTokens", 1_000_000, settings.token_size, settings.answer_every_ms)
            clock, rush, delays = Clock(bench.server), list[float](), list[float]()
            with clock, clock.running():
                ends = asyncio.gather(*[_first(each, run_id, rush) for each in others])
                await asyncio.wait_for(ends, PATIENCE)
                for number in range(max(3, min(settings.attaches, int(seconds * 100)))):
                    await asyncio.wait_for(_first(late, run_id, delays, f"a{number}"), PATIENCE)
                    late.send(late.dialect.codec.encode(CancelInvocation(invocation_id=f"a{number}")))  # type: ignore[attr-defined]
                    await asyncio.sleep(settings.answer_every_ms / 1000)
            left = [each.answer(CALL) for each in others]
            await late.call("StopRun", run_id)
            await asyncio.wait_for(asyncio.gather(*left), PATIENCE)
            figures = clock.figures(len(delays))
            return figures | _shares(delays, "") | _shares(rush, "rush_")

        yield run


async def _first(connection: Connection, run_id: str, delays: list[float], call: str = CALL) -> None:
    """Attach, and note how long the first item took."""
    came = asyncio.get_running_loop().create_future()

    def take(item: Any) -> None:
        if not came.done():
            came.set_result(time.perf_counter())

    connection.answer(call)
    _listen(connection, take, call=call)
    started = time.perf_counter()
    connection.send(connection.dialect.stream(call, "AttachRun", [run_id, None]))
    delays.append(await came - started)


async def cut_groups(bench: Bench, warm: Warm) -> Figures:
    """Messages to a group whose members lose their connections. Messages sent meanwhile are lost, by design."""
    control = await connect(bench.server.url, bench.server.peer.dialect())
    settings = bench.settings

    async def join(connection: Connection, seen: "_Seen") -> None:
        _listen(connection, lambda arguments: seen.take(arguments[1]), kind=1, call=None)
        await connection.call("Join", "cuts")

    async def send() -> None:
        for _ in range(int(settings.cut_seconds * settings.cut_rate)):
            await control.call("ToGroup", "cuts", f"{time.monotonic()} ")
            await asyncio.sleep(1 / settings.cut_rate)

    try:
        return await _cut(bench, join, send)
    finally:
        control.close()


async def cut_runs(bench: Bench, warm: Warm) -> Figures:
    """The same as one answer, to which they attach again with their position."""
    control = await connect(bench.server.url, bench.server.peer.dialect())
    settings = bench.settings
    messages = int(settings.cut_seconds * settings.cut_rate)
    run_id = await control.call("StartClock", messages, int(1000 / settings.cut_rate))
    ended = control.answer(CALL)
    control.send(control.dialect.stream(CALL, "AttachRun", [run_id, None]))

    async def attach(connection: Connection, seen: "_Seen") -> None:
        def take(item: Any) -> None:
            seen.take(item.get("text", ""))
            seen.position = item["position"]

        _listen(connection, take)
        connection.send(connection.dialect.stream(CALL, "AttachRun", [run_id, seen.position]))

    async def wait() -> None:
        await ended

    try:
        return await _cut(bench, attach, wait)
    finally:
        control.close()


async def cut_rooms(bench: Bench, warm: Warm) -> Figures:
    """The same as messages to a room, which they join again with their position."""
    control = await connect(bench.server.url, bench.server.peer.dialect())
    settings = bench.settings
    room = f"cuts-{time.monotonic()}"

    async def join(connection: Connection, seen: "_Seen") -> None:
        early: list[Any] | None = []

        def note(message: Any) -> None:
            seen.take(message["data"])
            seen.position = message["position"]

        def take(arguments: Any) -> None:
            note(arguments[1]) if early is None else early.append(arguments[1])

        _listen(connection, take, kind=1, call=None)
        found: Any = await connection.call("JoinRoom", room, seen.position, {"presence": False})
        if not found["complete"]:
            raise LoadError("a client has missed what the room does not keep any more")
        held, early = early, None
        for message in (*found["messages"], *(held or ())):
            note(message)
        seen.position = seen.position or found["position"]

    async def send() -> None:
        for _ in range(int(settings.cut_seconds * settings.cut_rate)):
            await control.call("SendToRoom", room, f"{time.monotonic()} ", None)
            await asyncio.sleep(1 / settings.cut_rate)

    try:
        return await _cut(bench, join, send)
    finally:
        control.close()


class _Seen:
    """The messages of one client."""

    def __init__(self) -> None:
        self.times: list[str] = []
        self.delays: list[float] = []
        self.position: str | None = None

    def take(self, text: str) -> None:
        now = time.monotonic()
        for sent in text.split():
            self.times.append(sent)
            self.delays.append(now - float(sent))


async def _cut(bench: Bench, come: Callable[[Connection, _Seen], Any], send: Callable[[], Any]) -> Figures:
    """Clients that are cut at regular intervals, each at times of its own, while `send` runs and a little longer."""
    settings, over = bench.settings, asyncio.Event()
    clients = [_Seen() for _ in range(settings.cut_clients)]
    ready = asyncio.Semaphore(0)

    async def client(number: int, seen: _Seen) -> None:
        first = settings.cut_every * (number + 1) / len(clients)
        for stay in (first, *[settings.cut_every] * 10_000):
            connection = await connect(bench.server.url, bench.server.peer.dialect())
            await come(connection, seen)
            ready.release()
            last = await _within(over, stay)
            close([connection])
            if last:
                return
            await _within(over, settings.cut_away)

    tasks = [asyncio.ensure_future(client(number, seen)) for number, seen in enumerate(clients)]
    for _ in clients:
        await ready.acquire()
    await send()
    await asyncio.sleep(settings.cut_away + 0.5)  # a client that is away comes back once more
    over.set()
    await asyncio.gather(*tasks)
    sent = len({each for seen in clients for each in seen.times})
    if any(len(set(seen.times)) != len(seen.times) for seen in clients):
        raise LoadError("a client got a message twice")
    delays = [delay for seen in clients for delay in seen.delays]
    figures = _shares(delays, "")
    return {"lost": 1 - len(delays) / (sent * len(clients)), "messages": sent, **figures}


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Wait for this time; whether the event came first."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def _shares(delays: list[float], prefix: str) -> Figures:
    ordered = sorted(delays)
    return {
        f"{prefix}{name}": ordered[int(len(ordered) * share)] * 1000
        for name, share in (("p50_ms", 0.5), ("p99_ms", 0.99))
    }


async def _streamed(
    connections: Sequence[Connection], asked: Sequence[tuple[str, list[Any]]], taking: Callable[[int], Take]
) -> None:
    """One stream for each, to its end."""
    ends = [connection.answer(CALL) for connection in connections]
    for number, (connection, (method, arguments)) in enumerate(zip(connections, asked, strict=True)):
        _listen(connection, taking(number))
        connection.send(connection.dialect.stream(CALL, method, arguments))
    await asyncio.wait_for(asyncio.gather(*ends), PATIENCE)
    for connection in connections:
        connection.receive = connection.inbox.receive


def _listen(connection: Connection, take: Take, kind: int = ITEM, call: str | None = CALL) -> None:
    """Hand the items of a stream, or with `kind` 1 the arguments of calls, to `take`; all else to the inbox."""
    tail, field = b"", "item" if kind == ITEM else "arguments"

    def receive(data: bytes, final: bool) -> None:
        nonlocal tail
        *records, tail = (tail + data).split(RECORD_SEPARATOR)
        for record in records:
            message = _decode(record)
            if message.get("type") != kind:
                connection.inbox.receive(record + RECORD_SEPARATOR)
            elif message.get("invocationId") == call:
                take(message[field])

    connection.receive = receive
