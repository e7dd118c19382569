"""Every connection of an application by its secret token, and the heartbeat that checks them."""

import asyncio
import logging
import os
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from hubline._clock import Clock
from hubline._tasks import AGAIN, GRACE, TaskOwner
from hubline.connection import ConnectionScope, Transport
from hubline.errors import ConnectionClosed
from hubline.transports.caps import Caps, NoRoom, Place
from hubline.transports.entries import Endpoint, Entry
from hubline.transports.frame_transport import Flusher
from hubline.transports.options import TransportOptions
from hubline.transports.registry_statistics import Counts, RegistryStatistics, counts_of, in_all
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


HANDSHAKE = 1.0
"""Seconds in which a client that has just connected can send its handshake while the server leaves. Ours."""


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
        self.new_token: Callable[[], str] = new_id
        """Makes the tokens of negotiated connections. With several nodes, they name this one."""
        self._options = options
        self._clock = clock
        self._sessions: dict[str, Entry] = {}
        self._waiting = 0
        self._refused = self._peak = self._dropped = self._written = 0
        self._refusal_logged = float("-inf")
        self._heartbeat: asyncio.Task[None] | None = None
        self._flusher: Flusher | None = None
        self._removes = self.remove  # one for all sessions
        self._empty: asyncio.Event | None = None

    def __iter__(self) -> Iterator[Session]:
        entries = list(self._sessions.values())  # one atomic step: the thread of a metrics reader may call this
        return iter([entry.session for entry in entries])

    def opened(self) -> list[Entry]:
        """The connections that a request has opened, at this moment."""
        return [entry for entry in list(self._sessions.values()) if entry.session.transport_used is not None]

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
        self, endpoint: Endpoint, options: TransportOptions, scope: ConnectionScope, *, version: int
    ) -> Session:
        """Make a connection that waits for its transport. In version 0 its token is also its id.

        Raises:
            NoRoom: too many wait or are open, or the server is draining.
        """
        place, token = self._place(scope, waiting=True), self.new_token()
        session = self._add(endpoint, options, place, token, new_id() if version > 0 else token)
        self._waiting += 1
        session.set_deadline(options.disconnect_timeout, session.end)
        return session

    def open(
        self, endpoint: Endpoint, options: TransportOptions, transport: Transport, scope: ConnectionScope
    ) -> Session:
        """Make a connection without negotiate, for a WebSocket without `id`.

        Raises:
            NoRoom: too many are open, or the server is draining.
        """
        place, token = self._place(scope), new_id()
        session = self._add(endpoint, options, place, token, token)
        session.open(transport, scope)
        return session

    def adopt(
        self,
        endpoint: Endpoint,
        options: TransportOptions,
        scope: ConnectionScope,
        token: str,
        connection_id: str,
        *,
        over: Callable[[Session], None],
    ) -> Session:
        """Take over a connection that another node has negotiated. `over` is called when it has ended.

        Raises:
            NoRoom: too many wait or are open, or the server is draining.
        """
        place = self._place(scope, waiting=True)

        def ended(session: Session) -> None:
            self.remove(session)
            over(session)

        session = self._add(endpoint, options, place, token, connection_id, ended)
        self._waiting += 1
        session.set_deadline(options.disconnect_timeout, session.end)
        return session

    def admit(self, session: Session, transport: Transport, scope: ConnectionScope) -> None:
        """Give a negotiated connection its transport.

        Raises:
            NoRoom: too many are open, or the server is draining.
        """
        place = self._place(scope)
        entry = self._sessions[session.token]
        self.caps.leave(entry.place)
        entry.place, entry.since = place, self._clock.now()
        self._waiting -= 1
        session.open(transport, scope)

    def find(self, endpoint: Endpoint, token: str) -> Session | None:
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
        self._written += session.outbox.taken
        session.release()
        if not self._sessions and self._empty is not None:
            self._empty.set()

    def statistics(self) -> RegistryStatistics:
        return self._statistics([counts_of(session) for session in self])

    async def statistics_in_turns(self) -> RegistryStatistics:
        """The same, with turns of the event loop in between."""
        counts = []
        for number, session in enumerate(self, 1):
            counts.append(counts_of(session))
            if number % BEAT_STRIDE == 0:
                await asyncio.sleep(0)
        return self._statistics(counts)

    def _statistics(self, counts: Sequence[Counts]) -> RegistryStatistics:
        return in_all(
            counts,
            connections=len(self),
            waiting=self._waiting,
            refused=self._refused,
            peak=self._peak,
            dropped=self._dropped,
            written=self._written,
        )

    async def end_inputs(self) -> None:
        """End what connections read: of hubs after a second, in which handshakes that are on their way are answered."""
        for entry in list(self._sessions.values()):
            if not entry.endpoint.greets:
                entry.session.end_input()
        await self._clock.sleep(HANDSHAKE)
        for session in self:
            session.end_input()

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

    def _add(
        self,
        endpoint: Endpoint,
        options: TransportOptions,
        place: Place,
        token: str,
        connection_id: str,
        over: Callable[[Session], None] | None = None,
    ) -> Session:
        session = Session(
            connection_id=connection_id, token=token, options=options, clock=self._clock, over=over or self._removes
        )
        self._sessions[token] = Entry(endpoint, session, place, self._clock.now())
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
