"""A stand-in for an OpenAI-compatible endpoint: one literal HTTP response to every request."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
HANG = b""
"""In place of bytes: send nothing more, keep the connection."""
CUT = None
"""In place of bytes: close the connection without the end of the response. An event is waited for."""


def event(data: dict[str, Any] | str) -> bytes:
    """One server-sent event as an HTTP chunk."""
    body = f"data: {data if isinstance(data, str) else json.dumps(data)}\n\n".encode()
    return f"{len(body):x}\r\n".encode() + body + b"\r\n"


def piece(text: str | None, finish: str | None = None, **more: str) -> bytes:
    """One `chat.completion.chunk` with `text`, as llama.cpp's server writes it, and what others add to it."""
    choice = {"index": 0, "delta": {"content": text, **more}, "finish_reason": finish}
    return event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def failure(status: str, body: dict[str, Any]) -> bytes:
    """A response with an error."""
    content = json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(content)}\r\n\r\n"
    return head.encode() + content


Response = Sequence[bytes | asyncio.Event | None]


class Endpoint:
    """`url` is the base URL, `requests` holds headers and JSON of each request, `left` is set when a client leaves."""

    def __init__(self, response: Response | Callable[[dict[str, Any]], Response]) -> None:
        """`response`: to every request, or a function of the request."""
        self.url = ""
        self.requests: list[tuple[dict[str, str], dict[str, Any]]] = []
        self.left = asyncio.Event()
        self._response = response

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                lines = head.decode().split("\r\n")[1:]
                headers = dict(line.lower().split(": ", 1) for line in lines if ": " in line)
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.requests.append((headers, json.loads(body or b"{}")))
                response = self._response(self.requests[-1][1]) if callable(self._response) else self._response
                for part in response:
                    if part is CUT:
                        return
                    if isinstance(part, asyncio.Event):
                        await part.wait()
                        continue
                    if part == HANG:
                        await reader.read(1)
                        return
                    writer.write(part or b"")
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.left.set()
            writer.close()


@asynccontextmanager
async def endpoint(*response: bytes | None) -> AsyncIterator[Endpoint]:
    """Serve `response` on a free port to every request."""
    served = Endpoint(response)
    server = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
    try:
        yield served
    finally:
        server.close()
