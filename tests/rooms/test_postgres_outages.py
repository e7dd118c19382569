"""Rooms of two servers over a PostgreSQL that stops and comes back, that is frozen, and behind PgBouncer."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from hubline import InvocationError
from hubline.rooms import Rooms, RoomStore, anyone
from hubline.rooms.postgres_store import PostgresRoomStore
from hubline.rooms.values import UNREACHABLE
from hubline.testing import InMemoryClient, RoomStoreSuite, connect, running
from tests.postgres import Postgres, execute, postgres
from tests.rooms.chat import Page, chat_with
from tests.valkey import until

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


class Fleet:
    """Two servers. Leases outlive every outage here: nobody is taken for dead."""

    def __init__(self, url: str, poll: float | None = None) -> None:
        self.rooms = [Rooms(anyone, store=PostgresRoomStore(url, poll=poll, lease=600)) for _ in range(2)]
        self.apps = [chat_with(each) for each in self.rooms]

    @asynccontextmanager
    async def client(self, number: int, user: str) -> AsyncIterator[InMemoryClient]:
        settings = {"query": {"user": user}, "time_limit": 60.0}
        async with connect(self.apps[number], "/chat", **settings) as client:  # type: ignore[arg-type]
            yield client


@asynccontextmanager
async def fleet_at(url: str, poll: float | None = None) -> AsyncIterator[Fleet]:
    found = Fleet(url, poll)
    async with AsyncExitStack() as stack:
        for app in found.apps:
            await stack.enter_async_context(running(app))
        yield found
        for rooms in found.rooms:
            await rooms.close()


@pytest.fixture
async def fleet(server: Postgres) -> AsyncIterator[Fleet]:
    await asyncio.to_thread(execute, server.directory, "DROP SCHEMA public CASCADE")
    await asyncio.to_thread(execute, server.directory, "CREATE SCHEMA public")
    async with fleet_at(server.url) as found:
        yield found


async def say(client: InMemoryClient, value: object) -> None:
    """As the guide says: again with the same key, until it is known to be there."""
    while True:
        try:
            await client.invoke("SendToRoom", "r", value, f"key of {value}")
        except InvocationError as error:
            if UNREACHABLE not in error.message:
                raise
        else:
            return


async def heard(page: Page, said: list[object]) -> None:
    async def all_of_it() -> bool:
        return len(page.said) >= len(said)

    await until(all_of_it)
    assert page.said == said


async def test_a_database_that_stops_and_comes_back_costs_no_message_and_no_member(
    fleet: Fleet, server: Postgres
) -> None:
    page = Page()
    async with fleet.client(0, "ada") as ada, fleet.client(1, "bob") as bob:
        await page.join(ada)
        await bob.invoke("JoinRoom", "r")
        await say(bob, 0)
        await heard(page, [0])
        for number in range(1, 7, 3):
            await asyncio.to_thread(server.stop)
            with pytest.raises(InvocationError, match=UNREACHABLE):
                await bob.invoke("SendToRoom", "r", number, f"key of {number}")
            saying = asyncio.create_task(say(bob, number))
            await asyncio.to_thread(server.start)
            await saying
            await say(ada, number + 1)
            await say(bob, number + 2)
        await heard(page, [*range(7)])
        assert page.gaps == []
        async with fleet.client(1, "eve") as eve:
            joined = await eve.invoke("JoinRoom", "r", None, {"visible": False})
            assert [each["data"] for each in joined["messages"]] == [*range(7)]
            assert [each["key"] for each in joined["members"]] == ["u:ada", "u:bob"]
        assert [kind for kind, key in page.changes if key == "u:bob"] == ["enter"]


async def test_who_comes_while_the_database_is_away_is_refused_and_has_everything_later(
    fleet: Fleet, server: Postgres
) -> None:
    page = Page()
    async with fleet.client(0, "bob") as bob:
        async with fleet.client(1, "ada") as ada:
            await page.join(ada)
        await say(bob, "while ada is away")
        await asyncio.to_thread(server.stop)
        async with fleet.client(1, "ada") as ada:
            with pytest.raises(InvocationError, match=UNREACHABLE):
                await page.join(ada)
            await asyncio.to_thread(server.start)

            async def is_in() -> bool:
                try:
                    await page.join(ada)
                except InvocationError:
                    return False
                return True

            await until(is_in)
            await say(bob, "and after")
            await heard(page, ["while ada is away", "and after"])
            assert page.complete == [True, True]


async def test_a_frozen_database_holds_messages_up_and_loses_none(fleet: Fleet, server: Postgres) -> None:
    page = Page()
    async with fleet.client(0, "ada") as ada, fleet.client(1, "bob") as bob:
        await page.join(ada)
        await say(bob, 0)
        await heard(page, [0])
        server.freeze()
        saying = asyncio.create_task(say(bob, 1))
        await ada.fence()  # a call of a room that waits for the database does not hold up the connection
        server.thaw()
        await saying
        await say(bob, 2)
        await heard(page, [0, 1, 2])


@pytest.mark.pgbouncer
async def test_behind_pgbouncer_two_servers_have_one_order_and_the_same_members(pooled_url: str) -> None:
    pages = [Page(), Page()]
    async with (
        fleet_at(pooled_url, poll=0.02) as fleet,
        fleet.client(0, "ada") as ada,
        fleet.client(1, "bob") as bob,
    ):
        await pages[0].join(ada)
        await pages[1].join(bob)
        for number in range(10):
            await asyncio.gather(say(ada, f"a{number}"), say(bob, f"b{number}"))
        await heard(pages[1], await order(pages[0]))
        await bob.invoke("SignalRoom", "r", "typing", True)

        async def is_told() -> bool:
            return [each["by"] for each in pages[0].signals] == ["bob"] and "u:bob" in pages[0].members

        await until(is_told)
        assert await fleet.rooms[0].count("r") == await fleet.rooms[1].count("r") == 2


async def order(page: Page) -> list[object]:
    async def all_of_it() -> bool:
        return len(page.said) == 20

    await until(all_of_it)
    return page.said


@pytest.mark.pgbouncer
class TestRoomsBehindPgBouncer(RoomStoreSuite):
    @pytest.fixture(autouse=True)
    def _database(self, pooled_url: str) -> None:
        self.url = pooled_url

    @asynccontextmanager
    async def stores(self, history: int, count: int) -> AsyncIterator[Sequence[RoomStore]]:
        stores = [PostgresRoomStore(self.url, poll=0.02, history=history) for _ in range(count)]
        try:
            yield stores
        finally:
            for store in stores:
                await store.close()
