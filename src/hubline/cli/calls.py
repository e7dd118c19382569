"""Many clients, each with one call in flight. Measures the rate and the latency of answers."""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hubline.cli.dialect import Record
from hubline.cli.load import Connection

IN_TURN = 8
"""The number of invocation ids of one client, so that a repeated answer is not taken for the next one."""


@dataclass(slots=True)
class Calls:
    """The result. Times are in seconds. `client_cpu` is the share of one core that the clients themselves used."""

    seconds: float
    latencies: list[float] = field(repr=False)
    errors: Counter[str]
    client_cpu: float

    @property
    def per_second(self) -> float:
        return len(self.latencies) / self.seconds

    def percentile(self, share: float) -> float:
        """The latency that `share` (0 to 1) of the calls did not exceed; 0 without calls."""
        ordered = sorted(self.latencies)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)] if ordered else 0.0


class Caller:
    """One client. It recognises repeated answers by their bytes, so most are never decoded."""

    def __init__(self, connection: Connection, method: str, arguments: Sequence[Any], check: bool) -> None:
        """With `check` an answer must be equal to the first argument, or it counts as an error."""
        self.latencies: list[float] = []
        self.errors: Counter[str] = Counter()
        self.idle = asyncio.Event()
        self.running = False
        ids = [f"i{number}" for number in range(IN_TURN)]
        self._requests = [connection.dialect.call(each, method, arguments) for each in ids]
        self._ids = ids
        self._known = [b""] * IN_TURN
        """The bytes of an answer and their meaning, for answers with the same bytes."""
        self._wanted = (arguments[0],) if check and arguments else ()
        self._connection = connection
        self._send = connection.send
        self._turn = 0
        self._sent = 0.0
        self._data = b""
        connection.receive = self._receive

    def start(self) -> None:
        self.running = True
        self.idle.clear()
        self._next()

    def stop(self) -> None:
        """Start no further call; `idle` is set when the one in flight is answered."""
        self.running = False

    def _next(self) -> None:
        self._sent = time.perf_counter()
        self._connection.answers[self._ids[self._turn]] = self._answered
        self._send(self._requests[self._turn])

    def _receive(self, data: bytes, final: bool) -> None:
        if data == self._known[self._turn]:
            del self._connection.answers[self._ids[self._turn]]
            self._took()
            return
        inbox = self._connection.inbox
        self._data = data if inbox.between else b""
        inbox.receive(data, final)

    def _answered(self, record: Record) -> None:
        if record.error is None and not (self._wanted and record.value != self._wanted[0]):
            if self._connection.inbox.between:
                self._known[self._turn] = self._data
            self._took()
            return
        self.errors[record.error or f"the answer was {record.value!r}"] += 1
        self.stop()
        self.idle.set()

    def _took(self) -> None:
        self.latencies.append(time.perf_counter() - self._sent)
        self._turn = (self._turn + 1) % IN_TURN
        if self.running:
            self._next()
        else:
            self.idle.set()


async def call_for(
    seconds: float,
    connections: Sequence[Connection],
    method: str,
    arguments: Sequence[Any],
    *,
    check: bool = False,
    around: Callable[[], None] = lambda: None,
) -> Calls:
    """Call for this number of seconds. A client whose call fails stops. The time ends when every call is answered.

    `around` is called at the start and at the end of the time that is counted.
    """
    callers = [Caller(each, method, arguments, check) for each in connections]
    around()
    cpu, started = time.process_time(), time.perf_counter()
    for caller in callers:
        caller.start()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*(caller.idle.wait() for caller in callers))
    for caller in callers:
        caller.stop()
    await asyncio.gather(*(_ended(caller) for caller in callers))
    elapsed, cpu = time.perf_counter() - started, time.process_time() - cpu
    around()
    for connection in connections:
        connection.receive = connection.inbox.receive
    errors: Counter[str] = Counter()
    for caller, connection in zip(callers, connections, strict=True):
        errors.update(caller.errors)
        if connection.inbox.failed is not None:
            errors[str(connection.inbox.failed)] += 1
    return Calls(elapsed, [each for caller in callers for each in caller.latencies], errors, cpu / elapsed)


async def _ended(caller: Caller) -> None:
    try:
        async with asyncio.timeout(30):
            await caller.idle.wait()
    except TimeoutError:
        caller.errors["a call was not answered within 30 seconds"] += 1
