"""HTTP/1.1 as the load clients need it: one request at a time on a connection that stays, and bodies that stream."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from hubline.cli.load import LoadError


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    body: bytes


class HttpClient(asyncio.Protocol):
    """A connection to a server. `on_body` gets the pieces of a body that streams; without it they are gathered."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[Response] | None = None
        self._on_body: Callable[[bytes], None] | None = None
        self._buffer = b""
        self._body: list[bytes] = []
        self._status = 0
        self._left: int | None = None
        """Bytes that are to come of the body, or of a chunk; None while there is no head."""
        self._chunked = False
        self.closed = False

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        on_body: Callable[[bytes], None] | None = None,
    ) -> Response:
        """Ask and wait for the whole answer.

        Raises:
            LoadError: the server closes the connection first.
        """
        if self.closed:
            raise LoadError("the server closed an HTTP connection")
        answer: asyncio.Future[Response] = asyncio.get_running_loop().create_future()
        self._answer = answer
        self._on_body = on_body
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}"]
        if body or method == "POST":
            lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._transport.write("\r\n".join([*lines, "", ""]).encode() + body)
        return await answer

    def close(self) -> None:
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, error: Exception | None) -> None:
        self.closed = True
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(LoadError("the server closed an HTTP connection"))
            self._answer.exception()  # no task may be waiting any more

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while self._step():
            pass

    def _step(self) -> bool:
        """Take one element out of the buffer; whether it was complete."""
        if self._left is None:
            return self._head()
        if self._chunked:
            return self._chunk()
        piece, self._buffer = self._buffer[: self._left], self._buffer[self._left :]
        self._left -= len(piece)
        self._piece(piece)
        if not self._left:
            self._finish()
        return False

    def _head(self) -> bool:
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return False
        self._buffer = rest
        status, *lines = head.split(b"\r\n")
        self._status = int(status.split()[1])
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in lines)}
        self._chunked = headers.get(b"transfer-encoding") == b"chunked"
        self._left = 0 if self._chunked else int(headers.get(b"content-length", 0))
        if not self._chunked and not self._left:
            self._finish()
        return True

    def _chunk(self) -> bool:
        size, separator, rest = self._buffer.partition(b"\r\n")
        if not separator:
            return False
        length = int(size, 16)
        if len(rest) < length + 2:
            return False
        self._buffer = rest[length + 2 :]
        if length:
            self._piece(rest[:length])
        else:
            self._finish()
        return True

    def _piece(self, piece: bytes) -> None:
        if self._on_body is None:
            self._body.append(piece)
        else:
            self._on_body(piece)

    def _finish(self) -> None:
        self._left = None
        body, self._body = b"".join(self._body), []
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_result(Response(self._status, body))


async def open_http(host: str, port: int) -> HttpClient:
    """Connect."""
    _, client = await asyncio.get_running_loop().create_connection(lambda: HttpClient(f"{host}:{port}"), host, port)
    return client
