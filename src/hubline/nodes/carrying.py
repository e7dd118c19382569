"""The node that has the connection: handles a forwarded request as if the client were connected here."""

import asyncio
import logging
from collections.abc import Callable, MutableMapping
from functools import partial
from typing import Any

from starlette.types import Message, Scope

from hubline._tasks import ends_its_task
from hubline.connection import ConnectionScope, Identity
from hubline.extensions import DISCONNECT
from hubline.nodes.frames import Accept, Close, Done, Kind, Opening, Start, close, encode
from hubline.nodes.stream import LinkLost, Stream
from hubline.transports.endpoint import HubEndpoint, query_value

logger = logging.getLogger("hubline.nodes")

ABNORMAL_CLOSURE = 1006
WITHOUT_BODY = ("GET", "DELETE")


class CarriedRequest:
    """A forwarded request, as ASGI."""

    def __init__(self, stream: Stream, opening: Opening, moved: MutableMapping[str, str]) -> None:
        """`moved` maps tokens of connections that were handed over to their nodes."""
        self._stream, self._opening, self._moved = stream, opening, moved
        self._is_websocket = opening.type == "websocket"
        self._body_told = False
        self._leave: Callable[[], bool] | None = None
        self._gone: Message | None = None
        """The last message of `receive`."""

    async def handle(self, endpoint: HubEndpoint) -> None:
        """Let the endpoint handle it, and return the outcome. Raises only when it is cancelled."""
        failed, task = True, asyncio.current_task()
        try:
            scope, admitted = self._scopes()
            if not self._goes_elsewhere(endpoint, admitted):
                self._leave = partial(endpoint.leave, admitted)
                self._stream.on_leave = self._told_to_leave
                handle = endpoint.refresh if self._opening.operation == "refresh" else endpoint.connect
                await handle(scope, self._receive, self._send, admitted)
            failed = False
        except LinkLost:
            pass
        except BaseException as error:
            if ends_its_task(error, task):
                raise
            logger.exception("a request of another node failed")
        finally:
            self._stream.on_leave = None
            self._stream.tell(Kind.DONE, encode(Done(failed)))
            self._stream.end()

    def _goes_elsewhere(self, endpoint: HubEndpoint, admitted: ConnectionScope) -> bool:
        """Whether another node handles it: the one that has the connection, or the sender, which gets it now."""
        moved_to = self._moved.get(query_value(admitted, "id") or "")
        if moved_to is not None and (self._is_websocket or self._opening.operation == "refresh"):  # they have no body
            self._stream.tell(Kind.MOVED, moved_to.encode())
            return True
        handover = endpoint.hand_over(admitted) if self._is_websocket else None
        if handover is None:
            return False
        if handover.to_be_found:
            self._moved[handover.token] = self._opening.node
        self._stream.tell(Kind.HANDED, encode(handover))
        return True

    def _scopes(self) -> tuple[Scope, ConnectionScope]:
        opening = self._opening
        scope: Scope = {
            "type": opening.type,
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": opening.http_version,
            "scheme": opening.scheme,
            "path": opening.path,
            "root_path": opening.root_path,
            "query_string": opening.query,
            "headers": opening.headers,
            "client": opening.client,
            "server": opening.server,
            "path_params": opening.path_params,
            "extensions": {"websocket.http.response": {}}
            if self._is_websocket
            else {DISCONNECT: {"watch": self._watch}},
        }
        if opening.raw_path is not None:
            scope["raw_path"] = opening.raw_path
        if self._is_websocket:
            scope["subprotocols"] = opening.subprotocols
        else:
            scope["method"] = opening.method
        identity = None if opening.identity is None else Identity(*opening.identity)
        admitted = ConnectionScope(scope, identity, address=opening.address)
        admitted.user_id = opening.user_id
        return scope, admitted

    def _watch(self, gone: Callable[[], None]) -> bool:
        if self._stream.has_gone:
            return False
        self._stream.on_gone = gone
        return True

    def _told_to_leave(self) -> None:
        """For a connection with stateful reconnect, this is the loss of its WebSocket."""
        if self._leave is not None and not self._leave():
            self._stream.arrived(Kind.GONE, encode(Close(ABNORMAL_CLOSURE, None)))

    async def _receive(self) -> Message:
        if self._gone is not None:
            return self._gone
        if not self._is_websocket and not self._body_told and self._opening.method in WITHOUT_BODY:
            self._body_told = True
            return {"type": "http.request", "body": b"", "more_body": False}
        try:
            while True:
                kind, payload = await self._stream.get()
                if kind is Kind.GONE:
                    self._gone = self._gone_message(close(payload))
                    return self._gone
                if kind in (Kind.DATA, Kind.TEXT, Kind.LAST):
                    self._stream.took(len(payload))
                    if self._is_websocket:
                        return {"type": "websocket.receive", "bytes": payload}
                    return {"type": "http.request", "body": payload, "more_body": kind is not Kind.LAST}
        except LinkLost:
            self._gone = self._gone_message(Close(ABNORMAL_CLOSURE, None))
            return self._gone

    def _gone_message(self, how: Close) -> Message:
        if not self._is_websocket:
            return {"type": "http.disconnect"}
        message: Message = {"type": "websocket.disconnect", "code": how.code}
        if how.reason is not None:
            message["reason"] = how.reason
        return message

    async def _send(self, message: Message) -> None:
        put, tell = self._stream.put, self._stream.tell
        match message["type"]:
            case "http.response.start" | "websocket.http.response.start":
                tell(Kind.START, encode(Start(message["status"], _headers(message))))
            case "http.response.body" | "websocket.http.response.body":
                await put(Kind.DATA if message.get("more_body") else Kind.LAST, message.get("body", b""))
            case "websocket.accept":
                tell(Kind.ACCEPT, encode(Accept(message.get("subprotocol"), _headers(message))))
            case "websocket.send":
                data: Any = message.get("bytes")
                if data is None:
                    await put(Kind.TEXT, message["text"].encode())
                else:
                    await put(Kind.DATA, data)
            case "websocket.close":
                tell(Kind.CLOSE, encode(Close(message.get("code", 1000), message.get("reason") or "")))


def _headers(message: Message) -> list[tuple[bytes, bytes]]:
    return [(bytes(name), bytes(value)) for name, value in message.get("headers", ())]
