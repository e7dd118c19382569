"""What becomes of a link while Redis is away: nothing is kept, it comes back, and it says from when to when."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from redis.asyncio import Redis, Sentinel

from hubline import BackplaneError, Hub, HubApp, HubRoute, InvocationError
from hubline.backplanes import BackplaneLink, lines, redis_pipelines, redis_publishing
from hubline.backplanes.lines import Broker
from hubline.backplanes.redis import RedisBackplane
from hubline.backplanes.redis_commands import Commands
from hubline.backplanes.redis_connections import HOME, Connections, Node
from hubline.testing import ManualClock, connect
from hubline.testing.backplane import Heard
from tests.valkey import LIMIT, Valkey, until, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@dataclass
class Told(Heard):
    """Also lets a test wait for a gap."""

    back: asyncio.Event = field(default_factory=asyncio.Event)

    def interrupted(self, since: datetime, until: datetime) -> None:
        super().interrupted(since, until)
        self.back.set()

    async def gap(self) -> tuple[datetime, datetime]:
        async with asyncio.timeout(LIMIT):
            await self.back.wait()
        self.back.clear()
        return self.gaps[-1]


@asynccontextmanager
async def linked(server: Valkey) -> AsyncIterator[tuple[BackplaneLink, Told]]:
    heard = Told()
    link = await RedisBackplane(server.url).connect(heard)
    try:
        yield link, heard
    finally:
        await link.close()


async def as_coroutine(holds: bool) -> bool:
    return holds


async def succeeds(call: Awaitable[Any], error: type[Exception]) -> bool:
    try:
        await call
    except error:
        return False
    return True


async def fails(call: Awaitable[Any], error: type[Exception]) -> bool:
    return not await succeeds(call, error)


async def until_it_publishes(link: BackplaneLink, channel: str) -> None:
    await until(lambda: succeeds(link.publish([channel], b"again"), BackplaneError))


async def test_a_restart_costs_what_was_said_meanwhile_and_no_more(server: Valkey) -> None:
    async with linked(server) as (link, heard):
        await link.subscribe(["a", "b"])
        await link.publish(["a"], b"before")
        assert await heard.take(1) == [("a", b"before")]
        began = datetime.now(UTC)
        server.stop()
        await until(lambda: fails(link.publish(["a"], b"lost"), BackplaneError))
        with pytest.raises(BackplaneError, match="cannot be reached at present"):
            await link.publish(["a"], b"refused at once")
        await asyncio.to_thread(server.start)
        since, end = await heard.gap()
        assert since <= began < end <= datetime.now(UTC)
        await until_it_publishes(link, "b")
        assert await heard.take(1) == [("b", b"again")]
        assert len(heard.gaps) == 1
        await link.unsubscribe(["a", "b"])


async def test_what_cannot_be_changed_meanwhile_is_refused_and_not_done_later(server: Valkey) -> None:
    async with linked(server) as (link, heard):
        await link.subscribe(["kept", "given up?"])
        server.stop()
        await until(lambda: as_coroutine(not cast("Any", link)._hearing.lines.all_ready))
        with pytest.raises(BackplaneError):
            await link.subscribe(["too late"])
        with pytest.raises(BackplaneError):
            await link.unsubscribe(["given up?"])
        await asyncio.to_thread(server.start)
        await heard.gap()
        async with Redis.from_url(server.url) as redis:
            assert sorted(await redis.pubsub_channels()) == [b"given up?", b"kept"]


async def test_a_connection_that_redis_cuts_is_made_again(server: Valkey) -> None:
    async with linked(server) as (link, heard), Redis.from_url(server.url) as redis:
        await link.subscribe(["a"])
        await redis.client_kill_filter(_type="pubsub")
        await heard.gap()
        await redis.client_kill_filter(_type="normal", skipme=True)
        await until_it_publishes(link, "a")
        assert await heard.take(1) == [("a", b"again")]


async def test_a_line_that_is_back_hurries_those_of_other_objects_with_its_address(server: Valkey) -> None:
    """The backplane's clock goes on, that of the log of runs stands still: only the other line can end its pause."""
    clock = ManualClock()
    commands = Commands(Connections(f"{server.url}/0"), clock)
    await commands.start()
    try:
        async with linked(server) as (link, heard):
            await link.subscribe(["a"])
            server.stop()
            await until(lambda: as_coroutine(not commands._router.lines.all_ready))
            await asyncio.to_thread(server.start)
            await heard.gap()
            await until(lambda: succeeds(commands.call("EXISTS", "key"), BackplaneError))
    finally:
        await commands.close()


async def test_each_address_is_one_broker() -> None:
    def broker(redis: str | Redis, node: Node = HOME) -> Broker:
        return Connections(redis).broker(node)

    here = broker("redis://localhost:6379")
    assert here is broker("redis://localhost/2") is broker(Redis(host="localhost"))
    assert here is broker("redis://elsewhere:1", Node("localhost", 6379))
    assert here is not broker("redis://localhost:6380")
    there = broker("unix:///run/redis.sock")
    assert there is broker("unix:///run/redis.sock?db=1")
    assert there is not broker("unix:///run/other.sock")
    watch = Sentinel([("localhost", 26379)])  # type: ignore[no-untyped-call]
    watched = [watch.master_for(name) for name in ("one", "one", "two")]
    first, second, third = (broker(each) for each in watched)
    assert first is second
    assert first is not third


async def test_renewing_is_an_interruption(server: Valkey) -> None:
    async with linked(server) as (link, heard):
        link.renew()
        await link.subscribe(["a"])
        link.renew()
        await heard.gap()
        await until_it_publishes(link, "a")
        assert await heard.take(1) == [("a", b"again")]


async def test_a_redis_that_stands_still_is_no_answer(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    async with linked(server) as (link, heard):
        await link.subscribe(["a"])
        server.freeze()
        for module in (lines, redis_pipelines, __import__("hubline.backplanes.redis_listening", fromlist=["PATIENCE"])):
            monkeypatch.setattr(module, "PATIENCE", 0.4)
        results = await asyncio.gather(link.publish(["a"], b"unsure"), link.subscribe(["late"]), return_exceptions=True)
        assert [type(each) for each in results] == [BackplaneError, BackplaneError]
        assert "has not answered within 0.4 s" in str(results[1])
        monkeypatch.undo()
        server.thaw()
        await until_it_publishes(link, "a")
        messages = [await heard.take(1)]
        while messages[-1] != [("a", b"again")]:
            messages.append(await heard.take(1))
        assert heard.gaps == [], "it has heard on: Redis kept what it was to hear"
        async with Redis.from_url(server.url) as redis:

            async def given_up() -> bool:
                return bool(await redis.pubsub_channels() == [b"a"])

            await until(given_up)


async def test_what_redis_does_not_take_is_bounded(server: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_publishing, "UNANSWERED", 10_000)
    async with linked(server) as (link, _):
        assert await link.publish(["a"], bytes(20_000)) == 0, "one alone may be as large as it likes"
        server.freeze()
        waiting = [asyncio.ensure_future(link.publish(["a"], bytes(1000))) for _ in range(20)]
        done, left = await asyncio.wait(waiting, timeout=0.1)
        assert {str(each.exception())[:22] for each in done} == {"Redis does not keep up"}
        assert len(left) == 9
        server.thaw()
        assert await asyncio.gather(*left) == [0] * 9


class Chat(Hub):
    async def say(self, text: str) -> None:
        await self.clients.all.send("Said", text)

    async def whisper(self, text: str) -> None:
        await self.clients.caller.send("Said", text)

    async def on_backplane_gap(self, since: datetime, until: datetime) -> None:
        await self.clients.caller.send("Ask anew", since < until)


@pytest.mark.statement(191, 196, 197)
async def test_clients_stay_while_redis_is_away_and_are_told_afterwards(server: Valkey) -> None:
    app = HubApp({"/hub": HubRoute(Chat, name="Chat")}, backplane=RedisBackplane(server.url))
    async with app.lifespan(), connect(app, "/hub") as ada, connect(app, "/hub") as bob:
        await bob.fence()
        await ada.invoke("Say", "before")
        assert await bob.expect("Said") == await ada.expect("Said") == ["before"]
        server.stop()
        await until(lambda: fails(ada.invoke("Say", "lost"), InvocationError))
        await ada.invoke("Whisper", "local")
        while (said := await ada.expect("Said")) == ["lost"]:
            pass
        assert said == ["local"]
        async with connect(app, "/hub") as eve:
            assert (await eve.closed()).code == 1011
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(LIMIT):
            assert await ada.expect("Ask anew") == await bob.expect("Ask anew") == [True]
        await until(lambda: succeeds(ada.invoke("Say", "after"), InvocationError))
        while (said := await bob.expect("Said")) == ["lost"]:
            pass
        assert said == ["after"]
        statistics = app.statistics()["backplane"]
        assert statistics["gaps"] == 1
        assert statistics["gap_seconds"] > 0
        assert app.ready


@pytest.mark.statement(197)
async def test_a_server_that_never_reached_redis_is_not_ready_and_refuses_clients(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    app = HubApp({"/hub": HubRoute(Chat, name="Chat")}, backplane=RedisBackplane(server.url))
    async with app.lifespan():
        await until(lambda: as_coroutine(not app.ready))
        for _ in range(3):
            async with connect(app, "/hub") as eve:
                assert (await eve.closed()).code == 1011
        refusals = [record for record in caplog.records if "clients are refused" in record.message]
        assert len(refusals) == 1
        assert "Connection refused" in refusals[0].message or "Connect call failed" in refusals[0].message
        assert all(record.exc_info is None for record in caplog.records)
        await asyncio.to_thread(server.start)
        await until(lambda: as_coroutine(app.ready))
        async with connect(app, "/hub") as ada:
            await ada.invoke("Whisper", "here")
        assert "clients are admitted again; 2 more were refused meanwhile" in caplog.text
