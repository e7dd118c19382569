"""One connection of a client, from its handshake to its end."""

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from hubline._clock import Clock
from hubline._tasks import TaskOwner, ends_its_task, wake_up
from hubline.client.carrier import Carrier
from hubline.client.events import Call, Called, CallFailed, Event, Item, Opened, Refused, Result, Unfit, Upload, Write
from hubline.client.pacing import Pacing, Queue
from hubline.client.session import ClientSession
from hubline.client.transports import TransportName
from hubline.errors import ConnectionClosed, HandshakeError, text_of
from hubline.wire.connection import Failed
from hubline.wire.messages import Ack, Close

TICK = 1.0
"""Seconds between two looks at the times of pings and of the server's silence."""


PAUSE = 4.0
"""Seconds for which a full queue stops the reading at a time. Servers give up a client that takes nothing for 10 s or
does not poll for 15 s (spec §6), and it is alive."""

SIP = 2_097_152
"""Bytes that are read between two pauses. Linux wakes a writer when a third of what it has buffered is gone, of up to
4 MiB, and opens the window again at a sixteenth of the reader's 6 MiB: a write of a server then ends in time."""

AHEAD = 67_108_864
"""Bytes that are read like this while a queue stays full. Then reading stops until it has room. Ours."""

FAREWELL = 5.0
"""Seconds for the `Close` of a client, if the server does not read."""


class Link:
    """A session with its carrier. `called` gets the calls by the server, and their arguments that fit no handler.

    `ended` is done when nothing can be sent or received any more.
    """

    def __init__(
        self,
        carrier: Carrier,
        session: ClientSession,
        clock: Clock,
        pacing: Pacing,
        called: Callable[["Link", Called | Unfit], None],
        connection_id: str | None,
    ) -> None:
        self.session, self.pacing, self.connection_id = session, pacing, connection_id
        self.loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[None] = self.loop.create_future()
        self.reason = ConnectionClosed("the connection was closed by this client")
        self.transport: TransportName = "websocket"
        self._carrier, self._clock, self._called = carrier, clock, called
        self._tasks = TaskOwner("hubline client")
        self._acknowledged: asyncio.Future[None] | None = None
        """Done when the server has acknowledged something, if a sender waits for that."""
        self._sip = self._ahead = 0
        self._opened: asyncio.Future[None] = self.loop.create_future()

    @property
    def may_reconnect(self) -> bool:
        """Whether the end leaves it to the client to come back: no `Close`, or one that invites it."""
        close = self.session.close_message
        return close is None or bool(close.allow_reconnect)

    async def open(self) -> None:
        """The handshake, and the ping after it, which lets the server watch this client (spec §3.4).

        Raises:
            HandshakeError: the server refuses.
            ConnectionClosed: the connection ended first.
        """
        await self._carrier.write(self.session.handshake())
        self._tasks.start(self._read(), name="hubline client: read")
        await asyncio.wait((self._opened, self.ended), return_when=asyncio.FIRST_COMPLETED)
        if not self._opened.done():
            raise self.reason
        self._tasks.start(self._tick(), name="hubline client: time")
        if self.session.pings:
            await self._say(self.session.ping(self._clock.now()))

    async def invoke(self, target: str, arguments: Sequence[Any], result_type: Any) -> Any:
        """Call a method and wait for the answer."""
        call, data = self.session.invoke(target, arguments, result_type=result_type, now=self._clock.now())
        answer = call.sink = asyncio.get_running_loop().create_future()
        uploads: list[asyncio.Task[Any]] = []
        self.pacing.calls += 1
        if self.pacing.full:
            self.pacing.changed()
        try:
            await self.write(data)
            uploads = self.upload(arguments)
            return await answer
        except BaseException:
            if answer.done() and not answer.cancelled():
                answer.exception()  # asyncio logs an exception that nobody has looked at
            raise
        finally:
            self.pacing.calls -= 1
            self._over(call, uploads)

    async def begin(
        self, target: str, arguments: Sequence[Any], item_type: Any, limit: int
    ) -> tuple[Call, list[asyncio.Task[Any]]]:
        """Call a streaming method. The call's sink is the queue of what comes: items, and the event of the end.

        End it with `finish`.
        """
        call, data = self.session.stream(target, arguments, item_type=item_type, now=self._clock.now())
        call.sink = Queue[Any](self.pacing, limit)
        try:
            await self.write(data)
        except BaseException:
            self.finish(call, [])
            raise
        return call, self.upload(arguments)

    def finish(self, call: Call, uploads: list[asyncio.Task[Any]]) -> None:
        """Nobody reads the stream any more."""
        call.sink.end()
        self._over(call, uploads)

    async def send(self, target: str, arguments: Sequence[Any]) -> None:
        """Call a method without an answer."""
        await self.write(self.session.send(target, arguments, now=self._clock.now()))
        self.upload(arguments)

    def upload(self, arguments: Sequence[Any]) -> list[asyncio.Task[Any]]:
        """Start to send the items of the uploads among the arguments."""
        return [self._tasks.start(self._upload(each)) for each in arguments if isinstance(each, Upload)]

    async def answer(self, called: Called, result: Any, failure: BaseException | None) -> None:
        """Tell the server what a handler has returned, or why it failed. Nobody waits after the end."""
        session, now = self.session, self._clock.now()
        if not session.is_open:
            return
        if failure is None:
            try:
                data = session.answer(called, result, now=now)
            except (TypeError, ValueError, OverflowError, RecursionError) as error:  # the result cannot be encoded
                failure = error
        if failure is not None:
            data = session.fail(called, _text(failure), now=now)
        with contextlib.suppress(ConnectionClosed):
            await self.write(data)

    async def write(self, data: bytes) -> None:
        """Send a message. With stateful reconnect it is kept, and too many that are not acknowledged make senders wait.

        Messages must be written in the order in which they are kept: both happen before anything else can run.
        """
        replay = self.session.replay
        if replay is not None:
            replay.keep(data)
        await self._say(data)
        if replay is not None and replay.full:
            await self._acknowledgements()

    async def _say(self, data: bytes) -> None:
        """Send what is not counted."""
        try:
            await self._carrier.write(data)
        except ConnectionClosed as error:
            self.end(error)
            raise

    async def _acknowledgements(self) -> None:
        """Wait until the server has acknowledged enough."""
        self.pacing.calls += 1  # so that reading goes on
        self.pacing.changed()
        try:
            while (replay := self.session.replay) is not None and replay.full and not self.ended.done():
                if self._acknowledged is None or self._acknowledged.done():
                    self._acknowledged = asyncio.get_running_loop().create_future()
                await asyncio.shield(self._acknowledged)
        finally:
            self.pacing.calls -= 1
        if self.ended.done():
            raise self.reason

    async def close(self) -> None:
        """End the connection from here: a `Close` if that is possible, then the carrier."""
        if self.session.is_open:
            farewell = self._tasks.start(self._carrier_closes(self.session.close()))
            await self._tasks.done_before(farewell, self._clock.sleep(FAREWELL))
        self.end(self.reason)
        await self._tasks.cancel()
        await self._carrier.close()

    async def _carrier_closes(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._carrier.write(data)

    def end(self, reason: ConnectionClosed) -> None:
        """The connection has ended: every waiting call fails. The first reason counts."""
        if self.ended.done():
            return
        self.reason = reason
        self.ended.set_result(None)
        wake_up(self._acknowledged)
        for event in self.session.end(reason):
            self._handle(event)

    async def _read(self) -> None:
        try:
            while not self.ended.done():
                await self._carrier.carry(self._take)
                if self.pacing.blocked:
                    await self._pause()
        except ConnectionClosed as error:
            self.end(error)
        except Exception as error:
            closed = ConnectionClosed(f"the client failed: {text_of(error)}")
            closed.__cause__ = error
            self.end(closed)
            raise

    def _take(self, data: bytes) -> bool:
        """Bytes have come. Who waits for them is woken here, and not by a task that would have to be woken first."""
        now = self._clock.now()
        if items := self.session.items(data, now):
            for call, values in items:
                call.sink.put_all(values)
        else:
            for event in self.session.receive(data, now):
                self._handle(event)
        if self.pacing.blocked:
            self._sip -= len(data)
            self._ahead += len(data)
            if self._sip <= 0 or self._ahead >= AHEAD:
                return False
        elif self._ahead:
            self._sip = self._ahead = 0
        return not self.ended.done()

    async def _pause(self) -> None:
        """Do not read while a queue is full. A server that would be kept waiting for too long gets on, a little.

        So pings of WebSockets are answered, polls go on, and the end of the connection is noticed.
        """
        self.session.pause(self._clock.now())
        if self._ahead < AHEAD:
            room = self._tasks.start(self.pacing.wait(), name="hubline client: pause")
            try:
                await self._tasks.done_before(room, self._clock.sleep(PAUSE))
            finally:
                room.cancel()
        else:
            await self.pacing.wait()
        self._sip = SIP
        self.session.resume(self._clock.now())

    async def _tick(self) -> None:
        while not self.ended.done():
            await self._clock.sleep(TICK)
            for event in self.session.tick(self._clock.now()):
                self._handle(event)

    def _handle(self, event: Event) -> None:
        match event:
            case Item():
                event.call.sink.put(event.value)
            case Result() | CallFailed():
                self._answered(event)
            case Called() | Unfit():
                self._called(self, event)
            case Write():
                self._soon(event.data, counted=event.counted)
            case Ack():
                wake_up(self._acknowledged)
            case Opened():
                wake_up(self._opened)
            case Refused():
                self.end(HandshakeError(event.error))
            case Close():
                self.end(_closed_by_server(event))
            case Failed():
                self.end(event.error)
            case _:  # an answer that nobody waits for
                pass

    def _answered(self, event: Result | CallFailed) -> None:
        sink = event.call.sink
        if event.call.streaming:
            sink.put(event)
        elif sink.done():  # whoever called was cancelled in this turn
            pass
        elif isinstance(event, Result):
            sink.set_result(event.value)
        else:
            sink.set_exception(event.error)

    def _over(self, call: Call, uploads: list[asyncio.Task[Any]]) -> None:
        """The caller is gone: cancel the call on the server if it is not answered, and stop its uploads."""
        for task in uploads:
            task.cancel()
        if call.id in self.session.calls and self.session.is_open:
            self._soon(self.session.cancel(call, now=self._clock.now()))

    def _soon(self, data: bytes, *, counted: bool = True) -> None:
        self._tasks.start(self._written(data, counted))

    async def _written(self, data: bytes, counted: bool) -> None:
        with contextlib.suppress(ConnectionClosed):
            await (self.write(data) if counted else self._say(data))

    async def _upload(self, upload: Upload) -> None:
        session, now = self.session, self._clock.now
        error: str | None = None
        with contextlib.suppress(ConnectionClosed):
            try:
                async for item in upload.source:
                    await self.write(session.upload_item(upload, item, now=now()))
            except ConnectionClosed:
                raise
            except (Exception, asyncio.CancelledError) as failure:
                if ends_its_task(failure):
                    raise
                error = _text(failure)
            finally:
                if closing := getattr(upload.source, "aclose", None):
                    with contextlib.suppress(Exception):
                        await closing()
            await self.write(session.end_upload(upload, error, now=now()))


def _text(failure: BaseException) -> str:
    """A cancellation has no text, and an error without one may be taken for none."""
    return text_of(failure) or type(failure).__name__


def _closed_by_server(close: Close) -> ConnectionClosed:
    text = f"The server closed the connection with the following error: {close.error}" if close.error else ""
    return ConnectionClosed(text or "the server closed the connection", allow_reconnect=bool(close.allow_reconnect))
