"""A hub client in memory. It does what official clients do, without timers."""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Sequence
from typing import Any, TypeAlias, TypeVar, overload

from hubline._tasks import TaskOwner
from hubline.client.events import (
    Call,
    Called,
    CallFailed,
    Event,
    Handler,
    Item,
    Opened,
    Refused,
    Result,
    Unfit,
    Upload,
    Write,
)
from hubline.client.session import ClientSession
from hubline.errors import ConnectionClosed, HandshakeError
from hubline.testing.channels import Channel, ChannelEndError
from hubline.testing.clock import settle
from hubline.testing.peer import Closed, Peer
from hubline.wire.codec import Codec, TransferFormat
from hubline.wire.connection import Failed

T = TypeVar("T")

Answer: TypeAlias = Item | Result | CallFailed

FENCE = "hubline.testing.fence"
"""A method that no hub has. Its error arrives after all earlier messages of the server."""


class InMemoryClient(Peer):
    """A connection to a hub. Calls by the server are kept for `expect`, or go to handlers that are set with `on`.

    The client does not ping by itself, so the server does not end the connection when a manual clock is moved. `ping`
    sends a ping.
    """

    def __init__(
        self, channel: Channel, sessions: TaskOwner, time_limit: float, connection_id: str | None, codec: Codec
    ) -> None:
        super().__init__(channel, sessions, time_limit, connection_id)
        self._session = ClientSession(codec)
        self._binary = codec.transfer_format is TransferFormat.BINARY
        self._tasks = TaskOwner("hubline.testing client")
        self._handler_failures: list[Exception] = []
        self._waiting: list[tuple[str, list[Any]]] = []
        self._pieces: asyncio.Queue[bytes] = asyncio.Queue()
        self._news = asyncio.Event()
        self._failure: Exception | None = None
        self._ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()
        self._agreed: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()

    @overload
    async def invoke(self, target: str, /, *args: Any) -> Any: ...
    @overload
    async def invoke(self, target: str, /, *args: Any, result_type: type[T]) -> T: ...
    async def invoke(self, target: str, /, *args: Any, result_type: Any = Any) -> Any:
        """Call a hub method and return its result as `result_type`. Async iterables among `args` are uploaded.

        Raises:
            InvocationError: the method failed; the message is the text that the server sent.
            ConnectionClosed: the connection ended first.
        """
        uploads = _uploads(args)
        call, data = self._session.invoke(target, uploads, result_type=result_type)
        answers = await self._start(call, data, uploads)
        return _value(await self._within(answers.get(), f"{target} was not answered"))

    async def send(self, target: str, /, *args: Any) -> None:
        """Call a hub method without waiting for an answer. Returns when the bytes are sent."""
        uploads = _uploads(args)
        await self._write(self._session.send(target, uploads))
        self._start_uploads(uploads)

    async def stream(self, target: str, /, *args: Any, item_type: Any = Any) -> AsyncGenerator[Any, None]:
        """Call a streaming hub method and yield its items. Closing it early (`aclose`) cancels the stream.

        Raises:
            InvocationError, ConnectionClosed: as `invoke`, after the items that arrived before.
        """
        uploads = _uploads(args)
        call, data = self._session.stream(target, uploads, item_type=item_type)
        answers = await self._start(call, data, uploads)
        try:
            while isinstance(answer := await self._within(answers.get(), f"{target} sent no item"), Item):
                yield answer.value
        except GeneratorExit:
            with contextlib.suppress(ConnectionClosed):
                await self._write(self._session.cancel(call))
            raise
        _value(answer)

    def on(self, target: str, handler: Callable[..., Any]) -> None:
        """Call `handler`, plain or async, with the arguments of each call of `target` from now on.

        If the server waits for a result, it gets the value that the handler returns, or the text of its exception. If
        the server does not wait, the exception is raised when the client is closed.
        """
        self._session.handlers[target] = Handler(handler)

    async def expect(self, target: str) -> list[Any]:
        """Wait for the next call of `target` by the server, and return its arguments."""
        return await self._within(self._fetch(target), f"the server did not call {target}")

    async def expect_nothing(self) -> None:
        """Check that `expect` has returned every call that the server has written.

        It sends a request and reads up to the answer, which comes after everything that was written before. If a method
        that was called with `send` still waits for something, its later calls are not seen: call it with `invoke`.
        """
        await self.fence()
        if self._waiting:
            raise AssertionError(f"the server made an unexpected call{self._situation()}")

    async def fence(self) -> None:
        """Wait until the server has admitted the client, and all messages that it has written so far have arrived.

        As with official clients, the connection is open when the handshake is answered, a moment before `on_connected`
        has run, and before other servers reach the client over a backplane.
        """
        await settle()
        answers = await self._start(*self._session.stream(FENCE, ()), ())
        answer = await self._within(answers.get(), "the server did not answer")
        if isinstance(answer, CallFailed) and isinstance(answer.error, ConnectionClosed):
            raise answer.error

    async def ping(self) -> None:
        """Send a hub ping. After the first ping, the server ends the connection if it receives nothing for too long."""
        await self._write(self._session.ping())

    async def closed(self) -> Closed:
        """Wait for the end of the connection."""
        return await self._within(asyncio.shield(self._ended), "the connection did not end")

    async def receive_bytes(self) -> bytes:
        """The next unit as received: a WebSocket message, an event, or the body of a poll.

        It also returns the units that the client has already decoded. The first is the handshake response.
        """
        return await self._within(self._pieces.get(), "no bytes came")

    async def stop(self, error: str | None = None) -> None:
        """End the connection as official clients do: a `Close` message, then the end of the transport."""
        if self._session.is_open:
            await self._write(self._session.close(error))
        await super().stop()
        await self.closed()

    async def start(self) -> None:
        """The handshake. Raises HandshakeError with the server's text."""
        self._tasks.start(self._read())
        await self._transmit(self._session.handshake(), self._binary)
        refusal = await self._within(asyncio.shield(self._agreed), "the handshake was not answered")
        if refusal is not None:
            raise HandshakeError(refusal)

    async def end(self) -> None:
        """End the connection if it is open. Raises the exception of the application, or else that of a handler."""
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

    async def _start(self, call: Call, data: bytes, values: Sequence[Any]) -> asyncio.Queue[Answer]:
        """Write a call and start its uploads. Returns the queue of its answers."""
        answers: asyncio.Queue[Answer] = asyncio.Queue()
        call.sink = answers
        await self._write(data)
        self._start_uploads(values)
        return answers

    def _start_uploads(self, values: Sequence[Any]) -> None:
        for value in values:
            if isinstance(value, Upload):
                self._tasks.start(self._upload(value))

    async def _upload(self, upload: Upload) -> None:
        with contextlib.suppress(ConnectionClosed):
            try:
                async for item in upload.source:
                    await self._write(self._session.upload_item(upload, item))
            except Exception as error:
                await self._write(self._session.end_upload(upload, str(error)))
            else:
                await self._write(self._session.end_upload(upload))

    async def _write(self, data: bytes) -> None:
        await self._within(self._transmit(data, self._binary), "the application took no message")

    async def _read(self) -> None:
        """Handle all messages, until the end."""
        code = self._channel.end_code
        try:
            while True:
                data = await self._channel.receive()
                self._pieces.put_nowait(data)
                for event in self._session.receive(data, 0.0):
                    self._handle(event)
        except ChannelEndError as end:
            code = end.code
        except Exception as error:
            self._failure = error
        finally:
            self._finish(Closed(self._session.close_message, code))

    def _handle(self, event: Event) -> None:
        match event:
            case Item() | Result() | CallFailed():
                event.call.sink.put_nowait(event)
            case Called():
                self._called(event)
            case Write():
                self._tasks.start(self._reply(event.data))
            case Opened():
                self._agreed.set_result(None)
            case Refused(error=text):
                self._agreed.set_result(text)
            case Failed(error=error) | Unfit(error=error):
                raise error
            case _:
                pass

    def _called(self, called: Called) -> None:
        if called.handler is None:
            self._waiting.append((called.target, called.arguments))
            self._news.set()
        else:
            self._tasks.start(self._answer(called, called.handler.function))

    async def _answer(self, called: Called, handler: Callable[..., Any]) -> None:
        """Run a handler, and send its result if the server waits for it."""
        failure: Exception | None = None
        try:
            result = handler(*called.arguments)
            result = await result if inspect.isawaitable(result) else result
        except Exception as error:
            failure = error
        if called.id:
            with contextlib.suppress(ConnectionClosed):
                await self._write(self._outcome(called, result if failure is None else None, failure))
        elif failure is not None:
            self._handler_failures.append(failure)

    def _outcome(self, called: Called, result: Any, failure: Exception | None) -> bytes:
        if failure is None:
            try:
                return self._session.answer(called, result)
            except (TypeError, ValueError, OverflowError, RecursionError) as error:  # the result cannot be encoded
                failure = error
        return self._session.fail(called, str(failure))

    async def _reply(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._write(data)

    async def _fetch(self, target: str) -> list[Any]:
        while True:
            for position, (name, arguments) in enumerate(self._waiting):
                if name == target:
                    del self._waiting[position]
                    return arguments
            if self._ended.done():
                raise self._session.closed(f"the connection ended, and the server has not called {target}")
            self._news.clear()
            await self._news.wait()

    def _finish(self, closed: Closed) -> None:
        ended = self._session.end(self._failure)
        self._ended.set_result(closed)
        if not self._agreed.done():
            self._agreed.set_result("the connection ended before the handshake was answered")
        self._news.set()
        for event in ended:
            self._handle(event)

    def _situation(self) -> str:
        waiting = ", ".join(f"{target}{tuple(arguments)!r}" for target, arguments in self._waiting)
        return f"; calls of the server that were not fetched: {waiting or 'none'}"


def _uploads(args: Sequence[Any]) -> list[Any]:
    """The arguments, with async iterables replaced by uploads."""
    return [Upload(value) if isinstance(value, AsyncIterable) else value for value in args]


def _value(answer: Answer) -> Any:
    if isinstance(answer, CallFailed):
        raise answer.error
    return answer.value
