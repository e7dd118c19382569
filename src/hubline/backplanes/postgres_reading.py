"""The connections that read messages by their position: one reads, another LISTENs for new messages."""

import asyncio
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg import AsyncConnection, Error, sql

from hubline._bursts import let_others_within_a_burst
from hubline._clock import Clock
from hubline.backplanes.base import BackplaneListener
from hubline.backplanes.lines import Broker, Line, utc
from hubline.backplanes.postgres_connections import Connections, patiently, shut_down
from hubline.backplanes.postgres_notices import OFTEN, Notices
from hubline.backplanes.postgres_positions import Positions
from hubline.backplanes.postgres_tables import PERIOD, Row, Statements
from hubline.errors import BackplaneError

MOST = 500
"""Rows of one read. Ours."""

NAMED = 100
"""Channels that the database compares. A server with more gets all messages and compares itself: each connection, user
and group is a channel, and their names would be sent with every read. Ours."""

WIDE = 500
"""Missing positions in a row that are looked for one by one; more are looked for as a row. Ours: takes as long."""

SMALL = 8 * 1024
"""Bytes of a payload that comes with its row. Larger ones are fetched after it. Ours: 4 MiB in 500 rows."""

BYTES = 4 * 1024 * 1024
"""Bytes of the larger payloads that are fetched together, unless one alone has more. Ours: a read has 5 seconds."""

STRIDE = 64
"""Messages after which other tasks get a turn of the event loop. Ours."""

SETTLED = 1.0
"""Seconds between two queries for the running transactions, while positions are missing. Ours."""


@dataclass(frozen=True, slots=True)
class Connected:
    """The connections of one reader. `hears` is `None` if the database is only polled."""

    reads: AsyncConnection[Any]
    hears: AsyncConnection[Any] | None


@dataclass(frozen=True, slots=True)
class Mark:
    """A message that was read, by which it is known that its successors are read next."""

    position: int
    written: int
    """Microseconds since 1970, by the clock of the database."""
    read_at: float


class Reading(Line[Connected]):
    """Reads the messages of the wanted channels. After an interruption it continues, if the messages are still kept."""

    def __init__(
        self,
        connections: Connections,
        statements: Statements,
        listener: BackplaneListener,
        *,
        poll: float | None,
        clock: Clock,
        broker: Broker,
    ) -> None:
        """`poll`: seconds between two reads, instead of LISTEN, which a pool in transaction mode does not support."""
        super().__init__("reading from PostgreSQL", self._connect, clock, broker)
        self._connections, self._statements, self._listener = connections, statements, listener
        self._poll = poll
        self._channels: dict[bytes, str] = {}
        self._positions: Positions | None = None
        self._mark: Mark | None = None
        """The last message that was read, while it is looked for. Without it the messages behind it are others."""
        self._read_at = 0.0
        """When all messages were last read, in seconds since 1970."""
        self._looked_at = 0.0
        """When the last position was last queried because no message was there, by the clock."""
        self._asked_at = 0.0
        """When the running transactions were last queried, by the clock."""
        self.notices = Notices()
        self._lock = asyncio.Lock()

    async def subscribe(self, channels: Iterable[str]) -> None:
        """Subscribe to these channels. Earlier messages are read first, without these channels."""
        connected = self.connection
        async with self._lock:
            try:
                async with patiently(connected.reads):
                    await self._read(connected.reads)
            except (Error, OSError) as error:
                raise BackplaneError(f"PostgreSQL cannot be read: {error}") from error
            self._channels.update({name.encode(): name for name in channels})

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        self.connection  # noqa: B018  # raises while there is none
        for name in channels:
            self._channels.pop(name.encode(), None)

    async def _connect(self) -> Connected:
        async with AsyncExitStack() as opened:
            reads = await self._connections.open_table(self._statements)
            opened.push_async_callback(reads.close)
            hears = None
            if self._poll is None:
                hears = await self._connections.open()
                opened.push_async_callback(hears.close)
                await hears.execute(sql.SQL("LISTEN {}").format(sql.Identifier(self._statements.channel)))
            opened.pop_all()
            return Connected(reads, hears)

    async def _use(self, connection: Connected) -> None:
        async with patiently(connection.reads):
            gap = await self._begin(connection.reads)
        self._is_ready(connection)
        if gap is not None:
            self._listener.interrupted(*gap)
        hearing = None if connection.hears is None else self._tasks.start(self._hear(connection.hears), name=self.name)
        self.notices.begin(listens=hearing is not None)
        try:
            while hearing is None or not hearing.done():
                self.notices.news.clear()
                async with self._lock, patiently(connection.reads):
                    full = await self._read(connection.reads)
                self.notices.read()
                if not full:
                    await self._wait(hearing)
            raise hearing.result()
        finally:
            self.notices.end()
            if hearing is not None:
                hearing.cancel()
                await asyncio.wait([hearing])

    async def _begin(self, reads: AsyncConnection[Any]) -> tuple[datetime, datetime] | None:
        """Find the position to continue from. Returns the gap if messages after it are lost, or no longer kept."""
        if (
            self._positions is not None
            and time.time() - self._read_at < PERIOD
            and await self._last(reads) >= self._positions.last
            and self._goes_on(await self._found_mark(reads))
        ):
            return None
        return await self._begin_anew(reads)

    async def _begin_anew(self, reads: AsyncConnection[Any]) -> tuple[datetime, datetime] | None:
        """Continue behind the last message that there is. Returns the gap, if anything was read before."""
        now = time.time()
        ((last, missing),) = await (await reads.execute(self._statements.begin)).fetchall()
        gap = None if self._positions is None else (utc(self._read_at), utc(now))
        self._positions, self._mark, self._read_at = Positions(last, missing), None, now
        return gap

    async def _last(self, reads: AsyncConnection[Any]) -> int:
        """The last position that was given."""
        ((last,),) = await (await reads.execute(self._statements.last)).fetchall()
        return int(last)

    async def _found_mark(self, reads: AsyncConnection[Any]) -> int | None:
        if self._mark is None:
            return None
        found = await (await reads.execute(self._statements.written, [self._mark.position])).fetchall()
        return found[0][0] if found else None

    def _goes_on(self, found: int | None) -> bool:
        """Whether the messages behind the last one that was read are its successors.

        `found` is when the one at its position was written. If that was another, or there is none, a server took over
        that did not have it. One that is old may have been emptied, and is not looked for any more; but if this server
        has read nothing for as long, as one that was frozen, others may have been emptied behind it.
        """
        old = self._mark is not None and self._clock.now() - self._mark.read_at >= PERIOD
        if old and found is None and time.time() - self._read_at < PERIOD:
            self._mark = None
        return self._mark is None or found == self._mark.written

    async def _read(self, reads: AsyncConnection[Any]) -> bool:
        """Read new messages. True if there may be more."""
        positions, mark, began = self._positions, self._mark, time.time()
        assert positions is not None
        oldest = await self._oldest(reads, positions)
        missing = positions.missing
        wide = [each for each in missing if each[1] - each[0] >= WIDE]
        asked = {
            "channels": list(self._channels) if len(self._channels) <= NAMED else None,
            "after": positions.last if mark is None else mark.position - 1,
            "missing": [at for first, last in missing if last - first < WIDE for at in range(first, last + 1)],
            "firsts": [first for first, _ in wide],
            "lasts": [last for _, last in wide],
            "mark": -1 if mark is None else mark.position,
            "most": MOST,
            "small": SMALL,
        }
        statement = self._statements.read_rows if wide else self._statements.read
        rows: list[Row] = await (await reads.execute(statement, asked, binary=True)).fetchall()
        full = len(rows) == MOST
        if await self._lost(reads, rows, full):
            gap = await self._begin_anew(reads)
            assert gap is not None
            self._listener.interrupted(*gap)
            return False
        full = not await self._take(reads, rows, positions) or full
        if not full:
            self._read_at = began
            if oldest is not None:
                positions.forget(oldest)
        return full

    async def _oldest(self, reads: AsyncConnection[Any], positions: Positions) -> int | None:
        """The number of the oldest transaction that runs, if positions are missing and it is time to ask."""
        if not positions.missing or self._clock.now() - self._asked_at < SETTLED:
            return None
        self._asked_at = self._clock.now()
        ((oldest, following),) = await (await reads.execute(self._statements.horizon)).fetchall()
        positions.expect(following)
        return int(oldest)

    async def _take(self, reads: AsyncConnection[Any], rows: list[Row], positions: Positions) -> bool:
        """Pass the messages of these rows on. False if some are left, because they are large."""
        left, fetched = STRIDE, await self._large(reads, rows)
        for position, written, name, payload, _ in rows:
            if name in self._channels and payload is None:
                if position not in fetched:
                    return False
                payload = fetched[position]
            last = positions.last
            if not positions.read(position):
                continue
            if position > last:
                self._mark = Mark(position, written, self._clock.now())
            channel = None if name is None else self._channels.get(name)
            left -= 1
            if (channel is not None and payload is not None and self._listener.received(channel, payload)) or not left:
                left = STRIDE
                await let_others_within_a_burst()
        return True

    async def _large(self, reads: AsyncConnection[Any], rows: list[Row]) -> dict[int, bytes | None]:
        """The first payloads that did not come with their rows; `None` for one that was emptied in between."""
        size, wanted = 0, dict[int, bytes | None]()
        for position, _, name, payload, length in rows:
            if name in self._channels and payload is None:
                size += length or 0
                if wanted and size > BYTES:
                    break
                wanted[position] = None
        if wanted:
            found = await (await reads.execute(self._statements.payloads, [list(wanted)], binary=True)).fetchall()
            wanted |= dict(found)
            if None in wanted.values():
                self._listener.interrupted(utc(self._read_at), utc(time.time()))
        return wanted

    async def _lost(self, reads: AsyncConnection[Any], rows: list[Row], full: bool) -> bool:
        """Whether the database lacks messages that were read, so that others have their positions, or will have."""
        if (mark := self._mark) is not None:
            if full and rows[-1][0] < mark.position:  # earlier ones have been missing, and there are more of them
                return False
            return not self._goes_on(next((row[1] for row in rows if row[0] == mark.position), None))
        if rows or self._clock.now() - self._looked_at < SETTLED:
            return False
        self._looked_at = self._clock.now()
        assert self._positions is not None
        return await self._last(reads) < self._positions.last

    async def _wait(self, hearing: "asyncio.Task[None] | None") -> None:
        """Wait for new messages."""
        assert self._positions is not None
        seconds = SETTLED if self._positions.missing else PERIOD / 4
        if self._poll is not None or self.notices.silent:
            seconds = self._poll or OFTEN
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.notices.news.wait()

    async def _hear(self, hears: AsyncConnection[Any]) -> Exception:
        """Wakes who reads, until the connection is lost. Returns why."""
        try:
            async for _ in hears.notifies():
                self.notices.heard()
        except Exception as error:  # psycopg's, and those of the network
            return error
        finally:
            self.notices.news.set()
        return BackplaneError("the connection was closed")

    async def _end(self, connection: Connected, error: Exception | None) -> None:
        shut_down(connection.reads)
        try:
            async with self._lock:  # whoever reads for a new channel has left
                pass
        finally:
            for each in (connection.reads, connection.hears):
                if each is not None:
                    with suppress(Exception):
                        await each.close()
