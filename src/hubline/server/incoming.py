"""The receiving side of a hub connection: it handles events in order, and pauses when a bounded queue is full."""

import asyncio
from abc import abstractmethod
from collections.abc import Sequence

from hubline._clock import Clock
from hubline._tasks import wake_up
from hubline.connection import TransportConnection
from hubline.server.dispatcher import Dispatcher
from hubline.server.outgoing import Outgoing
from hubline.server.runtime import HubRuntime
from hubline.server.stages import ENDING, Stage
from hubline.wire.connection import Event, Failed
from hubline.wire.messages import Close, Invocation

_OPEN = Stage.OPEN
"""Getting an enum member from its class costs 0.1 µs, which is much for every message."""


class Incoming(Outgoing):
    """The receiving side of a connection."""

    __slots__ = ("_dispatcher", "_now", "_paused", "_stage", "_unhandled", "loop")

    _dispatcher: Dispatcher
    _runtime: HubRuntime

    def __init__(self, transport: TransportConnection, clock: Clock) -> None:
        super().__init__(transport)
        self.loop, self._now = asyncio.get_running_loop(), clock.now
        self._stage = Stage.HANDSHAKE
        self._paused: asyncio.Future[None] | None = None
        self._unhandled: Sequence[Event] = ()
        """Events that were read after the one that reading pauses for."""

    @abstractmethod
    def _handle(self, event: Event) -> asyncio.Future[None] | None:
        """Handle one event. If it returns a future, reading must pause until that is done."""

    def _feed(self, data: bytes) -> asyncio.Future[None] | None:
        events = self._wire.receive(data, self._now())
        self._runtime.received += len(events)
        return self._proceed(events)

    def _proceed(self, events: Sequence[Event]) -> asyncio.Future[None] | None:
        """Handle events until a queue is full. The returned future is done when all are handled."""
        alone = len(events) == 1
        for number, event in enumerate(events):
            if self._stage is not _OPEN and self._stage in ENDING:
                break
            room = self._dispatcher.invoke(event, alone=alone) if type(event) is Invocation else self._handle(event)
            if room is None:
                continue
            last_words = type(event) is Close or type(event) is Failed
            if last_words or not self._transport.lost:
                self._unhandled = events[number if last_words else number + 1 :]
                return self._hold(room)
        return None

    def _hold(self, room: asyncio.Future[None]) -> asyncio.Future[None]:
        """Wait for room or for the end, then continue. This time does not count as silence of the client."""
        self._paused = room
        self._wire.pause(self._now())
        done: asyncio.Future[None] = self.loop.create_future()
        room.add_done_callback(lambda _: self._go_on(done))
        return done

    def _go_on(self, done: asyncio.Future[None]) -> None:
        self._paused = None
        self._wire.resume(self._now())
        events, self._unhandled = self._unhandled, ()
        try:
            held = self._proceed(events)
        except Exception as error:
            if not done.done():
                done.set_exception(error)
            return
        if held is not None:
            held.add_done_callback(lambda _: wake_up(done))
        else:
            wake_up(done)

    def _resume(self) -> None:
        wake_up(self._paused)
