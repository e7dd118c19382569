"""The HTTP answers that several transports give, to the letter of the original."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

NO_CACHE = {
    "cache-control": "no-cache, no-store",
    "pragma": "no-cache",
    "expires": "Thu, 01 Jan 1970 00:00:00 GMT",
}
"""On every answer of a poll, errors too. Source: `HttpConnectionDispatcher.AddNoCacheHeaders`."""

RETRY_AFTER = "5"
"""Seconds, with 429 and 503. Ours: a waiting connection expires within 15 s, a restart rarely takes longer."""


def plain(status: int, text: str = "", headers: Mapping[str, str] | None = None) -> Response:
    """`text/plain` without a charset, as the original writes it (Starlette would add one)."""
    return Response(text, status, {"content-type": "text/plain", **(headers or {})})


def no_room(status: int) -> Response:
    """503: too many connections, or the server is about to stop. 429: too many of this user or this address."""
    return plain(status, headers={"retry-after": RETRY_AFTER, **NO_CACHE})


def refused(status: int, *, token_given: bool) -> Response:
    """401 with its challenge, or 403: no body, no content type. Source: a protected hub of ASP.NET Core 10.0.12."""
    if status != 401:
        return Response(status_code=status)
    challenge = 'Bearer error="invalid_token"' if token_given else "Bearer"
    return Response(status_code=401, headers={"www-authenticate": challenge})


async def answer(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response, also to a WebSocket upgrade that is turned down.

    A server without the ASGI extension `websocket.http.response` can only say 403, whatever we wanted to say.
    """
    if scope["type"] == "websocket" and "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
    else:
        await response(scope, receive, send)
