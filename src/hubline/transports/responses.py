"""The HTTP responses that several transports send, with the exact texts of the original."""

from collections.abc import Sequence
from typing import TypeAlias

from starlette.types import Receive, Scope, Send

Header: TypeAlias = tuple[bytes, bytes]

NO_CACHE = (
    (b"cache-control", b"no-cache, no-store"),
    (b"pragma", b"no-cache"),
    (b"expires", b"Thu, 01 Jan 1970 00:00:00 GMT"),
)
"""On every response to a poll, also on errors. Source: `HttpConnectionDispatcher.AddNoCacheHeaders`."""

RETRY_AFTER = b"5"
"""Seconds, with 429 and 503. Ours: a waiting connection expires within 15 s, a restart rarely takes longer."""

WITHOUT_LENGTH = frozenset({204, 304})


class Answer:
    """A complete response, as an ASGI application like Starlette's `Response`. Its headers are ready-made bytes.

    Every poll and every POST has one, and encoding headers would cost more than the rest of the response.
    """

    __slots__ = ("_body", "_headers", "status")

    def __init__(self, status: int, body: bytes = b"", headers: Sequence[Header] = ()) -> None:
        self.status = status
        self._body = body
        self._headers = headers

    @property
    def headers(self) -> list[Header]:
        """The headers, with the length of the body as the last if the status allows a body."""
        if self.status in WITHOUT_LENGTH:
            return [*self._headers]
        return [*self._headers, (b"content-length", b"%d" % len(self._body))]

    def uncached(self) -> "Answer":
        """The same response with the headers of a poll."""
        return Answer(self.status, self._body, (*self._headers, *NO_CACHE))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        prefix = "websocket." if scope["type"] == "websocket" else ""
        await send({"type": prefix + "http.response.start", "status": self.status, "headers": self.headers})
        await send({"type": prefix + "http.response.body", "body": self._body})


def plain(status: int, text: str = "") -> Answer:
    """`text/plain` without a charset, as the original writes it."""
    return Answer(status, text.encode(), _PLAIN)


def json(status: int, body: bytes) -> Answer:
    """`application/json`, with a body that is already encoded."""
    return Answer(status, body, _JSON)


def octets(body: bytes) -> Answer:
    """The messages that a poll fetches."""
    return Answer(200, body, _OCTETS)


def no_room(status: int) -> Answer:
    """503: too many connections, or the server is about to stop. 429: too many of this user or this address."""
    return Answer(status, b"", _NO_ROOM)


def refused(status: int, *, token_given: bool) -> Answer:
    """401 with its challenge, or 403: no body, no content type. Source: a protected hub of ASP.NET Core 10.0.12."""
    if status != 401:
        return Answer(status)
    challenge = b'Bearer error="invalid_token"' if token_given else b"Bearer"
    return Answer(401, b"", [(b"www-authenticate", challenge)])


async def answer(response: Answer, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response, also to refuse a WebSocket upgrade.

    A server without the ASGI extension `websocket.http.response` always answers 403.
    """
    if scope["type"] == "websocket" and "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
    else:
        await response(scope, receive, send)


_PLAIN: Sequence[Header] = ((b"content-type", b"text/plain"),)
_JSON: Sequence[Header] = ((b"content-type", b"application/json"),)
_OCTETS: Sequence[Header] = ((b"content-type", b"application/octet-stream"), *NO_CACHE)
_NO_ROOM: Sequence[Header] = (*_PLAIN, (b"retry-after", RETRY_AFTER), *NO_CACHE)
