"""What one read brings, and a database without the last messages that were read: another server took over."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import AsyncMock, Mock

import pytest
from psycopg import AsyncConnection

from hubline._clock import MonotonicClock
from hubline.backplanes.lines import Broker
from hubline.backplanes.postgres import PostgresBackplane
from hubline.backplanes.postgres_connections import Connections
from hubline.backplanes.postgres_reading import BYTES, NAMED, SETTLED, SMALL, WIDE, Reading
from hubline.backplanes.postgres_tables import PERIOD, statements
from hubline.backplanes.postgres_writing import Writing
from hubline.errors import BackplaneError
from hubline.testing import ManualClock
from hubline.testing.backplane import Heard
from tests.backplanes.test_postgres import HeardGap, heard
from tests.valkey import LIMIT, until

pytestmark = pytest.mark.postgres

STATEMENTS = statements("hubline_messages")


class Counting:
    """A connection that counts what it is asked, and how many bytes each answer has."""

    def __init__(self, inner: AsyncConnection[Any]) -> None:
        self._inner = inner
        self.sizes: list[int] = []
        self.asked: list[Any] = []

    async def execute(self, *arguments: Any, **settings: Any) -> Any:
        self.asked.append(arguments[1] if arguments[1:] else None)
        cursor = await self._inner.execute(*arguments, **settings)
        rows = await cursor.fetchall()
        self.sizes.append(sum(len(each) for row in rows for each in row if isinstance(each, bytes)))
        return Mock(fetchall=AsyncMock(return_value=rows))


async def test_a_read_takes_only_so_many_bytes_of_large_messages_and_one_at_least(postgres_url: str) -> None:
    found, backplane = Heard(), PostgresBackplane(postgres_url)
    await backplane.create()
    async with await AsyncConnection.connect(postgres_url, autocommit=True) as admin:
        reading = Reading(Connections(postgres_url), STATEMENTS, found, poll=None, clock=ManualClock(), broker=Broker())
        counting: Any = Counting(admin)
        await reading._begin(counting)
        reading._channels = {b"a": "a"}
        sizes = [100, BYTES // 2, BYTES // 2, 100, SMALL + 1, BYTES + 1, 100]
        for size in sizes:
            await admin.execute(STATEMENTS.send, ([b"a", b"other"], [bytes(size), bytes(size)]))
        counting.sizes.clear()
        reads = 1
        while await reading._read(counting):
            reads += 1
        assert [len(payload) for _, payload in await found.take(len(sizes))] == sizes
        assert reads == 3, "the third of the larger ones is beyond the limit, and the fourth with it"
        assert max(counting.sizes) < BYTES + 1_000


async def put_back(admin: AsyncConnection[Any], last: int) -> None:
    """As if a replica had taken over that has the messages up to this position."""
    await admin.execute("DELETE FROM hubline_messages WHERE position > %s", [last])
    await admin.execute("SELECT setval('hubline_messages_positions', %s)", [last])


async def with_three_messages(found: Heard, admin: AsyncConnection[Any]) -> None:
    for number in range(3):
        await admin.execute(STATEMENTS.send, ([b"a"], [b"%d" % number]))
    assert await found.take(3) == [("a", b"0"), ("a", b"1"), ("a", b"2")]


@pytest.mark.parametrize("poll", [None, 0.02])
async def test_positions_that_are_given_again_are_a_gap_and_what_follows_arrives(
    postgres_url: str, poll: float | None
) -> None:
    backplane, found = PostgresBackplane(postgres_url, poll=poll), HeardGap()
    async with (
        heard(backplane, "a", found=found),
        await AsyncConnection.connect(postgres_url, autocommit=True) as admin,
    ):
        await with_three_messages(found, admin)
        await put_back(admin, 1)
        await admin.execute("SELECT pg_notify('hubline_messages', '')")
        async with asyncio.timeout(LIMIT):
            await found.told.wait()
        await admin.execute(STATEMENTS.send, ([b"a"], [b"again"]))
        assert await found.take(1) == [("a", b"again")]
        assert len(found.gaps) == 1


@pytest.mark.parametrize("cut_off", [False, True])
async def test_others_at_the_positions_that_were_read_are_a_gap_whether_it_was_connected_or_not(
    postgres_url: str, cut_off: bool
) -> None:
    backplane, found = PostgresBackplane(postgres_url), HeardGap()
    async with (
        heard(backplane, "a", found=found),
        await AsyncConnection.connect(postgres_url, autocommit=True) as admin,
    ):
        await with_three_messages(found, admin)
        async with admin.transaction():  # nobody reads in between, which would be a gap that ends before these
            await put_back(admin, 1)
            await admin.execute(
                "INSERT INTO hubline_messages (channel, payload) SELECT 'a', 'new' FROM generate_series(1, 9)"
            )
        if cut_off:
            others = "pid <> pg_backend_pid() AND application_name = 'hubline'"
            await admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}".encode())
        else:
            await admin.execute("SELECT pg_notify('hubline_messages', '')")
        async with asyncio.timeout(LIMIT):
            await found.told.wait()
        await admin.execute(STATEMENTS.send, ([b"a"], [b"again"]))
        assert await found.take(1) == [("a", b"again")]
        assert len(found.gaps) == 1


async def test_a_last_message_that_is_still_there_is_no_gap(postgres_url: str) -> None:
    backplane, found = PostgresBackplane(postgres_url, poll=0.02), HeardGap()
    async with (
        heard(backplane, "a", found=found),
        await AsyncConnection.connect(postgres_url, autocommit=True) as admin,
    ):
        await with_three_messages(found, admin)
        await admin.execute("DELETE FROM hubline_messages WHERE position < 3")
        await admin.execute(STATEMENTS.send, ([b"a"], [b"more"]))
        assert await found.take(1) == [("a", b"more")]
        assert found.gaps == []


async def test_a_last_message_that_was_emptied_is_no_gap_and_positions_that_go_back_then_are_one(
    postgres_url: str,
) -> None:
    clock, found = ManualClock(), HeardGap()
    async with (
        heard(PostgresBackplane(postgres_url, poll=0.02, clock=clock), "a", found=found),
        await AsyncConnection.connect(postgres_url, autocommit=True) as admin,
    ):
        await with_three_messages(found, admin)
        await clock.advance(PERIOD)
        await admin.execute("TRUNCATE hubline_messages")
        await admin.execute(STATEMENTS.send, ([b"a"], [b"later"]))
        assert await found.take(1) == [("a", b"later")]
        assert found.gaps == []
        await clock.advance(PERIOD)
        await admin.execute("TRUNCATE hubline_messages")
        await put_back(admin, 1)
        async with asyncio.timeout(LIMIT):
            while not found.told.is_set():
                await clock.advance(1)
                await asyncio.sleep(0)
        await admin.execute(STATEMENTS.send, ([b"a"], [b"again"]))
        assert await found.take(1) == [("a", b"again")]


class Interposed:
    """A connection; something happens after its next statement."""

    def __init__(self, inner: AsyncConnection[Any]) -> None:
        self._inner = inner
        self.then: Callable[[], Awaitable[object]] | None = None

    async def execute(self, *arguments: Any, **settings: Any) -> Any:
        cursor = await self._inner.execute(*arguments, **settings)
        then, self.then = self.then, None
        if then is not None:
            await then()
        return cursor


@asynccontextmanager
async def read_with(url: str, found: Heard, clock: ManualClock) -> AsyncIterator[tuple[Reading, Any]]:
    """A reader of the channel `a` that reads when it is told to, and its connection."""
    await PostgresBackplane(url).create()
    async with await AsyncConnection.connect(url, autocommit=True) as reads:
        reading = Reading(Connections(url), STATEMENTS, found, poll=None, clock=clock, broker=Broker())
        connection: Any = Interposed(reads)
        await reading._begin(connection)
        reading._channels = {b"a": "a"}
        yield reading, connection


@asynccontextmanager
async def writers(url: str) -> AsyncIterator[tuple[AsyncConnection[Any], AsyncConnection[Any]]]:
    """Two connections that begin a transaction with their first statement."""
    async with await AsyncConnection.connect(url) as slow, await AsyncConnection.connect(url) as fast:
        yield slow, fast


async def test_a_transaction_that_commits_while_a_missing_position_is_looked_for_is_read(postgres_url: str) -> None:
    found, clock = Heard(), ManualClock()
    async with read_with(postgres_url, found, clock) as (reading, reads), writers(postgres_url) as (slow, fast):
        await slow.execute(STATEMENTS.send, ([b"a"], [b"slow"]))
        await fast.execute(STATEMENTS.send, ([b"a"], [b"fast"]))
        await fast.commit()
        await reading._read(reads)
        assert await found.take(1) == [("a", b"fast")]
        for _ in range(2):
            await clock.advance(2 * SETTLED)
            await reading._read(reads)
        await clock.advance(2 * SETTLED)
        reads.then = slow.commit
        await reading._read(reads)
        await reading._read(reads)
        assert await found.take(1) == [("a", b"slow")]


async def test_a_missing_position_of_a_transaction_with_a_greater_number_is_not_forgotten(postgres_url: str) -> None:
    found, clock = Heard(), ManualClock()
    async with read_with(postgres_url, found, clock) as (reading, reads), writers(postgres_url) as (slow, fast):
        await fast.execute("SELECT pg_current_xact_id()")
        await slow.execute(STATEMENTS.send, ([b"a"], [b"slow"]))
        await fast.execute(STATEMENTS.send, ([b"a"], [b"fast"]))
        await fast.commit()
        for _ in range(4):
            await clock.advance(2 * SETTLED)
            await reading._read(reads)
        assert await found.take(1) == [("a", b"fast")]
        await slow.commit()
        await reading._read(reads)
        assert await found.take(1) == [("a", b"slow")]


async def test_a_position_that_was_rolled_back_is_looked_for_no_longer(postgres_url: str) -> None:
    found, clock = Heard(), ManualClock()
    async with read_with(postgres_url, found, clock) as (reading, reads), writers(postgres_url) as (slow, fast):
        await slow.execute(STATEMENTS.send, ([b"a"], [b"undone"]))
        await fast.execute(STATEMENTS.send, ([b"a"], [b"fast"]))
        await fast.commit()
        await clock.advance(2 * SETTLED)
        await reading._read(reads)
        positions = reading._positions
        assert positions is not None
        assert positions.missing == [(1, 1)]
        await slow.rollback()
        await clock.advance(2 * SETTLED)
        await reading._read(reads)
        assert positions.missing == []


@pytest.mark.parametrize("many", [WIDE - 1, 20 * WIDE + 1])
async def test_a_transaction_that_commits_late_may_have_any_number_of_messages(postgres_url: str, many: int) -> None:
    found, clock = Heard(), ManualClock()
    async with read_with(postgres_url, found, clock) as (reading, reads), writers(postgres_url) as (slow, fast):
        sent = [b"%d" % number for number in range(many)]
        await slow.execute(STATEMENTS.send, ([b"a"] * many, sent))
        await fast.execute(STATEMENTS.send, ([b"a"], [b"fast"]))
        await fast.commit()
        await reading._read(reads)
        assert await found.take(1) == [("a", b"fast")]
        await slow.commit()
        while await reading._read(reads):
            pass
        assert await found.take(many) == [("a", each) for each in sent]
        assert reading._positions is not None
        assert reading._positions.missing == []


async def test_a_server_that_starts_reads_a_transaction_that_began_thousands_of_messages_before(
    postgres_url: str,
) -> None:
    await PostgresBackplane(postgres_url).create()
    found = Heard()
    async with writers(postgres_url) as (slow, fast):
        await slow.execute(STATEMENTS.send, ([b"a"], [b"slow"]))
        await fast.execute(STATEMENTS.send, ([b"a"] * 2_000, [b"before it started"] * 2_000))
        await fast.commit()
        async with read_with(postgres_url, found, ManualClock()) as (reading, reads):
            await slow.commit()
            await fast.execute(STATEMENTS.send, ([b"a"], [b"fast"]))
            await fast.commit()
            await reading._read(reads)
            assert await found.take(2) == [("a", b"slow"), ("a", b"fast")]
            assert found.messages.empty()


@pytest.mark.parametrize("last", [0, 1, 3])
async def test_what_is_missing_at_the_start_lies_between_the_messages_that_there_are(
    postgres_url: str, last: int
) -> None:
    await PostgresBackplane(postgres_url).create()
    async with await AsyncConnection.connect(postgres_url, autocommit=True) as admin:
        await admin.execute(STATEMENTS.send, ([b"a"] * last, [b""] * last))
        await admin.execute("DELETE FROM hubline_messages WHERE position <> 2")
        rows = await (await admin.execute(STATEMENTS.begin)).fetchall()
        assert rows == [(last, {0: [], 1: [[1, 1]], 3: [[1, 1], [3, 3]]}[last])]


async def test_a_server_with_many_channels_does_not_send_their_names_with_each_read(postgres_url: str) -> None:
    found = Heard()
    async with read_with(postgres_url, found, ManualClock()) as (reading, reads):
        reading._channels |= {b"%d" % number: f"{number}" for number in range(NAMED)}
        counting: Any = Counting(reads)
        sizes = [1, SMALL + 1]
        for size in sizes:
            await reads.execute(STATEMENTS.send, ([b"other", b"a"], [bytes(size), bytes(size)]))
        await reading._read(counting)
        assert await found.take(2) == [("a", bytes(size)) for size in sizes]
        assert found.messages.empty()
        assert counting.asked[0]["channels"] is None
        assert max(counting.sizes) < sum(sizes) + 100, "only what is small comes along for nobody"


async def test_who_has_read_nothing_for_longer_than_messages_are_kept_tells_the_gap(postgres_url: str) -> None:
    found, clock = HeardGap(), ManualClock()
    async with read_with(postgres_url, found, clock) as (reading, reads):
        await reads.execute(STATEMENTS.send, ([b"a"], [b"first"]))
        await reading._read(reads)
        await reads.execute(STATEMENTS.send, ([b"a"], [b"never read"]))
        await clock.advance(3 * PERIOD)
        reading._read_at -= 3 * PERIOD
        await reads.execute("TRUNCATE hubline_messages")
        await reading._read(reads)
        await reads.execute(STATEMENTS.send, ([b"a"], [b"later"]))
        await reading._read(reads)
        assert await found.take(2) == [("a", b"first"), ("a", b"later")]
        assert len(found.gaps) == 1


async def test_a_message_whose_statement_was_cancelled_is_not_reported_as_stored(postgres_url: str) -> None:
    await PostgresBackplane(postgres_url).create()
    writing = Writing(Connections(postgres_url), STATEMENTS, MonotonicClock(), Broker())
    await writing.start()
    async with await AsyncConnection.connect(postgres_url) as admin:
        await admin.execute("LOCK TABLE hubline_messages IN ACCESS EXCLUSIVE MODE")
        sent = asyncio.ensure_future(writing.publish([b"a"], b"lost"))
        await until(lambda: waits_for_a_lock(postgres_url))
        writing.renew()  # as the heartbeat does
        with pytest.raises(BackplaneError, match="not stored"):
            await sent
        await admin.rollback()
        rows = await (await admin.execute("SELECT count(*) FROM hubline_messages")).fetchall()
        assert rows == [(0,)]
    await writing.close()


async def waits_for_a_lock(url: str) -> bool:
    async with await AsyncConnection.connect(url) as other:
        return bool(await (await other.execute("SELECT 1 FROM pg_locks WHERE NOT granted")).fetchall())
