"""The ASGI callables of one hub path. They admit a request, find its connection, and choose the transport.

Status codes, texts and the order of the checks are the original's (`HttpConnectionDispatcher`); behaviour §1 and §2.1.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from msgspec import UNSET
from starlette.types import Receive, Scope, Send

from hubline.connection import ConnectionScope, Transport, query_pairs
from hubline.transports.addresses import Addresses
from hubline.transports.admission import (
    Admission,
    Authenticate,
    Authorize,
    OriginAllowed,
    Refused,
    UserId,
    anonymous,
    any_origin,
    everybody,
)
from hubline.transports.base import Request, TransportType
from hubline.transports.caps import NoRoom
from hubline.transports.carrier import Serve
from hubline.transports.elsewhere import Elsewhere, Handover, Operation
from hubline.transports.options import TransportOptions
from hubline.transports.refresh import answer_refresh, lifetime, log_another_user, refresh, rejected
from hubline.transports.registry import ConnectionRegistry
from hubline.transports.request_body import take_body
from hubline.transports.responses import Answer, answer, json, no_room, plain
from hubline.transports.session import Session
from hubline.transports.session_states import SessionState
from hubline.transports.table import TRANSPORTS
from hubline.wire.negotiate import AvailableTransport, NegotiateResponse, choose_version, wants_stateful_reconnect

logger = logging.getLogger("hubline.transports")


class HubEndpoint:
    """Negotiate and the transports of one path. `serve(connection)` is the application.

    For every request, in this order: `origin_allowed` (403), `authenticate`, `authorize` (401, 403, or `None` if
    it is allowed), then the operation that it requests. `serve` runs once for each connection. `user_may_change` says
    whether an authentication refresh may bring another user, and `greets` whether connections begin with a handshake.
    """

    def __init__(
        self,
        serve: Serve,
        *,
        registry: ConnectionRegistry,
        options: TransportOptions | None = None,
        authenticate: Authenticate = anonymous,
        user_id: UserId | None = None,
        authorize: Authorize = everybody,
        origin_allowed: OriginAllowed = any_origin,
        addresses: Addresses | None = None,
        user_may_change: bool = True,
        greets: bool = True,
    ) -> None:
        self._serve, self.greets = serve, greets
        self._registry = registry
        self._options = options or TransportOptions()
        self.admission = Admission(
            authenticate=authenticate,
            user_id=user_id,
            authorize=authorize,
            origin_allowed=origin_allowed,
            addresses=addresses,
        )
        """Admits requests; also used by routes beside this path that are for the same users."""
        self.elsewhere: Elsewhere | None = None
        """The other nodes, if there are any."""
        self._user_may_change = self._options.authentication_refresh and user_may_change
        self._available = tuple(
            AvailableTransport.of(each.value, each.transfer_formats)
            for each in Transport
            if each in self._options.transports
        )

    async def negotiate(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI: `POST {hub}/negotiate`; any other request, an upgrade too, is answered 405."""
        await self._answer_post(self._negotiated, scope, receive, send)

    async def refresh(
        self, scope: Scope, receive: Receive, send: Send, admitted: ConnectionScope | None = None
    ) -> None:
        """ASGI: `POST {hub}/refresh`; any other request, an upgrade too, is answered 405. `admitted`: see `connect`."""
        await self._answer_post(self._refreshed, scope, receive, send, admitted, operation="refresh")

    async def connect(
        self, scope: Scope, receive: Receive, send: Send, admitted: ConnectionScope | None = None
    ) -> None:
        """ASGI: every request to `{hub}` itself, HTTP and WebSocket.

        `admitted` is a request that another node has admitted and forwarded. It is not forwarded again.
        """
        if scope["type"] == "websocket" and admitted is None:
            await receive()  # `websocket.connect`
        try:
            connection_scope = admitted or await self.admission.admit(scope)
            request = Request(connection_scope, scope, receive, send)
            if self.elsewhere is not None and admitted is None and (away := self._away(request, "connect")) is not None:
                await away
                return
            for kind in TRANSPORTS:
                if kind.matches(connection_scope):
                    session = await self._session_for(kind, connection_scope)
                    await kind.carry(session, request, self._serve, self._registry)
                    return
            match scope["method"]:
                case "POST":
                    await self._post(request)
                case "DELETE":
                    await self._delete(request)
                case _:
                    raise Refused(plain(405))
        except Refused as refusal:
            await answer(refusal.response, scope, receive, send)
        except NoRoom as refusal:
            await answer(no_room(refusal.status), scope, receive, send)

    # Operations

    def hand_over(self, admitted: ConnectionScope) -> Handover | None:
        """Give up a connection that waits for its WebSocket, for the node where that has arrived.

        `None` if it does not wait: then the request is handled here.
        """
        token = query_value(admitted, "id") or ""
        session = self._registry.find(self, token)
        if session is None or session.state is not SessionState.NEGOTIATED:
            return None
        to_be_found = session.asked_to_reconnect or self._options.authentication_refresh
        handover = Handover(token, session.id, session.asked_to_reconnect, to_be_found)
        self._registry.remove(session)
        return handover

    def take_over(self, admitted: ConnectionScope, handover: Handover, over: Callable[[Session], None]) -> None:
        """Take a connection from the node that has negotiated it. Its WebSocket comes next. Raises `NoRoom`."""
        token, connection_id = handover.token, handover.connection_id
        session = self._registry.adopt(self, self._options, admitted, token, connection_id, over=over)
        session.asked_to_reconnect = handover.asked_to_reconnect

    def leave(self, admitted: ConnectionScope) -> bool:
        """The node that has forwarded this request will stop: end it, so that the client comes back by another way.

        A poll is answered, a connection is closed with an invitation to reconnect. False if nothing needs to be said
        to the client, because another WebSocket may take this one's place.
        """
        session = self._registry.find(self, query_value(admitted, "id") or "")
        if session is None or session.state is SessionState.NEGOTIATED:
            return True
        if session.reconnects:
            return False
        if session.transport.many_requests:
            session.carrier.wake()
        else:
            session.end_input()
        return True

    def _away(self, request: Request, operation: Operation) -> Coroutine[Any, Any, None] | None:
        """What has another node handle a request, if its connection is there."""
        token = query_value(request.scope, "id")
        if self.elsewhere is None or not token or self._registry.find(self, token) is not None:
            return None
        return self.elsewhere.forward(request, token, operation)

    async def _answer_post(
        self,
        make: Callable[[ConnectionScope], Awaitable[Answer]],
        scope: Scope,
        receive: Receive,
        send: Send,
        admitted: ConnectionScope | None = None,
        operation: Operation | None = None,
    ) -> None:
        """With an `operation` it is for a connection, which may be at another node."""
        if scope["type"] == "websocket":
            await receive()  # `websocket.connect`
        try:
            connection_scope = admitted or await self.admission.admit(scope)
            if scope.get("method") != "POST":  # a WebSocket has none
                raise Refused(plain(405))
            if operation is not None and admitted is None:
                away = self._away(Request(connection_scope, scope, receive, send), operation)
                if away is not None:
                    await away
                    return
            response = await make(connection_scope)
        except Refused as refusal:
            response = refusal.response
        except NoRoom as refusal:
            response = no_room(refusal.status)
        await answer(response, scope, receive, send)

    async def _refreshed(self, scope: ConnectionScope) -> Answer:
        token = query_value(scope, "id")
        return await answer_refresh(scope, token, lambda token: self._registry.find(self, token), self._options)

    async def _negotiated(self, scope: ConnectionScope) -> Answer:
        asked = query_value(scope, "negotiateversion")
        version = choose_version(asked, minimum=self._options.minimum_protocol_version)
        if isinstance(version, NegotiateResponse):
            return json(200, version.format())
        if self.elsewhere is not None and (url := self.elsewhere.redirect(scope)) is not None:
            return json(200, NegotiateResponse(url=url).format())
        session = self._registry.negotiate(self, self._options, scope, version=version)
        if self._options.stateful_reconnect:
            session.asked_to_reconnect = wants_stateful_reconnect(query_value(scope, "usestatefulreconnect"))
        seconds = lifetime(scope.identity) if self._options.authentication_refresh else None
        response = NegotiateResponse(
            negotiate_version=version,
            use_stateful_reconnect=session.asked_to_reconnect,
            connection_id=session.id,
            connection_token=session.token if version > 0 else UNSET,
            available_transports=self._available,
            token_lifetime_seconds=UNSET if seconds is None else seconds,
        )
        return json(200, response.format())

    async def _session_for(self, kind: TransportType, scope: ConnectionScope) -> Session:
        """The session that the request names, or a new one. The request may carry it."""
        try:
            if not kind.needs_negotiation and not query_value(scope, "id"):
                self._require_enabled(kind.transport)
                return self._registry.open(self, self._options, kind.transport, scope)
            session = self._find(scope)
            if not self._open(session, kind, scope):
                await self._come_again(session, scope)
            return session
        except Refused as refusal:
            raise Refused(refusal.response.uncached() if kind.transport.many_requests else refusal.response) from None

    async def _post(self, request: Request) -> None:
        session = self._find(request.scope)
        kind = _kind_of(session)
        if kind is not None and not kind.input_by_post:
            raise Refused(plain(405, "POST requests are not allowed for WebSocket connections."))
        self._compare_user(session, request.scope)
        response = await take_body(session.inbox, request.receive)
        await response(request.asgi, request.receive, request.send)

    async def _delete(self, request: Request) -> None:
        session = self._find(request.scope)
        kind = _kind_of(session)
        if kind is None or not kind.transport.many_requests:
            raise Refused(plain(400, "Cannot terminate this connection using the DELETE endpoint."))
        if self._options.same_user:
            self._compare_user(session, request.scope)
        session.terminate()
        await answer(plain(202), request.asgi, request.receive, request.send)

    # Finding the connection

    def _find(self, scope: ConnectionScope) -> Session:
        token = query_value(scope, "id")
        if not token:
            raise Refused(plain(400, "Connection ID required"))
        session = self._registry.find(self, token)
        if session is None:
            raise Refused(plain(404, "No Connection with that ID"))
        return session

    def _require_enabled(self, transport: Transport) -> None:
        if transport not in self._options.transports:
            raise Refused(plain(404, f"{transport.value} transport not supported by this end point type"))

    def _open(self, session: Session, kind: TransportType, scope: ConnectionScope) -> bool:
        """Let a request open the session. Only the first one does; returns False for a later request.

        With stateful reconnect, a second WebSocket replaces the first, even if that still looks alive. If the session
        is about to end and has no socket, it is answered with 204, as in the original.
        """
        self._require_enabled(kind.transport)
        if session.state is SessionState.NEGOTIATED:
            self._registry.admit(session, kind.transport, scope)
            return True
        if session.transport_used is not kind.transport:
            raise Refused(plain(400, "Cannot change transports mid-connection"))
        if not kind.transport.many_requests and not session.reconnects:
            raise Refused(plain(204 if session.stateful_reconnect and session.detached else 409))
        return False

    async def _come_again(self, session: Session, scope: ConnectionScope) -> None:
        """A later request brings the session a new identity. If that is refused, the session ends.

        Without one the session keeps its own: a poll whose token has just expired would make it one that never expires.
        """
        self._compare_user(session, scope)
        if not self._options.authentication_refresh:
            session.scope.identity = scope.identity or session.scope.identity
        elif not await refresh(session, scope):
            session.end()
            raise Refused(rejected())

    def _compare_user(self, session: Session, scope: ConnectionScope) -> None:
        """Refuse a request of another user, as `same_user` says. Accepted and refused ones are logged."""
        if session.state is SessionState.NEGOTIATED:
            return
        before, now = session.scope.user_id, scope.user_id
        if before == now:
            return
        signed_in = before is not None and now is not None
        if self._options.same_user is True or (self._options.same_user and signed_in and not self._user_may_change):
            log_another_user(session, now)
            raise Refused(plain(403))
        logger.warning("connection %s: the user changed from %r to %r", session.id, before, now)


def query_value(scope: ConnectionScope, name: str) -> str | None:
    """A query parameter; its name is case-insensitive. Several values are joined with commas, as in ASP.NET Core."""
    query = scope.raw.get("query_string")
    if not query:
        return None
    if b"&" not in query and b"%" not in query and b"+" not in query:  # only `id`, on each POST and poll
        key, _, only = query.decode("latin-1").partition("=")
        return only if key.lower() == name else None
    values = [value for key, value in query_pairs(query) if key.lower() == name]
    return ",".join(values) if values else None


def _kind_of(session: Session) -> TransportType | None:
    """The transport that opened the session; `None` if none has."""
    return next((kind for kind in TRANSPORTS if kind.transport is session.transport_used), None)
