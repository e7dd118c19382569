"""Every connection of an application by its secret token, and the heartbeat that checks them."""

import asyncio
import logging
import os
from binascii import b2a_base64
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from hubline._clock import Clock
from hubline._tasks import AGAIN, GRACE, TaskOwner
from hubline.connection import ConnectionScope, Transport
from hubline.errors import ConnectionClosed
from hubline.transports.caps import Caps, NoRoom, Place
from hubline.transports.frame_transport import Flusher
from hubline.transports.options import TransportOptions
from hubline.transports.session import Session
from hubline.transports.session_states import SessionState

logger = logging.getLogger("hubline.transports")

HEARTBEAT = 1.0
"""Seconds. Source: `HttpConnectionManager`'s heartbeat."""

BEAT_STRIDE = 1_000
"""Connections checked without a pause: about 2 ms. Then other tasks get a turn. Ours."""

CLOSE_LIMIT = 5.0
"""Seconds that `close()` gives all connections together. Source: `HttpConnectionManager.CloseConnections`."""


_URL_SAFE = bytes.maketrans(b"+/", b"-_")

REFUSALS_LOGGED_EVERY = 60.0
"""Seconds between two log lines about refused connections, so that many refusals do not fill the log. Ours."""


@dataclass(frozen=True, slots=True)
class RegistryStatistics:
    """Current counts, and three counts since the start.

    `waiting` connections were negotiated and not opened yet. `queued_bytes` wait for peers, those in the buffers of
    sockets included; `unread_bytes` came by POST and wait for applications. Since the start: `refused` connections,
    `peak_bytes` that were queued for one connection, and `dropped_messages`, by policies or with the end of their
    connection.
    """

    connections: int
    waiting: int
    refused: int
    queued_bytes: int
    unread_bytes: int
    peak_bytes: int
    dropped_messages: int


@dataclass(slots=True)
class Entry:
    """A connection, the endpoint that made it, and the caps that count it."""

    endpoint: object
    session: Session
    place: Place


def new_id() -> str:
    """16 random bytes as 22 characters of unpadded base64url, as the original's ids and tokens."""
    return b2a_base64(os.urandom(16), newline=False)[:22].translate(_URL_SAFE).decode("ascii")


class ConnectionRegistry:
    """Finds connections by token, never by public id.

    `maximum_connections`, `maximum_waiting` and the caps per user and address of the options given here hold for all
    endpoints together.
    """

    def __init__(self, options: TransportOptions, clock: Clock) -> None:
        self.draining = False
        """Set before the server stops: new connections are refused, and open ones continue."""
        self.tasks = TaskOwner("hubline.transports")
        """Owns the heartbeat, the writers, and the application's tasks on SSE and long polling."""
        self.caps = Caps(options)
        """The connections of each user and address. `remove` counts them down."""
        self._options = options
        self._clock = clock
        self._sessions: dict[str, Entry] = {}
        self._waiting = 0
        self._refused = self._peak = self._dropped = 0
        self._refusal_logged = float("-inf")
        self._heartbeat: asyncio.Task[None] | None = None
        self._flusher: Flusher | None = None
        self._removes = self.remove  # one for all sessions
        self._empty: asyncio.Event | None = None

    def __iter__(self) -> Iterator[Session]:
        entries = list(self._sessions.values())  # one atomic step: the thread of a metrics reader may call this
        return iter([entry.session for entry in entries])

    def __len__(self) -> int:
        """Connections that a transport carries, or whose application still runs."""
        return len(self._sessions) - self._waiting

    def start(self) -> None:
        """Start the heartbeat, if it does not run. It ends by itself when there are no connections."""
        if self._heartbeat is None or self._heartbeat.done():
            self._heartbeat = self.tasks.start(self._beat(), name="hubline heartbeat")

    def flusher(self) -> Flusher:
        """The flusher that writes to every frame channel of this event loop."""
        loop = asyncio.get_running_loop()
        if self._flusher is None or self._flusher.loop is not loop:
            self._flusher = Flusher(loop)
        return self._flusher

    def negotiate(
        self, endpoint: object, options: TransportOptions, scope: ConnectionScope, *, version: int
    ) -> Session:
        """Make a connection that waits for its transport. In version 0 its id is also its token.

        Raises:
            NoRoom: too many wait or are open, or the server is draining.
        """
        session = self._add(endpoint, options, self._place(scope, waiting=True), version=version)
        self._waiting += 1
        session.set_deadline(options.disconnect_timeout, session.end)
        return session

    def open(
        self, endpoint: object, options: TransportOptions, transport: Transport, scope: ConnectionScope
    ) -> Session:
        """Make a connection without negotiate, for a WebSocket without `id`.

        Raises:
            NoRoom: too many are open, or the server is draining.
        """
        place = self._place(scope)
        session = self._add(endpoint, options, place, version=0)
        session.open(transport, scope)
        return session

    def admit(self, session: Session, transport: Transport, scope: ConnectionScope) -> None:
        """Give a negotiated connection its transport.

        Raises:
            NoRoom: too many are open, or the server is draining.
        """
        place = self._place(scope)
        entry = self._sessions[session.token]
        self.caps.leave(entry.place)
        entry.place = place
        self._waiting -= 1
        session.open(transport, scope)

    def find(self, endpoint: object, token: str) -> Session | None:
        """The connection with this token, if this endpoint made it and it has not ended."""
        entry = self._sessions.get(token)
        if entry is None or entry.endpoint is not endpoint or entry.session.state is SessionState.ENDED:
            return None
        return entry.session

    def remove(self, session: Session) -> None:
        """Remove a connection. A second call does nothing."""
        entry = self._sessions.pop(session.token, None)
        if entry is None:
            return
        self.caps.leave(entry.place)
        if session.transport_used is None:
            self._waiting -= 1
        session.end()
        self._peak = max(self._peak, session.outbox.peak_bytes)
        self._dropped += session.outbox.dropped_messages
        session.release()
        if not self._sessions and self._empty is not None:
            self._empty.set()

    def statistics(self) -> RegistryStatistics:
        outboxes = [session.outbox.statistics() for session in self]
        return RegistryStatistics(
            connections=len(self),
            waiting=self._waiting,
            refused=self._refused,
            queued_bytes=sum(each.queued_bytes for each in outboxes),
            unread_bytes=sum(session.inbox.size for session in self),
            peak_bytes=max([self._peak, *(each.peak_bytes for each in outboxes)]),
            dropped_messages=self._dropped + sum(each.dropped_messages for each in outboxes),
        )

    async def drain(self, limit: float) -> None:
        """Admit no new connections, and wait until all have ended, at most `limit` seconds.

        Clients that have broken off a poll and sent no other are not waited for.
        """
        self.draining = True
        for session in self:
            if session.transport_used is None:
                self.remove(session)
            elif session.state is SessionState.BROKEN_OFF:
                session.peer_left()
        if self._sessions:
            if self._empty is None:
                self._empty = asyncio.Event()
            self._empty.clear()
            empty = self.tasks.start(self._empty.wait())
            try:
                await self.tasks.done_before(empty, self._clock.sleep(limit))
            finally:
                empty.cancel()

    async def give_up_polls(self, after: float) -> None:
        """In `after` seconds, end the sessions that are between two polls then, because no further poll can come."""
        await self._clock.sleep(after)
        for session in self:
            if session.state is SessionState.DETACHED:
                session.peer_left()

    async def close(self, limit: float = CLOSE_LIMIT) -> None:
        """End every connection, give the applications `limit` seconds to end, then cancel them and our own tasks."""
        self.draining = True
        for session in self:
            session.end(ConnectionClosed("the server is stopping", allow_reconnect=True))
        await self.drain(limit)
        await self._cut_off()
        await self.tasks.cancel()

    async def _cut_off(self) -> None:
        """End the applications that continue although their connection has ended. The log names each.

        They may run in tasks of the server, which waits for them.
        """
        running = [session for session in self if session.running]
        for session in running:
            text = "connection %s: %s goes on though the connection has ended, and is cancelled"
            logger.warning(text, session.id, session.running)
            session.cancel_application()
        await self._all_gone(GRACE)
        for session in running:
            if name := session.running:
                text = "connection %s: %s did not end within %g s of its cancellation and is abandoned"
                logger.error(text, session.id, name, GRACE)
                session.abandon_application()
        await self._all_gone(AGAIN)

    async def _all_gone(self, limit: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                while self._sessions and self._empty is not None:
                    self._empty.clear()
                    await self._empty.wait()

    def begin_anew(self) -> None:
        """Forget every connection, because their event loop does not run any more. They are not ended.

        The counts since the start are kept.
        """
        self.draining = False
        self.tasks.forget()
        self.caps = Caps(self._options)
        self._sessions, self._waiting = {}, 0
        self._heartbeat = self._flusher = self._empty = None

    def _admit(self) -> None:
        if self.draining:
            raise NoRoom("the server is draining")
        if len(self._sessions) - self._waiting >= self._options.maximum_connections:
            raise NoRoom(f"the limit of {len(self):,} open connections is reached")

    def _add(self, endpoint: object, options: TransportOptions, place: Place, *, version: int) -> Session:
        connection_id = new_id()
        token = new_id() if version > 0 else connection_id
        session = Session(
            connection_id=connection_id, token=token, options=options, clock=self._clock, over=self._removes
        )
        self._sessions[token] = Entry(endpoint, session, place)
        self.start()
        return session

    def _place(self, scope: ConnectionScope, *, waiting: bool = False) -> Place:
        """Count one more connection, open or `waiting` to be opened. Raises `NoRoom`."""
        try:
            self._admit()
            if not waiting:
                return self.caps.open(scope)
            if self._waiting >= self._options.maximum_waiting:
                raise NoRoom(f"the limit of {self._waiting:,} waiting connections is reached")
            return self.caps.wait(scope)
        except NoRoom as refusal:
            self._count(refusal)
            raise

    def _count(self, refusal: NoRoom) -> None:
        """Log a refusal, at most one line a minute. While draining, refusals are expected and not logged."""
        self._refused += 1
        now = self._clock.now()
        if not self.draining and now - self._refusal_logged >= REFUSALS_LOGGED_EVERY:
            self._refusal_logged = now
            text = "a connection was refused: %s; %d refused since the start, others are not logged for %g s"
            logger.warning(text, refusal, self._refused, REFUSALS_LOGGED_EVERY)

    async def _beat(self) -> None:
        while self._sessions:
            await self._clock.sleep(HEARTBEAT)
            now = self._clock.now()
            concerned = [session for session in self if session.quiet_until <= now or session.outbox.in_flight]
            for number, session in enumerate(concerned, 1):
                try:
                    session.tick(now)
                except BaseException:
                    logger.exception("connection %s: the heartbeat failed", session.id)
                if number % BEAT_STRIDE == 0:
                    await asyncio.sleep(0)
