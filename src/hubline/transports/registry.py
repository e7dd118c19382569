"""Every connection of an application, by its secret token, and the one heartbeat that looks after them all."""

import asyncio
import logging
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.connection import ConnectionScope
from hubline.errors import ConnectionClosed
from hubline.transports.options import Transport, TransportOptions
from hubline.transports.pipe import Pipe, State

logger = logging.getLogger("hubline.transports")

HEARTBEAT = 1.0
"""Seconds. Source: `HttpConnectionManager`'s heartbeat."""

BEAT_STRIDE = 1_000
"""Connections looked after in one go: about 2 ms, after which others have their turn. Ours."""

CLOSE_LIMIT = 5.0
"""Seconds that `close()` gives everybody together. Source: `HttpConnectionManager.CloseConnections`."""


class NoRoom(Exception):
    """No connection can be added now, because of a limit or because the server is draining."""


@dataclass(frozen=True, slots=True)
class RegistryStatistics:
    """Counts of the moment, but for `refused`, which only grows.

    `waiting` connections were negotiated and not opened yet. `queued_bytes` wait for peers, `unread_bytes` came by
    POST and wait for applications.
    """

    connections: int
    waiting: int
    refused: int
    queued_bytes: int
    unread_bytes: int


def new_id() -> str:
    """16 random bytes as 22 characters of unpadded base64url, as the original's ids and tokens."""
    return secrets.token_urlsafe(16)


class ConnectionRegistry:
    """Finds connections by token; nothing is ever looked up by public id.

    `maximum_connections` and `maximum_waiting` of the options given here hold for all endpoints together.
    """

    def __init__(self, options: TransportOptions, clock: Clock) -> None:
        self.draining = False
        """Set when the server is about to stop: nothing new is let in, what is open goes on."""
        self.tasks = TaskOwner("hubline.transports")
        """Owns the heartbeat, the writers, and what the application does on SSE and long polling."""
        self._options = options
        self._clock = clock
        self._pipes: dict[str, tuple[object, Pipe]] = {}
        self._waiting = 0
        self._refused = 0
        self._heartbeat: asyncio.Task[None] | None = None
        self._empty: asyncio.Event = asyncio.Event()

    def __iter__(self) -> Iterator[Pipe]:
        return iter([pipe for _, pipe in self._pipes.values()])

    def __len__(self) -> int:
        """Connections that a transport carries, or that the application has not finished with."""
        return len(self._pipes) - self._waiting

    def start(self) -> None:
        """Start the heartbeat, if it does not run. It ends by itself when there is nobody to look after."""
        if self._heartbeat is None or self._heartbeat.done():
            self._heartbeat = self.tasks.start(self._beat(), name="hubline heartbeat")

    def negotiate(self, endpoint: object, options: TransportOptions, *, version: int) -> Pipe:
        """A connection that waits for its transport. In version 0 its id is also its token.

        Raises:
            NoRoom: too many wait or are open, or the server is draining.
        """
        self._admit()
        if self._waiting >= self._options.maximum_waiting:
            self._refuse()
        pipe = self._add(endpoint, options, version=version)
        self._waiting += 1
        pipe.set_deadline(options.disconnect_timeout, lambda: self.remove(pipe))
        return pipe

    def open(self, endpoint: object, options: TransportOptions, transport: Transport, scope: ConnectionScope) -> Pipe:
        """A connection without negotiate: a WebSocket that came without `id`.

        Raises:
            NoRoom: too many are open, or the server is draining.
        """
        self._admit()
        pipe = self._add(endpoint, options, version=0)
        pipe.carry(transport, scope)
        return pipe

    def carry(self, pipe: Pipe, transport: Transport, scope: ConnectionScope) -> None:
        """A negotiated connection gets its transport.

        Raises:
            NoRoom: too many are open, or the server is draining.
        """
        self._admit()
        self._waiting -= 1
        pipe.carry(transport, scope)

    def find(self, endpoint: object, token: str) -> Pipe | None:
        """The connection with this token, if it was made by this endpoint and has not ended."""
        owner, pipe = self._pipes.get(token, (None, None))
        return pipe if pipe is not None and owner is endpoint and pipe.state is not State.ENDED else None

    def remove(self, pipe: Pipe) -> None:
        """Forget a connection. Once is enough, twice does no harm."""
        if self._pipes.pop(pipe.token, None) is None:
            return
        if pipe.transport is None:
            self._waiting -= 1
        pipe.abort()
        if not self._pipes:
            self._empty.set()

    def statistics(self) -> RegistryStatistics:
        return RegistryStatistics(
            connections=len(self),
            waiting=self._waiting,
            refused=self._refused,
            queued_bytes=sum(pipe.outbox.size for pipe in self),
            unread_bytes=sum(pipe.inbox.size for pipe in self),
        )

    async def drain(self, limit: float) -> None:
        """Let nobody in any more, and wait until everybody has left, at most `limit` seconds."""
        self.draining = True
        for pipe in self:
            if pipe.transport is None:
                self.remove(pipe)
        if self._pipes:
            self._empty.clear()
            waits = [self.tasks.start(self._empty.wait()), self.tasks.start(self._clock.sleep(limit))]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in waits:
                    task.cancel()

    async def close(self, limit: float = CLOSE_LIMIT) -> None:
        """End every connection, give the applications `limit` seconds to notice, then cancel what is ours."""
        self.draining = True
        for pipe in self:
            pipe.abort(ConnectionClosed("the server is stopping", allow_reconnect=True))
        await self.drain(limit)
        await self.tasks.cancel()

    def _admit(self) -> None:
        if self.draining or len(self) >= self._options.maximum_connections:
            self._refuse()

    def _add(self, endpoint: object, options: TransportOptions, *, version: int) -> Pipe:
        connection_id = new_id()
        token = new_id() if version > 0 else connection_id
        pipe = Pipe(connection_id=connection_id, token=token, options=options, clock=self._clock)
        self._pipes[token] = (endpoint, pipe)
        self.start()
        return pipe

    def _refuse(self) -> None:
        self._refused += 1
        raise NoRoom

    async def _beat(self) -> None:
        while self._pipes:
            await self._clock.sleep(HEARTBEAT)
            now = self._clock.now()
            for number, pipe in enumerate(self, 1):
                try:
                    pipe.tick(now)
                except Exception:
                    logger.exception("connection %s: the heartbeat failed", pipe.id)
                if number % BEAT_STRIDE == 0:
                    await asyncio.sleep(0)
