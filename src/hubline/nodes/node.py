"""This server as one of several: it listens for other nodes, opens links to them, and passes requests on."""

import asyncio
import logging
import os
from collections.abc import Coroutine
from functools import partial
from typing import Any
from urllib.parse import parse_qsl, urlencode

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.connection import ConnectionScope
from hubline.nodes.addresses import NodeAddress
from hubline.nodes.carrying import CarriedRequest
from hubline.nodes.forwarding import NOT_FOUND, ForwardedRequest, opening_of
from hubline.nodes.frames import Kind, opening
from hubline.nodes.handshake import AcceptorHandshake, DialerHandshake
from hubline.nodes.link import Link
from hubline.nodes.settings import Nodes
from hubline.nodes.stream import Stream
from hubline.nodes.tokens import Secrets
from hubline.transports.base import Request
from hubline.transports.elsewhere import Handover, Operation
from hubline.transports.endpoint import HubEndpoint
from hubline.transports.responses import Answer, answer, no_room, plain

logger = logging.getLogger("hubline.nodes")

BEAT = 5.0
"""Seconds between two pings on a link. Ours."""

CONNECT = 2.0
"""Seconds to open a connection to another node. Ours: nodes are in one network."""

REST = 1.0
"""Seconds for which a node that could not be reached is not tried again. Ours."""

LEAVE_AGAIN = 1.0
"""Seconds between two requests to leave while draining, for polls that have arrived in between. Ours."""

MOST_STRANGERS = 64
"""Connections that have not proved anything yet, for 5 s at most. More are closed at once. Ours."""

MOST_MOVED = 100_000
"""Handed-over connections that are remembered. The oldest are forgotten: their stateful reconnects fail. Ours."""

MOST_HOPS = 2
"""A request goes to the node that its token names, and from there at most to the node that took the connection over."""

REDIRECTED = "hubline.node"
"""The query parameter of clients that negotiate has redirected to a node. They are not redirected again."""


class Node:
    """This server. Made once for an app; `open` and `close` are called with its lifespan."""

    def __init__(self, settings: Nodes, clock: Clock) -> None:
        self.secrets = Secrets(settings.secrets)
        self._settings, self._clock = settings, clock
        self._listen = None if settings.listen is None else NodeAddress.parse(settings.listen)
        named = settings.advertise or settings.listen
        self.address: NodeAddress | None = None if named is None else NodeAddress.parse(named)
        """Where other nodes reach this one. Port 0 is replaced when it listens."""
        self._endpoints: dict[str, HubEndpoint] = {}
        self._tasks = TaskOwner("hubline.nodes")
        self._forget()
        self._forwarded = self._carried = self._handed_over = self._refused = self._lost = 0

    def _forget(self) -> None:
        self._server: asyncio.Server | None = None
        self._socket: int | None = None
        """The inode of our Unix socket."""
        self._opening: asyncio.Task[None] | None = None
        self._dialed: dict[str, asyncio.Task[Link | None]] = {}
        self._resting: dict[str, float] = {}
        self._links: set[Link] = set()
        self._under_way: set[ForwardedRequest] = set()
        """Requests that are being forwarded."""
        self._moved: dict[str, str] = {}
        """The nodes of connections that were handed over and may be requested here, by token."""
        self._none_left: asyncio.Event | None = None

    # The life of the node

    def start(self) -> None:
        """Begin to listen, unless this node already does. For applications whose lifespan is not run."""
        if self._opening is None and self._listen is not None:
            self._opening = self._tasks.start(self._open(self._listen), name="hubline: node")

    async def open(self) -> None:
        """Listen for other nodes. Raises OSError if that is not possible."""
        self.start()
        if self._opening is not None:
            try:
                await asyncio.shield(self._opening)
            except OSError:
                self._opening = None
                raise

    async def close(self) -> None:
        """End every link after its queued frames are written."""
        if self._server is not None:
            self._server.close()
        for link in list(self._links):
            link.close()
        await self._tasks.cancel()
        if self._listen is not None and self._socket is not None and self._socket == _inode(self._listen.path):
            os.unlink(self._listen.path)  # another process may listen there by now
        self._forget()

    async def drain(self, limit: float) -> None:
        """End forwarded requests, and wait until none is left, at most `limit` seconds.

        Their connections are closed with an invitation to reconnect, and polls are answered. Polls that arrive later
        are answered soon.
        """
        until = self._clock.now() + limit
        while self._under_way and (left := until - self._clock.now()) > 0:
            for forwarded in list(self._under_way):
                forwarded.leave()
            self._none_left = self._none_left or asyncio.Event()
            self._none_left.clear()
            none_left = self._tasks.start(self._none_left.wait())
            try:
                await self._tasks.done_before(none_left, self._clock.sleep(min(left, LEAVE_AGAIN)))
            finally:
                none_left.cancel()

    def begin_anew(self) -> None:
        """Forget everything, because its event loop does not run any more."""
        self._tasks.forget()
        self._forget()

    def statistics(self) -> dict[str, int]:
        """Present numbers, and totals since the start."""
        links = list(self._links)
        return {
            "links": len(links),
            "forwarding": sum(len(each) for each in links if each.dialed),
            "carrying": sum(len(each) for each in links if not each.dialed),
            "waiting_bytes": sum(each.waiting_bytes() for each in links),
            "forwarded": self._forwarded,
            "carried": self._carried,
            "handed_over": self._handed_over,
            "refused": self._refused,
            "lost_links": self._lost,
        }

    # For endpoints

    def new_token(self) -> str:
        """A connection token that names this node."""
        return self.secrets.token(str(self.address))

    def door(self, hub: str, endpoint: HubEndpoint) -> "Door":
        """The node for the endpoint of a path, which handles the requests that other nodes forward to this path."""
        self._endpoints[hub] = endpoint
        return Door(self, hub)

    def redirect(self, scope: ConnectionScope) -> str | None:
        """The address to which negotiate points a client; `None` if it is to stay."""
        if self._settings.public_url is None:
            return None
        query = parse_qsl(scope.raw.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        if any(name.lower() == REDIRECTED for name, _ in query):
            return None
        kept = [
            (name, value) for name, value in query if name.lower() not in ("negotiateversion", "usestatefulreconnect")
        ]
        path = scope.path.removesuffix("/").removesuffix("/negotiate")
        return f"{self._settings.public_url.rstrip('/')}{path}?{urlencode([*kept, (REDIRECTED, '1')])}"

    def away(self, token: str) -> str | None:
        """The other node that a token names, or to which this one has handed the connection over."""
        address = self.secrets.address(token) if self._listen is not None else None
        return self._moved.get(token) if address == str(self.address) else address

    async def forward(self, request: Request, hub: str, operation: Operation, address: str) -> None:
        """Have another node handle a request, or take its connection over. An answer is always sent.

        Raises:
            NoRoom: the connection would move to this node, which has no room for it.
        """
        for _ in range(MOST_HOPS):
            passed_to = await self._forward(request, hub, operation, address)
            if passed_to is None:
                return
            if isinstance(passed_to, Handover):
                self._handed_over += 1
                endpoint, over = self._endpoints[hub], partial(self._ended, address, passed_to)
                endpoint.take_over(request.scope, passed_to, over)
                await endpoint.connect(request.asgi, request.receive, request.send, request.scope)
                return
            address = passed_to
        await _refuse(request, plain(404, NOT_FOUND))

    async def _forward(self, request: Request, hub: str, operation: Operation, address: str) -> Handover | str | None:
        """Returns what `ForwardedRequest.run` does."""
        link = await self._link(address)
        if link is None:
            await _refuse(request, plain(404, NOT_FOUND).uncached())
            return None
        if len(link) >= self._settings.maximum_requests:
            self._refused += 1
            await _refuse(request, no_room(503))
            return None
        try:
            described = opening_of(request, str(self.address), hub, operation)
        except TypeError as error:
            text = "a request for node %s cannot be forwarded: the claims of its identity must be plain data (%s)"
            logger.error(text, address, error)
            await _refuse(request, plain(500))
            return None
        self._forwarded += 1
        forwarded = ForwardedRequest(request, operation, link, described, self._tasks)
        self._under_way.add(forwarded)
        try:
            return await forwarded.run()
        finally:
            self._under_way.discard(forwarded)
            if not self._under_way and self._none_left is not None:
                self._none_left.set()

    def _ended(self, home: str, handover: Handover, session: object) -> None:
        """A connection that `home` handed over has ended, so `home` need not remember it any more."""
        dialing = self._dialed.get(home)
        if handover.to_be_found and dialing is not None and dialing.done() and not dialing.cancelled():
            link = dialing.result()
            if link is not None:
                link.write(Kind.ENDED, 0, handover.token.encode())

    # Links

    async def _open(self, listen: NodeAddress) -> None:
        loop = asyncio.get_running_loop()
        if listen.path:
            self._server = await loop.create_unix_server(self._accept, listen.path)
            os.chmod(listen.path, 0o600)
            self._socket = _inode(listen.path)
        else:
            self._server = await loop.create_server(self._accept, listen.host, listen.port)
            if self.address is not None and self.address.port == 0:
                port = self._server.sockets[0].getsockname()[1]
                self.address = NodeAddress(host=self.address.host, port=port)
        self._tasks.start(self._beat(), name="hubline: links to other nodes")

    def _accept(self) -> Link:
        link = Link(
            "that has connected",
            AcceptorHandshake(self.secrets, str(self.address)),
            now=self._clock.now,
            over=self._over,
            opened=self._opened,
            ended=self._forget_moved,
        )
        strangers = sum(not (each.dialed or each.ready.done()) for each in self._links)
        if strangers < MOST_STRANGERS:
            self._links.add(link)
        else:
            link.abort()
        return link

    def _forget_moved(self, token: str) -> None:
        self._moved.pop(token, None)

    def _opened(self, stream: Stream, payload: bytes) -> None:
        request = opening(payload)
        endpoint = self._endpoints.get(request.hub)
        if endpoint is None:
            raise ValueError(f"a request for {request.hub!r}, which this app does not have")
        self._carried += 1
        while len(self._moved) > MOST_MOVED:
            del self._moved[next(iter(self._moved))]
        self._tasks.start(CarriedRequest(stream, request, self._moved).handle(endpoint))

    async def _link(self, address: str) -> Link | None:
        """The link to a node; `None` if it cannot be reached. Concurrent callers wait for the same attempt."""
        if self._clock.now() < self._resting.get(address, float("-inf")):
            return None
        dialing = self._dialed.get(address)
        if dialing is None:
            dialing = self._dialed[address] = self._tasks.start(self._dial(address), name=f"hubline: link to {address}")
        await asyncio.wait([dialing])
        return None if dialing.cancelled() else dialing.result()

    async def _dial(self, address: str) -> Link | None:
        loop, link = asyncio.get_running_loop(), None

        def made() -> Link:
            handshake = DialerHandshake(self.secrets, address)
            return Link(address, handshake, now=self._clock.now, over=self._over)

        try:
            target = NodeAddress.parse(address)
            async with asyncio.timeout(CONNECT):
                if target.path:
                    _, link = await loop.create_unix_connection(made, target.path)
                else:
                    _, link = await loop.create_connection(made, target.host, target.port)
                self._links.add(link)
                await link.ready
            self._resting.pop(address, None)
            return link
        except (OSError, TimeoutError, ValueError) as error:
            logger.warning("node %s cannot be reached: %r", address, error)
            if link is not None:  # its proof may come later, and nobody would use it
                link.abort()
            self._dialed.pop(address, None)
            self._resting[address] = self._clock.now() + REST
            return None

    def _over(self, link: Link) -> None:
        self._links.discard(link)
        if not link.ready.cancelled() and link.ready.exception() is None:
            self._lost += 1
            self._dialed.pop(link.peer, None)

    async def _beat(self) -> None:
        while True:
            await self._clock.sleep(BEAT)
            for link in list(self._links):
                link.beat()


class Door:
    """The node, for the endpoint of one path."""

    def __init__(self, node: Node, hub: str) -> None:
        self._node, self._hub = node, hub
        self.redirect = node.redirect

    def forward(self, request: Request, token: str, operation: Operation) -> Coroutine[Any, Any, None] | None:
        """Returns what passes a request on to the node of its connection; `None` if no other node has it."""
        address = self._node.away(token)
        return None if address is None else self._node.forward(request, self._hub, operation, address)


def _inode(path: str) -> int | None:
    """The inode at a path; `None` if there is none."""
    try:
        return os.stat(path).st_ino
    except FileNotFoundError:
        return None


async def _refuse(request: Request, response: Answer) -> None:
    await answer(response, request.asgi, request.receive, request.send)
