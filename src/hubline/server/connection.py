"""One connection of a hub: joins the wire's state machine with a transport, and keeps the order of its life.

handshake → answer → registered → `on_connected` → messages → `Close` → abort signal → `on_disconnected`
→ upload streams fail → out of the groups. Spec §3.2, §5.6, §5.7.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from msgspec import UNSET

from hubline._tasks import wake_up
from hubline.connection import TransportConnection
from hubline.errors import FAILURES, ConnectionClosed, HubError, RemoteProtocolError, text_of
from hubline.server.context import HubCallerContext
from hubline.server.dispatcher import Dispatcher
from hubline.server.endings import drop
from hubline.server.errors import CONNECTION_FAILED, error_text
from hubline.server.turns import let_others
from hubline.wire.codec import Codec
from hubline.wire.connection import Event, Failed, HandshakeAccepted, HandshakeRefused, PingDue, Side, WireConnection
from hubline.wire.messages import (
    CancelInvocation,
    Close,
    Completion,
    Invocation,
    Message,
    StreamInvocation,
    StreamItem,
)
from hubline.wire.packet import Packet

if TYPE_CHECKING:
    from hubline.server.runtime import HubRuntime

logger = logging.getLogger("hubline.connection")


class HubConnectionContext:
    """A connection as the server side sees it. Its task is the one that runs `run()`."""

    __slots__ = (
        *("id", "codec", "context", "drain", "loop", "stir", "variables", "write", "_cause", "_closing", "_dispatcher"),
        *("_now", "_patience", "_paused", "_runtime", "_transport", "_unhandled", "_wire"),
    )

    def __init__(self, runtime: "HubRuntime", transport: TransportConnection) -> None:
        options = runtime.options
        self.id = transport.id
        self.codec: Codec
        self.write: Callable[[bytes], bool] = transport.write
        self.drain, self.stir = transport.drain, transport.stir
        self.context = HubCallerContext(transport.id, transport.scope, self.abort)
        self._runtime, self._transport = runtime, transport
        self.variables = contextvars.copy_context()
        """What middleware has set for the request. Whatever runs for the connection does so in a copy of its own."""
        self.loop, self._now = asyncio.get_running_loop(), runtime.clock.now
        self._wire = WireConnection(
            Side.SERVER,
            runtime.codecs,
            now=self._now(),
            maximum_message_size=options.maximum_receive_message_size,
            handshake_timeout=options.handshake_timeout,
            keep_alive_interval=None if transport.has_inherent_keep_alive else options.keep_alive_interval,
            peer_timeout=options.client_timeout,
            transfer_formats=transport.transfer_formats,
            detailed_errors=options.detailed_errors,
        )
        self._dispatcher = Dispatcher(runtime, self)
        self._closing: Close | None = None
        self._cause: Exception | None = None
        self._paused: asyncio.Future[None] | None = None
        self._unhandled: Sequence[Event] = ()
        """What was read behind the event that reading pauses for."""
        self._patience: float | None = None
        """Until when calls that were sent before the client's last word may still begin."""

    @property
    def user_id(self) -> str | None:
        return self.context.user_id

    @property
    def unoffered(self) -> bool:
        return self._transport.unoffered

    def send(self, message: Message) -> bool:
        """Encode and queue; False when the caller should `drain()`. Raises what encoding raises, and `SendTooLarge`."""
        return self.write(self.codec.encode(message))

    def replace(self, packet: Packet) -> bool:
        return self._transport.replace(packet) if self.write == self._transport.write else self.write(bytes(packet))

    def close(self, *, error: str = "", allow_reconnect: bool = False, cause: Exception | None = None) -> None:
        """Begin to end: stop reading, then everything in order. The first reason counts."""
        if self._closing is None:
            self._closing = Close(error=error or UNSET, allow_reconnect=allow_reconnect)
            self._cause = cause
            self._transport.end_input()
            wake_up(self._paused)

    def abort(self) -> None:
        """End because hub code says so, in whatever thread it runs."""
        try:
            here = asyncio.get_running_loop() is self.loop
        except RuntimeError:
            here = False
        if here:
            self._abort()
        else:
            self.loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        """From now on nothing but `Close` is written, as in the original."""
        self.close()
        self.write, self.drain = drop, let_others

    async def run(self) -> None:
        """The whole life of the connection. Raises what `on_disconnected` raises, so that the transport knows."""
        self._transport.on_heartbeat(self._tick)
        self._transport.on_refresh(self._refreshed)
        if (following := await self._handshake()) is None:
            return
        try:
            await self._runtime.fanout.connected(self)
            if await self._connected():
                try:
                    await self._read(following)
                finally:
                    await self._end()
        finally:
            self._abort_signal()
            await self._runtime.fanout.disconnected(self)
            del self._dispatcher  # no cycle is left: what has ended is freed at once, not by the garbage collector

    async def _handshake(self) -> Sequence[Event] | None:
        """Wait for the handshake and answer it; what came behind it, or None when there is no connection."""
        try:
            while True:
                events = self._wire.receive(await self._transport.receive(), self._now())
                match events:
                    case [HandshakeAccepted(codec=codec, response=response), *following]:
                        self.codec = codec
                        maximum = self._runtime.options.maximum_send_message_size
                        self._transport.use(codec.transfer_format, maximum_message=maximum)
                        self.write(response)
                        return following
                    case [HandshakeRefused() as refused, *_]:
                        self._refuse(refused)
                        return None
        except ConnectionClosed:
            return None

    def _refuse(self, refused: HandshakeRefused) -> None:
        logger.info("connection %s: handshake refused: %.200r", self.id, refused.error)
        self.write(refused.response)

    async def _connected(self) -> bool:
        if not self._runtime.hears_connections:
            return True
        try:
            await self._runtime.on_connected(self)
        except FAILURES as error:
            expected = isinstance(error, HubError)
            logger.log(
                logging.INFO if expected else logging.ERROR,
                "connection %s: on_connected refused it: %.200r",
                self.id,
                text_of(error),
                exc_info=None if expected else error,
            )
            text = error_text(CONNECTION_FAILED, error, detailed=self._runtime.options.detailed_errors)
            self._closing = Close(error=text)
            self.send(self._closing)
            return False
        return True

    async def _read(self, following: Sequence[Event]) -> None:
        """Read to the end. Nothing in it runs user code; it pauses only when a bounded queue is full."""
        self._dispatcher.begin()
        try:
            held = self._proceed(following)
            if held is not None:
                await held
            await self._transport.consume(self._feed)
        except ConnectionClosed as error:
            error.__traceback__ = None  # leads to the input that keeps the error
            if self._closing is None:
                self._abort_signal()
                await self._let_calls_begin()
            self._lost(error)
        finally:
            self._unhandled = ()

    def _feed(self, data: bytes) -> asyncio.Future[None] | None:
        return self._proceed(self._wire.receive(data, self._now()))

    def _proceed(self, events: Sequence[Event]) -> asyncio.Future[None] | None:
        """Handle events until there is no room for what they bring; the future is done when all are handled."""
        alone = len(events) == 1
        for number, event in enumerate(events):
            if self._closing is not None:
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
        """Wait for room, or for the end, then go on. The time does not count towards the client's silence."""
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

    def _handle(self, event: Event) -> asyncio.Future[None] | None:
        """One event; a future means that reading must pause until it is done."""
        match event:
            case StreamInvocation():
                return self._dispatcher.invoke(event)
            case StreamItem():
                return self._dispatcher.uploads.item(event.invocation_id, event.item)
            case Completion():
                self._complete(event)
            case CancelInvocation():
                self._dispatcher.cancel(event.invocation_id)
            case Close() | Failed() if (began := self._calls_to_begin()) is not None:
                return began
            case Close():
                self.close(cause=None if event.error is UNSET else HubError(event.error))
            case Failed(error=error):
                self._fail(error)
            case _:
                pass  # pings count by arriving; acks and sequences mean nothing without stateful reconnect
        return None

    def _complete(self, message: Completion) -> None:
        if not self._dispatcher.uploads.complete(message):
            try:
                self._runtime.fanout.answered(self, message)
            except RemoteProtocolError as error:
                self._fail(error)

    def _fail(self, error: ConnectionClosed) -> None:
        """The peer broke a rule or fell silent, and is told so."""
        logger.info("connection %s: %.200r", self.id, str(error))  # may quote the peer: short, and on one line
        text = error_text(CONNECTION_FAILED, error, detailed=self._runtime.options.detailed_errors)
        self.close(error=text, allow_reconnect=error.allow_reconnect, cause=error)

    def _lost(self, error: ConnectionClosed) -> None:
        """Input has ended: because we are closing, because the peer left, or because the transport gave up on it."""
        if self._closing is not None:
            return
        unfinished = self._wire.end_of_input()
        if unfinished is not None:
            self._fail(unfinished)
        elif type(error) is ConnectionClosed:
            self.close(allow_reconnect=True)
        else:
            self._fail(error)

    def _calls_to_begin(self) -> asyncio.Future[None] | None:
        """What a client sent before it left is still run, as long as it begins within `client_timeout`."""
        if self._patience is not None:
            return None
        began = self._dispatcher.when_all_began()
        if began is not None:
            self.stir()
            self._patience = self._now() + self._runtime.options.client_timeout
        return began

    async def _let_calls_begin(self) -> None:
        began = self._calls_to_begin()
        if began is not None:
            await self._hold(began)

    def _tick(self, now: float) -> float | None:
        """The heartbeat, about once a second, or as rarely as nothing needs it."""
        if self._transport.expired:
            self.close(allow_reconnect=True)
        lost = self._transport.lost
        if lost if self._patience is None else now >= self._patience:
            wake_up(self._paused)
        if lost:
            return None
        for event in self._wire.tick(now):
            match event:
                case PingDue():
                    self.write(self._runtime.ping_packet(self.codec))
                case HandshakeRefused():
                    self._refuse(event)
                    self._transport.end_input()
                case Failed(error=error):  # pragma: no branch
                    self._fail(error)
        awaited = self._runtime.fanout.expire(self.id, now)
        return None if awaited or self._paused is not None else self._wire.quiet_until(now)

    def _refreshed(self) -> None:
        """The transport has another identity. What runs keeps the old one; streams must be admitted with the new."""
        if self._closing is not None:
            return
        before, scope = self.user_id, self._transport.scope
        changed = scope.user_id != before
        if changed and not self._runtime.options.allow_user_id_change_on_refresh:
            text = "connection %s: aborted, because a refresh changed its user from %r to %r"
            logger.warning(text, self.id, before, scope.user_id)
            self._abort()
            return
        self.context = self.context.renewed(scope)
        if changed:
            self._runtime.fanout.rename(self, before)
        self._dispatcher.refreshed()

    def _abort_signal(self) -> None:
        self.write, self.drain = drop, let_others
        self._runtime.fanout.ending(self)
        self.context.aborted.request()
        self._dispatcher.signal()

    async def _end(self) -> None:
        """The closing order of the original: `Close`, abort signal, `on_disconnected`, then the uploads fail."""
        self.write = self._transport.write
        self.send(self._closing or Close(allow_reconnect=True))
        self._abort_signal()
        self._dispatcher.stop()
        await self._runtime.finish(self, self._dispatcher.uploads, self._cause)
