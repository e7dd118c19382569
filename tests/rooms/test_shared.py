"""Rooms of two servers that share a Valkey: one order, presence across servers, and what happens without it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from redis.asyncio import Redis

from hubline.rooms import Rooms, anyone
from hubline.rooms.redis_store import RedisRoomStore
from hubline.testing import InMemoryClient, ManualClock, connect, running
from tests.rooms.chat import Page, chat_with
from tests.valkey import Valkey, until, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


class Fleet:
    """Two servers."""

    def __init__(self, url: str) -> None:
        self.rooms = [Rooms(anyone, store=RedisRoomStore(url)) for _ in range(2)]
        self.apps = [chat_with(each) for each in self.rooms]

    @asynccontextmanager
    async def client(self, number: int, user: str) -> AsyncIterator[InMemoryClient]:
        settings = {"query": {"user": user}, "time_limit": 60.0}
        async with connect(self.apps[number], "/chat", **settings) as client:  # type: ignore[arg-type]
            yield client


@pytest.fixture
async def fleet(server: Valkey) -> AsyncIterator[Fleet]:
    async with Redis.from_url(server.url) as redis:
        await redis.flushall()
    found = Fleet(server.url)
    async with AsyncExitStack() as stack:
        for app in found.apps:
            await stack.enter_async_context(running(app))
        yield found
        for rooms in found.rooms:
            await rooms.close()


async def heard(page: Page, said: list[object]) -> None:
    async def all_of_it() -> bool:
        return page.said == said

    await until(all_of_it)


async def test_who_goes_from_server_to_server_has_everything_once(fleet: Fleet) -> None:
    page, said = Page(), list[object]()
    async with fleet.client(0, "bob") as bob, fleet.client(1, "eve") as eve:
        for number in range(6):
            async with fleet.client(number % 2, "ada") as ada:
                await page.join(ada)
                for sender in (bob, eve, bob):
                    await sender.invoke("SendToRoom", "r", len(said))
                    said.append(len(said))
            await eve.invoke("SendToRoom", "r", len(said))
            said.append(len(said))
        async with fleet.client(0, "ada") as ada:
            await page.join(ada)
            await heard(page, said)
    assert page.complete == [True] * 7


async def test_members_of_both_servers_come_and_leave_once(fleet: Fleet) -> None:
    here, there, clock = Page(), Page(), ManualClock()
    async with fleet.client(0, "ada") as ada, fleet.client(1, "bob") as bob:
        await here.join(ada)
        await there.join(bob)
        for rooms in fleet.rooms:
            rooms._joining._clock = clock
        async with fleet.client(0, "eve") as eve:
            await eve.invoke("JoinRoom", "r", None, {"device": "phone"})

        async def is_away() -> bool:  # otherwise both devices are there, and the first one's end is an update too
            return bool(clock._sleepers)

        await until(is_away)
        async with fleet.client(1, "eve") as eve:
            await eve.invoke("JoinRoom", "r", None, {"device": "phone"})
        await clock.advance(9)
        assert await fleet.rooms[0].count("r") == 3

        async def has_left() -> bool:
            await clock.advance(1)
            return all(("leave", "u:eve") in page.changes for page in (here, there))

        await until(has_left)
        assert [kind for kind, key in there.changes if key == "u:eve"] == ["enter", "update", "leave"]
        assert [kind for kind, key in here.changes if key == "u:eve"] == ["enter", "update", "leave"]
        assert await fleet.rooms[0].count("r") == await fleet.rooms[1].count("r") == 2
        await bob.invoke("SignalRoom", "r", "typing", True)

        async def is_told() -> bool:
            return [each["by"] for each in here.signals] == ["bob"]

        await until(is_told)


async def test_a_server_whose_lines_are_cut_reads_what_it_did_not_hear(fleet: Fleet, server: Valkey) -> None:
    page = Page()
    async with fleet.client(0, "ada") as ada, fleet.client(1, "bob") as bob:
        await page.join(ada)
        async with Redis.from_url(server.url) as redis:
            for number in range(10):
                await bob.invoke("SendToRoom", "r", number)
                if number % 3 == 0:
                    await redis.client_kill_filter(_type="pubsub")
        await heard(page, list(range(10)))
        assert page.gaps == []


async def test_a_valkey_that_comes_back_empty_is_a_gap_and_not_silence(fleet: Fleet, server: Valkey) -> None:
    page = Page()
    async with fleet.client(0, "ada") as ada, fleet.client(1, "bob") as bob:
        await page.join(ada)
        await bob.invoke("JoinRoom", "r")
        await bob.invoke("SendToRoom", "r", "before")
        await heard(page, ["before"])
        await server.restart()

        async def is_told() -> bool:
            return bool(page.gaps)

        await until(is_told)
        await bob.invoke("SendToRoom", "r", "after")

        async def hears_again() -> bool:
            return bool(page.said[-1] == "after")

        await until(hears_again)
        await fleet.rooms[0]._joining.restore()
        await fleet.rooms[1]._joining.restore()
        assert [member.key for member in await fleet.rooms[0].members("r")] == ["u:ada", "u:bob"]
