"""WebSockets over a server's frame channel: no task is woken for a message, in either direction."""

import asyncio
from collections.abc import Callable, Sequence

from hubline._tasks import wake_up
from hubline.connection import Feed
from hubline.errors import ConnectionClosed
from hubline.extensions import FrameChannel
from hubline.transports.outbox import JOINED_WRITE, Outbox, joined
from hubline.transports.session import Session
from hubline.transports.turns import PIECE, turns
from hubline.websocket_frames import message_frame
from hubline.wire.codec import TransferFormat

AT_ONCE = 32_768
"""Bytes of one frame that are passed on at once: the default maximum size of a hub message. The
server has read it in two turns of the loop at least, so it is a bounded share of each. Ours."""

FLUSH_STRIDE = 1_000
"""Connections that are written to without a pause: about 10 ms. Then other tasks get a turn. Ours."""

_TEXT = TransferFormat.TEXT
"""Getting an enum member from its class costs 0.1 µs, which is much for every message."""


class FrameInput:
    """Passes what the peer sends from the parser to the consumer, or holds it while it must not be consumed."""

    __slots__ = ("_backlog", "_channel", "_consumer", "_error", "_feed", "_flusher", "_gone", "_left", "_waiting")

    def __init__(self, channel: FrameChannel, flusher: "Flusher", left: Callable[[bool], None]) -> None:
        """`left` is called once, when the peer is gone, with whether it sent a close frame. Unread data may remain."""
        self._channel, self._flusher, self._left = channel, flusher, left
        self._backlog: list[bytes] = []
        self._consumer: Feed | None = None
        self._feed: Feed | None = None
        """The consumer, while it can be fed directly: input is not paused, and no earlier data is held."""
        self._waiting: asyncio.Future[None] | None = None
        self._error: ConnectionClosed | None = None
        self._gone = False

    def received(self, payload: bytes) -> None:
        feed = self._feed
        if feed is None or len(payload) > AT_ONCE:
            self._keep(payload)
            return
        try:
            held = feed(payload)
        except BaseException as error:
            self._fail(error)
            return
        if held is not None:
            self._hold(held)
        flusher = self._flusher
        if not flusher.scheduled:  # after the task of a call that has just begun, to write its answer at once
            flusher.scheduled = True  # `schedule()` inlined: a call here costs time for every message
            flusher.soon(flusher.flush)

    def read_much(self, size: int) -> None:
        if self._feed is not None and not turns().give(size):
            self._feed = None
            self._channel.pause_reading()
            self._go_on_soon()

    def left(self) -> None:
        self._gone = True
        # at once: held input may wait for room in an outbox that is not emptied any more
        self._left(self._channel.closed_by_peer)
        nothing_held = self._consumer is None or self._feed is not None
        if nothing_held and not self._backlog:
            self._end()

    async def get(self) -> bytes:
        while self._error is None:
            if self._backlog:
                payload = self._backlog.pop(0)
                if not self._backlog and not self._gone:
                    self._channel.resume_reading()
                return payload
            if self._gone:
                self._end()
            else:
                await self._wait()
        raise self._error

    async def consume(self, feed: Feed) -> None:
        self._consumer = feed
        try:
            self._go_on()
            while self._error is None:
                await self._wait()
            raise self._error
        finally:
            self._consumer = self._feed = None

    def close(self, error: ConnectionClosed) -> None:
        """Input is dropped from now on. The channel is still read, to see the peer's close frame."""
        if self._error is None:
            self._error = error
            self._feed = None
            self._backlog.clear()
            self._wake()
            if not self._gone:
                self._channel.resume_reading()

    async def _wait(self) -> None:
        self._waiting = self._flusher.loop.create_future()
        try:
            await self._waiting
        finally:
            self._waiting = None

    def _wake(self) -> None:
        wake_up(self._waiting)

    def _keep(self, payload: bytes) -> None:
        if self._error is not None:
            return
        waiting = self._waiting
        if self._consumer is None and waiting is not None and not waiting.done() and len(payload) <= PIECE:
            self._backlog.append(payload)  # `get()` takes it in this turn: no need to pause
            waiting.set_result(None)
            return
        self._backlog += [payload[start : start + PIECE] for start in range(0, len(payload), PIECE)]
        self._channel.pause_reading()
        if self._consumer is None:
            self._wake()
        elif self._feed is not None:
            self._feed = None
            self._go_on_soon()

    def _hold(self, held: "asyncio.Future[None]") -> None:
        self._feed = None
        self._channel.pause_reading()
        held.add_done_callback(self._released)

    def _released(self, held: "asyncio.Future[None]") -> None:
        if self._backlog:
            self._go_on_soon()
        else:
            self._go_on()

    def _go_on_soon(self) -> None:
        turns().soon(self._go_on)

    def _go_on(self) -> None:
        """Feed one piece of the held data. The next one waits for its turn."""
        consumer = self._consumer
        if consumer is None or self._error is not None:
            return
        if self._backlog:
            try:
                held = consumer(self._backlog.pop(0))
            except BaseException as error:
                self._fail(error)
                return
            if held is not None:
                self._hold(held)
            else:
                self._go_on_soon()
        elif self._gone:
            self._end()
        else:
            self._feed = consumer
            self._channel.resume_reading()

    def _end(self) -> None:
        if self._error is None:
            self._error = ConnectionClosed()
            self._wake()

    def _fail(self, error: BaseException) -> None:
        """The consumer raised, which it should not. `consume()` raises the error."""
        self._feed = None
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(error)
        else:
            raise error


class FrameWriter:
    """Empties an outbox into a frame channel when the flusher calls it."""

    __slots__ = ("_cancelled", "_flusher", "blocked", "joining", "outbox", "session", "write")

    def __init__(self, session: Session, outbox: Outbox, channel: FrameChannel, flusher: "Flusher") -> None:
        self.session, self.outbox = session, outbox
        self.write: Callable[[bytes], None] = channel.write
        self.blocked = False
        """Bytes are buffered that the kernel has not taken."""
        self._flusher = flusher
        self.joining: asyncio.Future[None] | None = None
        """Done when everything is written; `None` if nobody waits for it."""
        self._cancelled = False
        self.outbox.count_buffer(channel.buffered, channel.limit)
        self.outbox.wake = self.wake
        self.outbox.writer = self

    def wake(self) -> None:
        flusher = self._flusher
        flusher.dirty.append(self)
        if not flusher.scheduled:
            flusher.schedule()

    @property
    def ready(self) -> bool:
        return not self.blocked

    def write_at_once(self, packet: bytes) -> None:
        """Write a packet now. For the same one, the frame of the connection before is used again."""
        flusher, write = self._flusher, self.write  # `self.write(…)` is a slot: 0.05 µs more
        if packet is not flusher.packet:
            flusher.packet = packet
            flusher.frame = message_frame(packet, text=self.session.transfer_format is _TEXT)
        write(flusher.frame)

    def pause_writing(self) -> None:
        self.blocked = True

    def resume_writing(self) -> None:
        self.blocked = False
        if self.outbox.writing:
            self.outbox.sent()
        self.wake()

    async def join(self) -> None:
        """Wait until everything is written, once the outbox is finished."""
        if (len(self.outbox) or self.blocked) and not self._cancelled:
            self.joining = asyncio.get_running_loop().create_future()
            await self.joining

    def cancel(self) -> None:
        self._cancelled = True
        self.written()

    def written(self) -> None:
        wake_up(self.joining)


class Flusher:
    """Once in a turn of the event loop, writes what was queued in it for all connections.

    The packets of a connection are joined into one frame. In a broadcast nearly all connections have the same packets:
    then the frame of the connection before is used again, so a thousand sockets need only one.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.dirty: list[FrameWriter] = []
        self.scheduled = False
        self.soon = loop.call_soon
        self.packet = self.frame = b""
        """The last that was written at once. An object is one codec's, so it has the same frame on all connections."""

    def schedule(self) -> None:
        """Flush after the callbacks that are already scheduled."""
        self.scheduled = True
        self.soon(self.flush)

    def flush(self) -> None:
        self.scheduled = False
        dirty, self.dirty = self.dirty[:FLUSH_STRIDE], self.dirty[FLUSH_STRIDE:]
        if self.dirty:
            self.schedule()
        before: Sequence[bytes] = ()
        before_format, frame, rest = _TEXT, b"", b""
        for writer in dirty:
            if writer.blocked:
                continue  # `resume_writing` schedules it again
            outbox, transfer_format = writer.outbox, writer.session.transfer_format
            packets = outbox.take()
            if packets:
                if packets != before or transfer_format is not before_format:
                    before, before_format = packets, transfer_format
                    frame, rest, text = joined(packets), b"", transfer_format is _TEXT
                    if len(frame) > JOINED_WRITE:  # one large packet, shared by all recipients
                        frame, rest = message_frame(frame, text=text, with_payload=False), frame
                    else:
                        frame = message_frame(frame, text=text)
                write = writer.write
                write(frame)
                if rest:
                    write(rest)
                if writer.blocked:
                    continue
                outbox.sent()
            if outbox.size:
                writer.wake()
            elif writer.joining is not None:
                writer.written()
