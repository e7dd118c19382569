"""The API at a server that has no connections: they are at two others, over every backplane."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from hubline import BackplaneError
from hubline.backplanes import Backplane, BackplaneLink, BackplaneListener, MemoryBackplane
from hubline.backplanes.local import LocalBackplane
from hubline.backplanes.local_hub import LocalHub
from hubline.server import connections
from hubline.testing import InMemoryClient, ManualClock, connect, running, settle
from hubline.testing.backplane import MakeBackplane
from tests.rest.publisher import Publisher, path, publisher
from tests.rest.site import Chat, hub_app, site


@asynccontextmanager
async def memory(request: pytest.FixtureRequest) -> AsyncIterator[MakeBackplane]:
    backplane = MemoryBackplane()
    yield lambda: backplane


@asynccontextmanager
async def local(request: pytest.FixtureRequest) -> AsyncIterator[MakeBackplane]:
    hub, socket = LocalHub(), str(request.getfixturevalue("tmp_path") / "hub")
    await hub.start(socket)
    try:
        yield lambda: LocalBackplane(socket)
    finally:
        await hub.close()


@asynccontextmanager
async def redis(request: pytest.FixtureRequest) -> AsyncIterator[MakeBackplane]:
    from hubline.backplanes.redis import RedisBackplane
    from tests.valkey import valkey

    with valkey() as server:
        yield lambda: RedisBackplane(server.url)


@asynccontextmanager
async def postgres(request: pytest.FixtureRequest) -> AsyncIterator[MakeBackplane]:
    from hubline.backplanes.postgres import PostgresBackplane

    url = request.getfixturevalue("postgres_url")
    yield lambda: PostgresBackplane(url)


COUNTING = [memory, local, pytest.param(redis, marks=pytest.mark.valkey)]
"""Backplanes that know how many servers get a message."""
ALL = [*COUNTING, pytest.param(postgres, marks=pytest.mark.postgres)]


class Fleet:
    """`a` (ada) is at one server; `b` (ada) and `c` (bob) are at another; the publisher is at a third."""

    def __init__(self, rest: Publisher, clients: dict[str, InMemoryClient]) -> None:
        self.rest, self.clients = rest, clients

    def id(self, name: str) -> str:
        return str(self.clients[name].connection_id)

    def member(self, group: str, name: str) -> str:
        return path("groups", group, "connections", self.id(name))


@asynccontextmanager
async def fleet(backplanes: Sequence[Backplane], **settings: Any) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        sites = [site(backplane=each, **settings) for each in backplanes]
        apps = [await stack.enter_async_context(running(each)) for each in sites]
        clients = {}
        for name, number, user in (("a", 0, "ada"), ("b", 1, "ada"), ("c", 1, "bob")):
            way = connect(
                apps[number], "/chat", protocol="messagepack" if name == "b" else "json", query={"user": user}
            )
            clients[name] = await stack.enter_async_context(way)
            await clients[name].invoke("Ready")
        yield Fleet(await stack.enter_async_context(publisher(apps[2])), clients)


@pytest.fixture
async def made(request: pytest.FixtureRequest) -> AsyncIterator[Fleet]:
    async with request.param(request) as make, fleet([make() for _ in range(3)]) as found:
        yield found


@pytest.mark.parametrize("made", ALL, indirect=True)
async def test_what_one_server_can_answer(made: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a wait on any backplane, since the first answer is enough."""
    monkeypatch.setattr(connections, "REPORTED_USUALLY", 600.0)
    rest = made.rest
    for below in (path("connections", made.id("a")), path("users", "ada"), path("users", "bob")):
        assert await rest.status("HEAD", below) == (200, "")
    made.clients["c"].on("Double", lambda number: number * 2)
    assert (await rest.invoke(made.id("c"), "Double", 21)).json() == {"result": 42}
    assert await rest.status("PUT", made.member("a/b", "b")) == (200, "")
    assert await rest.status("HEAD", path("groups", "a/b")) == (200, "")
    assert await rest.status("HEAD", path("users", "ada", "groups", "a/b")) == (200, "")
    assert await rest.send(path("groups", "a/b"), "Told", "in") == 202
    assert await made.clients["b"].expect("Told") == ["in"]
    assert await rest.status("DELETE", made.member("a/b", "b")) == (200, "")
    assert await rest.send(path("groups", "a/b"), "Told", "out") == 202
    assert await rest.send(path("users", "ada"), "Told", "user") == 202
    assert await rest.send(path("connections", made.id("b")), "Told", "one") == 202
    assert {(await made.clients["b"].expect("Told"))[0] for _ in range(2)} == {"user", "one"}
    assert await rest.status("DELETE", path("connections", made.id("b")), ("reason", "out")) == (200, "")
    assert (await made.clients["b"].closed()).error == "out"


@pytest.mark.parametrize("made", COUNTING, indirect=True)
async def test_what_all_servers_answer_together(made: Fleet) -> None:
    rest, group = made.rest, path("groups", "g")
    assert await rest.status("HEAD", path("connections", "nobody")) == (404, "Warning.Connection.NotExisted")
    assert await rest.status("HEAD", path("users", "eve")) == (404, "Warning.User.NotExisted")
    assert await rest.status("HEAD", group) == (404, "Warning.Group.NotExisted")
    assert await rest.status("PUT", path("groups", "g", "connections", "nobody")) == (
        404,
        "Error.Connection.NotExisted",
    )
    assert (await rest.invoke("nobody", "Double", 1)).status_code == 404
    assert await rest.status("PUT", path("users", "ada", "groups", "g")) == (200, "")
    assert await rest.status("PUT", made.member("g", "c")) == (200, "")
    wanted = [
        {"connectionId": made.id(name), "userId": user} for name, user in (("a", "ada"), ("b", "ada"), ("c", "bob"))
    ]
    wanted.sort(key=lambda each: each["connectionId"])
    first = (await rest.request("GET", f"{group}/connections", [("maxpagesize", "2")])).json()
    assert [*first["value"], *(await rest.get(first["nextLink"])).json()["value"]] == wanted
    assert await rest.send(group, "Told", "it", query=[("excluded", made.id("b"))]) == 202
    assert await made.clients["a"].expect("Told") == await made.clients["c"].expect("Told") == ["it"]
    assert await rest.status("DELETE", path("users", "ada", "groups")) == (204, "")
    assert (await rest.request("GET", f"{group}/connections")).json()["value"] == [
        {"connectionId": made.id("c"), "userId": "bob"}
    ]
    assert await rest.status("POST", "/:closeConnections", ("excluded", made.id("c")), ("reason", "x")) == (204, "")
    for name in "ab":
        assert (await made.clients[name].closed()).error == "x"
    await made.clients["c"].fence()


class Uncounted(MemoryBackplane):
    """It does not know how many servers get a message, and a server may not answer."""

    count: int | None = None
    lost = ""

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        link = await super().connect(listener)
        publish = link.publish

        async def uncounted(channels: Sequence[str], payload: bytes) -> int | None:
            if self.lost and any(self.lost in channel for channel in channels):
                return self.count
            await publish(channels, payload)
            return self.count

        link.publish = uncounted  # type: ignore[method-assign]
        return link


async def passed(clock: ManualClock, waiting: "asyncio.Future[Any]") -> Any:
    for _ in range(60):
        await settle()
        if waiting.done():
            break
        await clock.advance(1.0)
    return waiting.result()


async def test_a_backplane_that_does_not_count_is_given_two_seconds() -> None:
    clock, backplane = ManualClock(), Uncounted()
    async with fleet([backplane] * 3, clock=clock) as made:
        for below, answer in (
            (path("users", "eve"), (404, "Warning.User.NotExisted")),
            (path("users", "ada"), (200, "")),
        ):
            before = clock.now()
            asked = asyncio.gather(made.rest.status("HEAD", below))
            assert await passed(clock, asked) == [answer]
            assert clock.now() - before == (2.0 if answer[0] == 404 else 0.0)
        for name in "abc":
            await passed(clock, asyncio.gather(made.rest.status("PUT", made.member("g", name))))
        listed = asyncio.gather(made.rest.request("GET", path("groups", "g", "connections")))
        assert len((await passed(clock, listed))[0].json()["value"]) == 3
        gone = asyncio.gather(made.rest.invoke("nobody", "Double", 1))
        assert [each.status_code for each in await passed(clock, gone)] == [404]
        made.clients["a"].on("Never", asyncio.Event().wait)
        late = asyncio.gather(made.rest.invoke(made.id("a"), "Never"))
        assert [each.status_code for each in await passed(clock, late)] == [504]


async def test_a_server_that_does_not_report_is_an_error() -> None:
    clock, backplane = ManualClock(), Uncounted()
    backplane.count = 2
    async with fleet([backplane] * 3, clock=clock) as made:
        backplane.lost = ":internal:reports:"
        asked = asyncio.gather(made.rest.request("POST", "/:closeConnections"))
        (answered,) = await passed(clock, asked)
        assert (answered.status_code, answered.headers["retry-after"]) == (503, "1")
        assert answered.json()["message"] == "2 of 2 servers have not reported within 5 s"


async def test_a_failure_at_another_server_is_told() -> None:
    backplane = Refusing()
    async with fleet([backplane] * 3) as made:
        backplane.refused = ":group:"
        answered = await made.rest.request("PUT", made.member("g", "a"))
        assert answered.status_code == 503
        assert "no more channels" in answered.json()["message"]


class Refusing(MemoryBackplane):
    refused = ""

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        link = await super().connect(listener)
        subscribe = link.subscribe

        async def refusing(channels: Sequence[str]) -> None:
            if self.refused and any(self.refused in channel for channel in channels):
                raise BackplaneError("no more channels")
            await subscribe(channels)

        link.subscribe = refusing  # type: ignore[method-assign]
        return link


async def test_the_channel_is_heard_only_while_there_are_connections() -> None:
    backplane = MemoryBackplane()
    app = hub_app(backplane=backplane)
    channel = "Rest.Chat:internal:connections"
    async with running(app):
        async with connect(app, "/chat") as client:
            await client.invoke("Ready")
            assert channel in backplane._channels
        await settle()
        assert channel not in backplane._channels
    assert app.context(Chat) is not None
