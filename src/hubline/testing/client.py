"""A hub client in memory: what the official clients do, step by step and without a timer."""

import asyncio
import contextlib
import inspect
import itertools
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any, TypeVar, overload

from msgspec import UNSET

from hubline._tasks import TaskOwner
from hubline.errors import ConnectionClosed, HandshakeError, InvocationError
from hubline.testing.channels import Channel, ChannelEndError
from hubline.testing.clock import settle
from hubline.testing.peer import Closed, Peer
from hubline.wire.codec import Codec, TransferFormat
from hubline.wire.connection import Event, Failed, HandshakeAccepted, HandshakeRefused, Side, State, WireConnection
from hubline.wire.messages import (
    CancelInvocation,
    Close,
    Completion,
    Invocation,
    Message,
    Ping,
    StreamInvocation,
    StreamItem,
)

T = TypeVar("T")

FENCE = "hubline.testing.fence"
"""A method that no hub has. Its refusal arrives behind everything that the server wrote before."""


class InMemoryClient(Peer):
    """A connection to a hub. Calls from the server wait until `expect` fetches them, or go to handlers set with `on`.

    It never pings by itself, so a manual clock can be moved without ending the connection; `ping` sends one.
    """

    def __init__(
        self, channel: Channel, sessions: TaskOwner, time_limit: float, connection_id: str | None, codec: Codec
    ) -> None:
        super().__init__(channel, sessions, time_limit, connection_id)
        self._codec = codec
        self._wire = WireConnection(Side.CLIENT, [codec], now=0.0, maximum_message_size=None)
        self._tasks = TaskOwner("hubline.testing client")
        self._ids = itertools.count()
        self._calls: dict[str, asyncio.Queue[StreamItem | Completion | None]] = {}
        self._handlers: dict[str, Callable[..., Any]] = {}
        self._handler_failures: list[Exception] = []
        self._waiting: list[tuple[str, list[Any]]] = []
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._news = asyncio.Event()
        self._close: Close | None = None
        self._failure: Exception | None = None
        self._ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self._agreed: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self._values = codec.reader(list[Any])

    @overload
    async def invoke(self, target: str, /, *args: Any) -> Any: ...
    @overload
    async def invoke(self, target: str, /, *args: Any, result_type: type[T]) -> T: ...
    async def invoke(self, target: str, /, *args: Any, result_type: Any = Any) -> Any:
        """Call a hub method and return its result, read as `result_type`. Async iterables among `args` are uploaded.

        Raises:
            InvocationError: the method failed; the message is the text that travelled.
            ConnectionClosed: the connection ended first.
        """
        _, answers = await self._call(Invocation, target, args)
        answer = await self._within(answers.get(), f"{target} was not answered")
        if isinstance(answer, StreamItem):
            raise InvocationError(target, "the server sent a stream item for a call that is no stream")
        return self._result(target, answer, result_type)

    async def send(self, target: str, /, *args: Any) -> None:
        """Call a hub method without an answer. Returns when the bytes are on their way."""
        values, uploads = self._uploads(args)
        await self._write(Invocation(target=target, arguments=values, stream_ids=tuple(uploads)))
        self._start_uploads(uploads)

    async def stream(self, target: str, /, *args: Any, item_type: Any = Any) -> AsyncGenerator[Any, None]:
        """Call a streaming hub method; its items come one by one. Closing it early (`aclose`) cancels the stream.

        Raises:
            InvocationError, ConnectionClosed: as `invoke`, behind the items that came before.
        """
        invocation_id, answers = await self._call(StreamInvocation, target, args)
        read = self._codec.reader(item_type)
        answer: StreamItem | Completion | None = None
        try:
            while isinstance(answer := await self._within(answers.get(), f"{target} sent no item"), StreamItem):
                yield read(answer.item)
        except GeneratorExit:
            self._calls.pop(invocation_id, None)
            with contextlib.suppress(ConnectionClosed):
                await self._write(CancelInvocation(invocation_id=invocation_id))
            raise
        self._result(target, answer, Any)

    def on(self, target: str, handler: Callable[..., Any]) -> None:
        """Have `handler`, plain or async, called with the arguments of each `target` from now on.

        What it returns answers the server when that asked for a result. When it raises, the server gets the text; if
        the server didn't ask, leaving the client raises the exception.
        """
        self._handlers[target] = handler

    async def expect(self, target: str) -> list[Any]:
        """The arguments of the first call of `target` by the server that is not fetched yet; waits for it."""
        return await self._within(self._fetch(target), f"the server did not call {target}")

    async def expect_nothing(self) -> None:
        """Prove that the server wrote no call that is not fetched yet.

        It asks the server something and reads up to the answer, which comes behind all that was written before. What
        a method still does after a `send` is not covered if it waits for something: use `invoke` there.
        """
        await self.fence()
        if self._waiting:
            raise AssertionError(f"the server called what was not expected{self._situation()}")

    async def fence(self) -> None:
        """Wait until everything that the server has written up to now is here."""
        await settle()
        _, answers = await self._call(StreamInvocation, FENCE, ())
        if await self._within(answers.get(), "the server answered nothing") is None:
            raise self._gone("the connection ended")

    async def ping(self) -> None:
        """Send a hub ping. From the first on, the server ends the connection when it hears nothing for too long."""
        await self._write(Ping())

    async def closed(self) -> Closed:
        """Wait for the end of the connection."""
        return await self._within(asyncio.shield(self._ended), "the connection did not end")

    async def receive_bytes(self) -> bytes:
        """What came in one piece, as it came: a WebSocket message, an event, the body of a poll.

        The pieces that the client has understood are kept here too, the handshake's answer first.
        """
        return await self._within(self._pieces.get(), "no bytes came")

    async def stop(self, error: str | None = None) -> None:
        """Leave in good order, as the official clients: a `Close` message, then the end of the transport."""
        if not self._ended.done() and self._wire.state is State.OPEN:
            await self._write(Close(error=UNSET if error is None else error))
        await super().stop()
        await self.closed()

    async def start(self) -> None:
        """The handshake. Raises HandshakeError with the server's text."""
        self._tasks.start(self._read())
        await self._transmit(self._wire.handshake(), self._codec.transfer_format is TransferFormat.BINARY)
        refusal = await self._within(asyncio.shield(self._agreed), "the handshake was not answered")
        if refusal is not None:
            raise HandshakeError(refusal)

    async def end(self) -> None:
        """Leave if that has not happened yet. Raises what the application raised, or else a handler."""
        try:
            if self._ended.done():
                await super().stop()
            else:
                await self.stop()
        finally:
            await self._tasks.cancel()
        failure = self._failure or next(iter(self._handler_failures), None)
        if failure is not None:
            raise failure

    async def _call(
        self, kind: type[Invocation] | type[StreamInvocation], target: str, args: tuple[Any, ...]
    ) -> tuple[str, asyncio.Queue[StreamItem | Completion | None]]:
        """Start a call: its id, and where its answers will be; `None` there is the end of the connection."""
        values, uploads = self._uploads(args)
        invocation_id = str(next(self._ids))
        queue = self._calls[invocation_id] = asyncio.Queue()
        message = kind(invocation_id=invocation_id, target=target, arguments=values, stream_ids=tuple(uploads))
        await self._write(message)
        self._start_uploads(uploads)
        return invocation_id, queue

    def _result(self, target: str, answer: Completion | None, kind: Any) -> Any:
        if answer is None:
            raise self._gone(f"the connection ended before {target} was answered")
        if answer.error is not UNSET:
            raise InvocationError(target, answer.error)
        return None if answer.result is UNSET else self._codec.reader(kind)(answer.result)

    def _uploads(self, args: tuple[Any, ...]) -> tuple[list[Any], dict[str, AsyncIterable[Any]]]:
        """The arguments without the streams among them, and those by their new ids."""
        uploads = {str(next(self._ids)): value for value in args if isinstance(value, AsyncIterable)}
        return [value for value in args if not isinstance(value, AsyncIterable)], uploads

    def _start_uploads(self, uploads: dict[str, AsyncIterable[Any]]) -> None:
        for stream_id, items in uploads.items():
            self._tasks.start(self._upload(stream_id, items))

    async def _upload(self, stream_id: str, items: AsyncIterable[Any]) -> None:
        with contextlib.suppress(ConnectionClosed):
            try:
                async for item in items:
                    await self._write(StreamItem(invocation_id=stream_id, item=item))
            except Exception as error:
                await self._write(Completion(invocation_id=stream_id, error=str(error)))
            else:
                await self._write(Completion(invocation_id=stream_id))

    async def _write(self, message: Message) -> None:
        if self._ended.done() or self._wire.state is not State.OPEN:
            raise self._gone("the connection has ended")
        packet = self._wire.send(message, 0.0)
        await self._within(
            self._transmit(packet, self._codec.transfer_format is TransferFormat.BINARY),
            "the application took no message",
        )

    async def _read(self) -> None:
        """Everything that comes, until the end."""
        code = self._channel.end_code
        try:
            while True:
                data = await self._channel.receive()
                self._pieces.put_nowait(data)
                for event in self._wire.receive(data, 0.0):
                    self._handle(event)
        except ChannelEndError as end:
            code = end.code
        except Exception as error:
            self._failure = error
        finally:
            self._finish(Closed(self._close, code))

    def _handle(self, event: Event) -> None:
        match event:
            case Invocation():
                self._called(event)
            case StreamItem() | Completion():
                queue = self._calls.get(event.invocation_id)
                if queue is not None:
                    queue.put_nowait(event)
                if isinstance(event, Completion):
                    self._calls.pop(event.invocation_id, None)
            case Close():
                self._close = event
            case HandshakeAccepted():
                self._agreed.set_result(None)
            case HandshakeRefused(error=text):
                self._agreed.set_result(text)
            case Failed(error=error):
                raise error
            case _:
                pass

    def _called(self, call: Invocation) -> None:
        arguments = self._values(call.arguments)
        handler = self._handlers.get(call.target)
        if handler is not None or call.invocation_id:
            self._tasks.start(self._answer(call, handler, arguments))
        if handler is None:
            self._waiting.append((call.target, arguments))
            self._news.set()

    async def _answer(self, call: Invocation, handler: Callable[..., Any] | None, arguments: list[Any]) -> None:
        """Run a handler. The texts are those of the official clients."""
        answer = Completion(invocation_id=call.invocation_id, error="Client didn't provide a result.")
        if handler is not None:
            try:
                result = handler(*arguments)
                result = await result if inspect.isawaitable(result) else result
                answer = Completion(invocation_id=call.invocation_id, result=result)
            except Exception as error:
                answer = Completion(invocation_id=call.invocation_id, error=str(error))
                if not call.invocation_id:
                    self._handler_failures.append(error)
        if call.invocation_id:
            with contextlib.suppress(ConnectionClosed):
                await self._write(answer)

    async def _fetch(self, target: str) -> list[Any]:
        while True:
            for position, (name, arguments) in enumerate(self._waiting):
                if name == target:
                    del self._waiting[position]
                    return arguments
            if self._ended.done():
                raise self._gone(f"the connection ended, and the server has not called {target}")
            self._news.clear()
            await self._news.wait()

    def _gone(self, text: str) -> ConnectionClosed:
        error = ConnectionClosed(text, allow_reconnect=self._close is not None and self._close.allow_reconnect)
        error.__cause__ = self._failure
        return error

    def _finish(self, closed: Closed) -> None:
        self._ended.set_result(closed)
        if not self._agreed.done():
            self._agreed.set_result("the connection ended before the handshake was answered")
        self._news.set()
        for queue in self._calls.values():
            queue.put_nowait(None)

    def _situation(self) -> str:
        waiting = ", ".join(f"{target}{tuple(arguments)!r}" for target, arguments in self._waiting)
        return f"; calls of the server that were not fetched: {waiting or 'none'}"
