"""The node at which the request arrives: forwards it, and passes the answer of the other node on."""

import asyncio
from contextlib import suppress

from starlette.types import Message, Scope

from hubline._tasks import TaskOwner
from hubline.extensions import watch_disconnect
from hubline.nodes.frames import Close, Kind, Opening, accept, close, done, encode, handover, start
from hubline.nodes.link import Link
from hubline.nodes.stream import LinkLost, Stream
from hubline.transports.base import Request
from hubline.transports.elsewhere import Handover, Operation
from hubline.transports.responses import answer, plain

ABNORMAL_CLOSURE = 1006
INTERNAL_ERROR = 1011
SERVICE_RESTART = 1012
"""The client sees a connection that is lost, and reconnects."""

NOT_FOUND = "No Connection with that ID"
"""The original's text for the token of an unknown connection."""


def opening_of(request: Request, node: str, hub: str, operation: Operation) -> bytes:
    """The data of a request that the other node needs.

    Raises:
        TypeError: something in the identity is not plain data, so it cannot be sent.
    """
    scope, raw = request.scope, request.asgi
    identity = scope.identity
    opening = Opening(
        operation=operation,
        node=node,
        hub=hub,
        type=raw["type"],
        method=raw.get("method", ""),
        scheme=raw.get("scheme", ""),
        http_version=raw.get("http_version", "1.1"),
        path=raw["path"],
        raw_path=raw.get("raw_path"),
        root_path=raw.get("root_path", ""),
        query=raw.get("query_string", b""),
        headers=[(bytes(name), bytes(value)) for name, value in raw.get("headers", ())],
        client=scope.client,
        server=tuple(raw["server"]) if raw.get("server") else None,
        path_params=dict(scope.path_params),
        subprotocols=list(raw.get("subprotocols", ())),
        identity=None
        if identity is None
        else (identity.user_id, dict(identity.claims), identity.expires_at, identity.roles),
        user_id=scope.user_id,
        address=scope.address,
    )
    return encode(opening)


class ForwardedRequest:
    """One request on its way to another node."""

    def __init__(self, request: Request, operation: Operation, link: Link, opening: bytes, tasks: TaskOwner) -> None:
        self._request, self._operation, self._tasks = request, operation, tasks
        self._is_websocket = request.asgi["type"] == "websocket"
        self._stream: Stream = link.open(opening)
        self._reading: asyncio.Task[None] | None = None
        self._passed_to: Handover | str | None = None
        self._accepted = self._started = self._finished = False
        self._client_gone = False
        self._mute = False
        """The client was refused without the answer of the other node, because its server has no way to send one."""

    async def run(self) -> Handover | str | None:
        """Returns when the request is finished, or with the node that must handle it.

        That is this node if the connection was handed over to it, or the node with the returned address.
        """
        try:
            if not self._is_websocket and self._operation == "connect":
                await self._begin_reading()
            while await self._passed_on():
                pass
        except LinkLost:
            await self._lose()
        except OSError:
            pass  # the client has gone
        finally:
            if self._reading is not None:
                self._reading.cancel()
            self._leave()
            self._stream.end()
        return self._passed_to

    def leave(self) -> None:
        """This node will stop: the other one ends the request with an invitation to reconnect."""
        self._stream.tell(Kind.LEAVE)

    # From the other node to the client

    async def _passed_on(self) -> bool:
        """Pass on one frame; whether more follow."""
        kind, payload = await self._stream.get()
        send = self._request.send
        match kind:
            case Kind.DATA | Kind.LAST | Kind.TEXT:
                self._finished = kind is Kind.LAST
                if not self._mute:
                    await send(self._data(kind, payload))
                self._stream.took(len(payload))
            case Kind.START:
                await self._start(payload)
            case Kind.ACCEPT:
                self._accepted = True
                self._start_reading()
                how = accept(payload)
                await send({"type": "websocket.accept", "subprotocol": how.subprotocol, "headers": how.headers})
            case Kind.CLOSE:
                self._finished = True
                closing = close(payload)
                await send({"type": "websocket.close", "code": closing.code, "reason": closing.reason or ""})
            case Kind.HANDED:
                self._finished, self._passed_to = True, handover(payload)
            case Kind.MOVED:
                self._finished, self._passed_to = True, payload.decode()
            case Kind.DONE:
                self._stream.end()
                failed = done(payload).failed
                await self._end_unanswered(500 if failed else 404, INTERNAL_ERROR if failed else SERVICE_RESTART)
                return False
        return True

    def _data(self, kind: Kind, payload: bytes) -> Message:
        if self._accepted:
            if kind is Kind.TEXT:
                return {"type": "websocket.send", "text": payload.decode()}
            return {"type": "websocket.send", "bytes": payload}
        prefix = "websocket." if self._is_websocket else ""
        return {"type": f"{prefix}http.response.body", "body": payload, "more_body": kind is Kind.DATA}

    async def _start(self, payload: bytes) -> None:
        response, self._started = start(payload), True
        if not self._is_websocket:
            await self._request.send(
                {"type": "http.response.start", "status": response.status, "headers": response.headers}
            )
        elif can_deny(self._request.asgi):
            kind = "websocket.http.response.start"
            await self._request.send({"type": kind, "status": response.status, "headers": response.headers})
        else:
            self._mute = True
            await self._request.send({"type": "websocket.close", "code": 1000, "reason": ""})

    async def _lose(self) -> None:
        """The other node is gone. The client sees a lost connection."""
        with suppress(OSError):
            await self._end_unanswered(404, SERVICE_RESTART)

    async def _end_unanswered(self, status: int, code: int) -> None:
        """Answer if the other node has not. If it has failed, its own log has the reason."""
        if self._finished:
            return
        self._finished, request = True, self._request
        if self._accepted:
            if not self._client_gone:
                await request.send({"type": "websocket.close", "code": code, "reason": ""})
        elif not self._started:
            response = plain(status, NOT_FOUND if status == 404 else "").uncached()
            await answer(response, request.asgi, request.receive, request.send)
        elif not self._mute:
            await request.send(self._data(Kind.LAST, b""))

    # From the client to the other node

    async def _begin_reading(self) -> None:
        """Read the body of an HTTP request. Most have none, or one that arrives in one piece, and need no task."""
        match self._request.asgi["method"]:
            case "GET":
                if not watch_disconnect(self._request.asgi, self._gone):
                    self._start_reading()
            case "POST":
                if await self._read_on():
                    self._start_reading()

    def _start_reading(self) -> None:
        self._reading = self._tasks.start(self._read())

    async def _read(self) -> None:
        with suppress(LinkLost):
            while await self._read_on():
                pass

    async def _read_on(self) -> bool:
        """Pass one message of the client on; whether more may follow. A GET is read until its client has gone."""
        message = await self._request.receive()
        match message["type"]:
            case "http.request":
                if self._request.asgi["method"] == "GET":
                    return True
                more: bool = message.get("more_body", False)
                await self._stream.put(Kind.DATA if more else Kind.LAST, message.get("body", b""))
                return more
            case "websocket.receive":
                await self._stream.put(Kind.DATA, message.get("bytes") or (message.get("text") or "").encode())
                return True
        self._gone(message.get("code", ABNORMAL_CLOSURE), message.get("reason"))
        return False

    def _gone(self, code: int = ABNORMAL_CLOSURE, reason: str | None = None) -> None:
        self._client_gone = True
        self._stream.tell(Kind.GONE, encode(Close(code, reason)))

    def _leave(self) -> None:
        """The request ends here. If the other node still handles it, this node reports that the client has gone."""
        if not self._finished and not self._client_gone:
            self._gone()


def can_deny(scope: Scope) -> bool:
    """Whether the server can answer an upgrade with a response."""
    return "websocket.http.response" in (scope.get("extensions") or {})
