"""The client side of the three transports, in memory."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, TypeAlias

from hubline.errors import ConnectionClosed
from hubline.testing.asgi import Event, Origin, RefusedError, Response, Session, read_response

TransportName: TypeAlias = Literal["websocket", "sse", "long_polling"]


class ChannelEndError(Exception):
    """The connection has ended. `code` is the WebSocket close code, 1006 without a closing handshake."""

    def __init__(self, code: int | None = None) -> None:
        self.code = code
        super().__init__(code)


class Channel(ABC):
    """One connection of one transport. Call `open` first, then send and receive bytes."""

    name: ClassVar[str]
    """The name in the negotiate response."""
    end_code: ClassVar[int | None] = None
    """The close code of a connection that ends without one."""

    def __init__(self, origin: Origin, token: str | None) -> None:
        self._origin = origin
        self._query = {} if token is None else {"id": token}
        self._lost = False
        self.session: Session | None = None

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises RefusedError."""

    async def send(self, data: bytes, *, binary: bool) -> None:
        """Send bytes to the application. On a lost connection they are discarded.

        Raises:
            ConnectionClosed: the application no longer knows the connection.
        """
        if not self._lost:
            await self._send(data, binary)

    @abstractmethod
    async def _send(self, data: bytes, binary: bool) -> None: ...

    @abstractmethod
    async def receive(self) -> bytes:
        """Receive one unit: a WebSocket message, an event, or the body of a poll. Raises ChannelEndError."""

    async def close(self) -> None:
        """End the connection normally."""
        self._leave(1000)

    def drop(self) -> None:
        """Lose the connection without a close. The application's server notices it at once."""
        self._leave(1006)

    def half_open(self) -> None:
        """Lose the connection without a notice: what either side sends from now on is discarded."""
        self._lost = True
        if self.session is not None:
            self.session.mute()

    def stop_reading(self) -> None:
        """Stop reading: the application's next `send` waits."""
        if self.session is not None:
            self.session.stop_reading()

    def resume_reading(self) -> None:
        if self.session is not None:
            self.session.resume_reading()

    def _leave(self, code: int) -> None:
        self._lost = True
        if self.session is not None:
            self.session.leave(code)


class WebSocketChannel(Channel):
    """One `websocket` call of the application."""

    name = "WebSockets"
    end_code = 1006

    async def open(self) -> None:
        self.session = self._origin.open("websocket", query=self._query)
        self.session.give({"type": "websocket.connect"})
        answer = await self.session.next()
        if answer is None or answer["type"] != "websocket.accept":
            raise _refusal(await read_response(self.session, answer))

    async def _send(self, data: bytes, binary: bool) -> None:
        assert self.session is not None
        content: Event = {"bytes": data} if binary else {"text": data.decode()}
        self.session.give({"type": "websocket.receive", **content})

    async def receive(self) -> bytes:
        assert self.session is not None
        event = await self.session.next()
        if event is None:
            raise ChannelEndError(1006)
        if event["type"] == "websocket.close":
            raise ChannelEndError(event.get("code", 1000))
        text = event.get("text")
        return bytes(event["bytes"]) if text is None else str(text).encode()


class _PostingChannel(Channel):
    """A transport that sends to the server by POST."""

    async def _send(self, data: bytes, binary: bool) -> None:
        answer = await self._origin.request("POST", query=self._query, body=data)
        if answer.status != 200:
            raise ConnectionClosed(f"sending was answered with {answer.status}: {answer.body.decode()!r}")


class ServerSentEventsChannel(_PostingChannel):
    """Receives by one long response."""

    name = "ServerSentEvents"

    def __init__(self, origin: Origin, token: str | None) -> None:
        super().__init__(origin, token)
        self._buffer = b""

    async def open(self) -> None:
        self.session = self._origin.open("http", query=self._query, accept="text/event-stream")
        self.session.give({"type": "http.request", "body": b"", "more_body": False})
        start = await self.session.next()
        if start is None or start["status"] != 200:
            raise _refusal(await read_response(self.session, start))

    async def receive(self) -> bytes:
        while (data := self._next_event()) is None:
            assert self.session is not None
            event = await self.session.next()
            if event is None or (not event.get("body") and not event.get("more_body", False)):
                raise ChannelEndError
            self._buffer += event.get("body", b"")
        return data

    def _next_event(self) -> bytes | None:
        """The data of the first complete event. Comments and empty lines before it are skipped."""
        while b"\r\n" in self._buffer:
            if self._buffer.startswith((b":", b"\r\n")):
                self._buffer = self._buffer.partition(b"\r\n")[2]
                continue
            event, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return None
            self._buffer = rest
            return b"\n".join(line.removeprefix(b"data: ") for line in event.split(b"\r\n"))
        return None


class LongPollingChannel(_PostingChannel):
    """Receives by polls, one after the other. `receive` starts the next one."""

    name = "LongPolling"

    def __init__(self, origin: Origin, token: str | None) -> None:
        super().__init__(origin, token)
        self._slow = False

    async def open(self) -> None:
        answer = await self._poll()
        if answer.status != 200:
            raise _refusal(answer)

    async def receive(self) -> bytes:
        while not self._lost:
            answer = await self._poll()
            if answer.status in (204, 404):
                raise ChannelEndError
            if answer.status != 200:
                raise _refusal(answer)
            if answer.body:
                return answer.body
        raise ChannelEndError

    async def close(self) -> None:
        """As official clients do: cancel the pending poll, and end the connection by DELETE."""
        if not self._lost:
            self._leave(1000)
            await self._origin.request("DELETE", query=self._query)

    def stop_reading(self) -> None:
        self._slow = True
        super().stop_reading()

    def resume_reading(self) -> None:
        self._slow = False
        super().resume_reading()

    async def _poll(self) -> Response:
        self.session = self._origin.open("http", query=self._query)
        if self._slow:
            self.session.stop_reading()
        self.session.give({"type": "http.request", "body": b"", "more_body": False})
        start = await self.session.next()
        if start is None and self._lost:
            raise ChannelEndError
        return await read_response(self.session, start)


def _refusal(answer: Response) -> RefusedError:
    return RefusedError(answer.status, answer.body.decode())


CHANNELS: dict[str, type[Channel]] = {
    "websocket": WebSocketChannel,
    "sse": ServerSentEventsChannel,
    "long_polling": LongPollingChannel,
}
