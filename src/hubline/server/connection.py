"""One connection of a hub: joins the state machine of the protocol with a transport, and keeps the order of events.

handshake → answer → registered → `on_connected` → messages → `Close` → abort signal → `on_disconnected`
→ upload streams fail → removed from the groups. Spec §3.2, §5.6, §5.7.
"""

import asyncio
import contextvars
import logging
from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

from msgspec import UNSET

from hubline._tasks import ends_its_task
from hubline.connection import Refused, TransportConnection
from hubline.errors import BackplaneError, ConnectionClosed, HubError, RemoteProtocolError, text_of
from hubline.server.context import HubCallerContext
from hubline.server.dispatcher import Dispatcher
from hubline.server.error_texts import CONNECTION_FAILED, error_text
from hubline.server.incoming import Incoming
from hubline.server.runtime import HubRuntime
from hubline.server.stages import ENDING, STAGES, UNHEARD, Stage, Step
from hubline.wire.connection import (
    AckDue,
    Event,
    Failed,
    HandshakeAccepted,
    HandshakeRefused,
    PingDue,
    Side,
    WireConnection,
)
from hubline.wire.messages import (
    Ack,
    CancelInvocation,
    Close,
    Completion,
    Message,
    StreamInvocation,
    StreamItem,
)
from hubline.wire.replay import Replay

logger = logging.getLogger("hubline.connection")


_POLITE = Close(allow_reconnect=True)
"""The default reason for the end of a connection."""


class HubConnectionContext(Incoming):
    """A connection on the server side. Its task is the one that runs `run()`."""

    __slots__ = (*("context", "stir", "variables", "_begin_until", "_cause", "_last_words", "_runtime"),)

    def __init__(self, runtime: HubRuntime, transport: TransportConnection) -> None:
        super().__init__(transport, runtime.clock)
        options = runtime.options
        self.stir = transport.stir
        self.context = HubCallerContext(transport.id, transport.scope, self.abort)
        self._runtime = runtime
        self.variables = contextvars.copy_context()
        """What middleware has set for the request. Whatever runs for the connection does so in a copy of its own."""
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
            replay=Replay(options.stateful_reconnect_buffer_size) if transport.stateful_reconnect else None,
        )
        self._dispatcher = Dispatcher(runtime, self)
        self._last_words = _POLITE
        self._cause: Exception | None = None
        self._begin_until = 0.0
        """The time until which calls that the client sent before it left may still begin."""

    @property
    def user_id(self) -> str | None:
        return self.context.user_id

    def close(self, *, error: str = "", allow_reconnect: bool = False, cause: Exception | None = None) -> None:
        """Begin to end: stop reading, then close in order. Only the first reason counts."""
        if self._stage not in ENDING:
            self._last_words, self._cause = Close(error=error or UNSET, allow_reconnect=allow_reconnect), cause
            self._turn(Step.CLOSE)
            self._transport.end_input()
            self._resume()

    def abort(self) -> None:
        """End the connection for hub code. May be called from any thread."""
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
        self._turn(Step.ABORT)

    def _turn(self, step: Step) -> None:
        """Change the stage. Every change passes here."""
        before = self._stage
        self._stage = stage = STAGES[before].get(step, before)
        if stage is not before and stage in UNHEARD:
            self._shut()

    async def run(self) -> None:
        """Run the connection from beginning to end. Raises what `on_disconnected` raises, for the transport."""
        self._transport.on_heartbeat(self._tick)
        self._transport.on_refresh(self._refreshed)
        if (following := await self._handshake()) is None:
            return
        try:
            await self._join()
            if await self._connected():
                try:
                    await self._read(following)
                finally:
                    if not self.loop.is_closed():
                        await self._end()
        finally:
            if not self.loop.is_closed():  # the coroutine is thrown away: nothing can be sent any more
                self._abort_signal()
                await self._runtime.fanout.disconnected(self)
                del self._dispatcher  # break reference cycles, so that the memory is freed at once

    async def _join(self) -> None:
        try:
            await self._runtime.fanout.connected(self)
        except BackplaneError as error:
            raise Refused("other servers cannot reach it") from error
        if self._runtime.fanout.leaving:  # in a message of its own, or JavaScript's `start` fails
            self.loop.call_soon(partial(self.close, allow_reconnect=True))

    async def _handshake(self) -> Sequence[Event] | None:
        """Wait for the handshake and answer it. Returns the messages after it, or None if there is no connection."""
        try:
            while True:
                events = self._wire.receive(await self._transport.receive(), self._now())
                match events:
                    case [HandshakeAccepted(codec=codec, response=response), *following]:
                        self.codec = codec
                        maximum = self._runtime.options.maximum_send_message_size
                        self._transport.use(codec.transfer_format, maximum_message=maximum)
                        self.write(response)
                        if self._stage is Stage.HANDSHAKE and self._wire.replay is not None:
                            self._count(self._wire.replay, self._runtime.options, self._reconnected)
                        self._turn(Step.AGREE)
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
        if self._runtime.on_connected is None:
            return True
        task = asyncio.current_task()
        try:
            await self._runtime.connect(self)
        except BaseException as error:
            if ends_its_task(error, task):
                raise
            level = logging.INFO if isinstance(error, HubError) else logging.ERROR
            expected = isinstance(error, HubError | BackplaneError)  # which an outage is, however many it meets
            logger.log(
                logging.WARNING if isinstance(error, BackplaneError) else level,
                "connection %s: on_connected refused it: %.200r",
                self.id,
                text_of(error),
                exc_info=None if expected else error,
            )
            text = error_text(CONNECTION_FAILED, error, detailed=self._runtime.options.detailed_errors)
            self._say(Close(error=text))
            return False
        return True

    async def _read(self, following: Sequence[Event]) -> None:
        """Read to the end. Nothing in it runs user code; it pauses only when a bounded queue is full."""
        self._dispatcher.begin()
        try:
            self._runtime.received += len(following)
            held = self._proceed(following)
            if held is not None:
                await held
            await self._transport.consume(self._feed)
        except ConnectionClosed as error:
            error.__traceback__ = None  # the next read raises the error that the input keeps
            if self._stage not in ENDING:
                began = self._calls_to_begin()
                self._abort_signal(Step.LOSE)
                if began is not None:
                    await self._hold(began)
            self._lost(error)
        finally:
            self._unhandled = ()

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
            case Ack() if self._wire.replay is not None:
                self._heard_ack(self._wire.replay)
            case _:
                pass  # pings have no other effect, and the wire has handled a sequence
        return None

    def _complete(self, message: Completion) -> None:
        if not self._dispatcher.uploads.complete(message):
            try:
                self._runtime.fanout.answered(self, message)
            except RemoteProtocolError as error:
                self._fail(error)

    def _fail(self, error: ConnectionClosed) -> None:
        """The peer broke the protocol or was silent for too long. It is told so."""
        logger.info("connection %s: %.200r", self.id, str(error))  # may quote the peer, so it is shortened to one line
        text = error_text(CONNECTION_FAILED, error, detailed=self._runtime.options.detailed_errors)
        self.close(error=text, allow_reconnect=error.allow_reconnect, cause=error)

    def _lost(self, error: ConnectionClosed) -> None:
        """Input has ended: the connection is closing, the peer left, or the transport ended it."""
        if self._stage in ENDING:
            return
        unfinished = self._wire.end_of_input()
        if unfinished is not None:
            self._fail(unfinished)
        elif type(error) is ConnectionClosed:
            self.close(allow_reconnect=True)
        else:
            self._fail(error)

    def _calls_to_begin(self) -> asyncio.Future[None] | None:
        """Calls that the client sent before it left still run, if they begin within `client_timeout`."""
        if self._stage is not Stage.OPEN:
            return None
        began = self._dispatcher.when_all_began()
        if began is not None:
            self._turn(Step.LAST_WORD)
            self.stir()
            self._begin_until = self._now() + self._runtime.options.client_timeout
        return began

    def _tick(self, now: float) -> float | None:
        """The heartbeat, about once a second, or more rarely if nothing needs it."""
        if self._transport.expired:
            self.close(allow_reconnect=True)
        lost = self._transport.lost
        waits = self._stage is Stage.LAST_CALLS or self._stage is Stage.GONE
        if now >= self._begin_until if waits else lost:
            self._resume()
        if lost:
            return None
        if self._wire.replay is not None:
            if self._transport.detached:
                self._wire.excuse(now)
            if self._paused is not None:
                self._let_senders_go()  # while reading is paused, the acknowledgement they wait for cannot arrive
        for event in self._wire.tick(now):
            match event:
                case AckDue(sequence_id=number):
                    self._say_if_heard(Ack(sequence_id=number))
                case PingDue():
                    self._ping()
                case HandshakeRefused():
                    self._refuse(event)
                    self._transport.end_input()
                case Failed(error=error):  # pragma: no branch
                    self._fail(error)
        awaited = self._runtime.fanout.expire(self.id, now)
        return None if awaited or self._paused is not None else self._wire.quiet_until(now)

    def _say_if_heard(self, message: Message) -> None:
        if self._stage not in UNHEARD:
            self._say(message)

    def _reconnected(self) -> None:
        """Another socket carries the connection. The client ignores everything until it gets our `Sequence`."""
        maximum = self._runtime.options.maximum_send_message_size
        self._transport.use(self.codec.transfer_format, maximum_message=maximum)
        self._say_again(self._wire.reconnected(self._now()))
        self.stir()

    def _ping(self) -> None:
        if self._stage not in UNHEARD:
            self._transport.write(self._runtime.ping_packet(self.codec))

    def _refreshed(self) -> None:
        """The connection has another identity. Running calls keep the old one; streams are authorised again."""
        if self._stage in ENDING:
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

    def _abort_signal(self, step: Step = Step.END) -> None:
        self._turn(step)
        self._runtime.fanout.ending(self)
        self.context.aborted.request()
        self._dispatcher.signal()

    async def _end(self) -> None:
        """The closing order of the original: `Close`, abort signal, `on_disconnected`, then the uploads fail."""
        self._say(self._last_words)
        self._abort_signal()
        self._dispatcher.stop()
        await self._runtime.finish(self, self._dispatcher.uploads, self._cause)


def serve(runtime: HubRuntime, transport: TransportConnection) -> Coroutine[Any, Any, None]:
    """The function that a transport runs for each connection of a hub."""
    return HubConnectionContext(runtime, transport).run()
