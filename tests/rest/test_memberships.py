"""Groups of users who are not there: remembered in SQLite and PostgreSQL, for all servers, for a time."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubline import BackplaneError
from hubline.backplanes import MemoryBackplane
from hubline.rest import Memberships
from hubline.rest.memberships import LONGEST, SWEPT
from hubline.rest.postgres_memberships import PostgresMemberships
from hubline.rest.sqlite_memberships import SQLiteMemberships
from hubline.testing import InMemoryClient, ManualClock, connect, running, settle
from tests.rest.publisher import Publisher, path, publisher
from tests.rest.site import NAME, site
from tests.runs.storages import SQL
from tests.valkey import until

EVE = path("users", "eve", "groups", "a/b")
GROUP = path("groups", "a/b")


@pytest.fixture(params=SQL)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Any]:
    made: Any
    if request.param == "sqlite":
        made = SQLiteMemberships(tmp_path / "groups.sqlite")
    else:
        made = PostgresMemberships(request.getfixturevalue("postgres_url"))
        await made.make_tables()
    yield made
    await made.close()


class Served:
    """Servers of one hub with the same memberships. Requests go to the first."""

    def __init__(self, apps: Sequence[Any], rest: Publisher, stack: AsyncExitStack) -> None:
        self.apps, self.rest, self._stack = apps, rest, stack

    async def come(self, user: str, number: int = 0) -> InMemoryClient:
        way = connect(self.apps[number], "/chat", query={"user": user} if user else {})
        client = await self._stack.enter_async_context(way)
        await client.invoke("Ready")
        return client

    async def reaches(self, *clients: InMemoryClient) -> list[bool]:
        """Which of them a message to the group reaches."""
        await self.rest.send(GROUP, "Told")
        found = []
        for client in clients:
            await client.fence()
            try:
                await client.expect_nothing()
            except AssertionError:
                await client.expect("Told")
                found.append(True)
            else:
                found.append(False)
        return found


@asynccontextmanager
async def served(store: Memberships, servers: int = 1, **settings: Any) -> AsyncIterator[Served]:
    async with AsyncExitStack() as stack:
        if servers > 1:
            settings["backplane"] = MemoryBackplane()
        sites = [site(settings={"memberships": store}, **settings) for _ in range(servers)]
        apps = [await stack.enter_async_context(running(each)) for each in sites]
        yield Served(apps, await stack.enter_async_context(publisher(apps[0])), stack)


async def test_who_comes_later_is_in_the_groups_of_the_user(store: Any) -> None:
    async with served(store) as found:
        rest = found.rest
        assert await rest.status("HEAD", EVE) == (404, "Info.User.NotInGroup")
        assert await rest.status("PUT", EVE, ("ttl", "60")) == (200, "")
        assert await rest.status("PUT", EVE) == (200, "")
        assert await rest.status("HEAD", EVE) == (200, "")
        assert await rest.status("HEAD", GROUP) == (404, "Warning.Group.NotExisted")  # a group is its connections
        first, bob, nobody = await found.come("eve"), await found.come("bob"), await found.come("")
        assert await found.reaches(first, bob, nobody) == [True, False, False]
        assert await rest.status("DELETE", EVE) == (204, "")
        assert await rest.status("HEAD", EVE) == (404, "Info.User.NotInGroup")
        assert await found.reaches(first, await found.come("eve")) == [False, False]
        for group in ("a/b", "x" * 1024):
            assert await rest.status("PUT", path("users", "eve", "groups", group)) == (200, "")
        assert sorted(await store.groups(NAME, "eve")) == ["a/b", "x" * 1024]
        assert await rest.status("DELETE", path("users", "eve", "groups")) == (204, "")
        assert await found.reaches(first, await found.come("eve")) == [False, False]
        assert await store.groups(NAME, "eve") == []


async def test_any_server_remembers(store: Any) -> None:
    async with served(store, servers=2) as found:
        there = await found.come("eve", 1)
        assert await found.rest.status("PUT", EVE) == (200, "")
        assert await found.reaches(there, await found.come("eve", 1), await found.come("eve")) == [True, True, True]


async def test_connections_leave_when_the_time_is_over(store: Any) -> None:
    clock = ManualClock()
    async with served(store, clock=clock) as found:
        eve = await found.come("eve")
        assert await found.rest.status("PUT", EVE, ("ttl", "0")) == (200, "")
        assert await found.reaches(eve) == [True]
        await clock.advance(SWEPT)

        async def over() -> bool:
            return (await found.rest.status("HEAD", EVE))[0] == 404

        await until(over)
        assert await found.reaches(eve, await found.come("eve")) == [False, False]


async def test_a_name_of_another_hub_or_user_is_not_the_same(store: Any) -> None:
    await store.add("one", "ada", "g", 60)
    await store.add("one", "bob", "h", 60)
    await store.add("two", "ada", "ключ/🙂\0", 60)
    assert [await store.groups(*who) for who in (("one", "ada"), ("one", "bob"), ("two", "ada"))] == [
        ["g"],
        ["h"],
        ["ключ/🙂\0"],
    ]
    await store.remove("one", "ada", "h")
    await store.remove("two", "ada")
    assert [await store.groups(*who) for who in (("one", "ada"), ("one", "bob"), ("two", "ada"))] == [["g"], ["h"], []]
    await store.add("one", "ada", "g", 0)
    assert await store.expired() == [("one", "ada", "g")]
    assert await store.expired() == []


class Given:
    """Memberships as a test wants them."""

    def __init__(self, *looks: list[str]) -> None:
        self.looks = list(looks)
        """The groups of everybody, look by look; the last one stays."""
        self.over: list[tuple[str, str, str]] = []
        self.added: list[int] = []
        self.is_away = False

    async def add(self, hub: str, user_id: str, group: str, seconds: int) -> None:
        self._check()
        self.added.append(seconds)

    async def remove(self, hub: str, user_id: str, group: str | None = None) -> None:
        self._check()

    async def groups(self, hub: str, user_id: str) -> Sequence[str]:
        self._check()
        return self.looks.pop(0) if len(self.looks) > 1 else self.looks[0]

    async def expired(self) -> Sequence[tuple[str, str, str]]:
        self._check()
        over, self.over = self.over, []
        return over

    def _check(self) -> None:
        if self.is_away:
            raise BackplaneError("the store is away")


async def test_who_was_removed_while_a_connection_came_is_not_in_the_group() -> None:
    async with served(Given(["a/b"], [])) as found:
        assert await found.reaches(await found.come("eve")) == [False]


async def test_who_was_added_again_at_the_end_of_the_time_stays() -> None:
    clock, given = ManualClock(), Given(["a/b"])
    async with served(given, clock=clock) as found:
        eve = await found.come("eve")
        given.over = [(NAME, "eve", "a/b"), ("Another.Hub", "eve", "a/b")]
        await clock.advance(SWEPT)
        await settle()
        assert given.over == []
        assert await found.reaches(eve) == [True]


async def test_a_year_is_the_longest() -> None:
    given = Given([])
    async with served(given) as found:
        for query in ([("ttl", "5")], [("ttl", str(2**31 - 1))], []):
            assert await found.rest.status("PUT", EVE, *query) == (200, "")
    assert given.added == [5, LONGEST, LONGEST]


async def test_while_the_store_is_away_nothing_is_promised(caplog: pytest.LogCaptureFixture) -> None:
    clock, given = ManualClock(), Given(["a/b"])
    async with served(given, clock=clock) as found:
        eve = await found.come("eve")
        given.is_away = True
        for method in ("PUT", "HEAD", "DELETE"):
            assert (await found.rest.status(method, EVE))[0] == 503
        assert (await found.rest.status("DELETE", path("users", "eve", "groups")))[0] == 503
        async with connect(found.apps[0], "/chat", query={"user": "eve"}) as refused:
            assert (await refused.closed()).code == 1011
        await clock.advance(SWEPT)
        assert "connections may stay in groups whose time is over: the store is away" in caplog.text
        given.is_away = False
        given.over, given.looks = [(NAME, "eve", "a/b")], [[]]
        await clock.advance(SWEPT)
        await settle()
        assert await found.reaches(eve) == [False]
