"""What becomes of a link while PostgreSQL is away: nothing is kept, it comes back, and misses nothing it could have."""

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import AsyncConnection

from hubline import BackplaneError, HubApp, HubRoute, InvocationError
from hubline.backplanes import heartbeat, postgres_connections, postgres_reading
from hubline.backplanes.postgres import PostgresBackplane
from hubline.testing import connect
from hubline.testing.backplane import Heard
from tests.backplanes.test_redis_outages import Chat, as_coroutine, fails, succeeds, until_it_publishes
from tests.postgres import Postgres, postgres
from tests.valkey import LIMIT, until
from tests.ways import link

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def made() -> Iterator[Postgres]:
    with postgres() as started:
        yield started


@pytest.fixture
def server(made: Postgres) -> Postgres:
    """One that runs, whatever the test before has done."""
    made.stop()
    made.start()
    return made


def served(server: Postgres) -> HubApp:
    return HubApp({"/hub": HubRoute(Chat, name="Chat")}, backplane=PostgresBackplane(server.url))


async def heard_of(client: Any, text: str) -> list[Any]:
    """What a client was told up to this text."""
    found = list[Any]()
    async with asyncio.timeout(LIMIT):
        while not found or found[-1] != [text]:
            found.append(await client.expect("Said"))
    return found


@pytest.mark.statement(191, 197)
async def test_clients_stay_while_postgres_is_away_and_what_was_stored_is_not_lost(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "INTERVAL", 0.1)
    monkeypatch.setattr(heartbeat, "MISSED", 30)  # a busy machine is not taken for a deaf server
    first, second = served(server), served(server)
    async with first.lifespan(), second.lifespan(), connect(first, "/hub") as ada, connect(second, "/hub") as bob:
        await bob.fence()
        await ada.invoke("Say", "before")
        assert await heard_of(ada, "before") == await heard_of(bob, "before") == [["before"]]
        await asyncio.to_thread(server.stop)
        await until(lambda: fails(ada.invoke("Say", "lost"), InvocationError))
        await ada.invoke("Whisper", "local")
        assert (await heard_of(ada, "local"))[-1] == ["local"]
        async with connect(first, "/hub") as eve:
            assert (await eve.closed()).code == 1011
        await until(lambda: as_coroutine(not first.ready and not second.ready))
        await asyncio.to_thread(server.start)
        await until(lambda: as_coroutine(first.ready and second.ready))
        # a heartbeat that was stored before may be read before the connection that writes is back
        await until(lambda: succeeds(bob.invoke("Say", "after"), InvocationError))
        assert [each for each in await heard_of(ada, "after") if each != ["lost"]] == [["after"]]
        assert [each for each in await heard_of(bob, "after") if each != ["lost"]] == [["after"]]
        assert [app.statistics()["backplane"]["gaps"] for app in (first, second)] == [0, 0], "each has read on"


async def test_an_outage_that_is_longer_than_messages_are_kept_is_told_as_a_gap(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(postgres_reading, "PERIOD", 0.4)
    app = served(server)
    async with app.lifespan(), connect(app, "/hub") as ada:
        await ada.invoke("Say", "before")
        await asyncio.to_thread(server.stop)
        await until(lambda: fails(ada.invoke("Say", "lost"), InvocationError))
        away = time.time()
        await until(lambda: as_coroutine(time.time() - away > 0.4))
        await asyncio.to_thread(server.start)
        async with asyncio.timeout(LIMIT):
            assert await ada.expect("Ask anew") == [True]
        statistics = app.statistics()["backplane"]
        assert statistics["gaps"] == 1
        assert statistics["gap_seconds"] > 0.4
        assert "messages of other servers may have been lost between" in caplog.text
        await until(lambda: succeeds(ada.invoke("Say", "after"), InvocationError))
        await heard_of(ada, "after")


@pytest.mark.statement(197)
async def test_a_server_that_never_reached_postgres_is_not_ready_and_refuses_clients(
    server: Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    app = served(server)
    async with app.lifespan():
        await until(lambda: as_coroutine(not app.ready))
        for _ in range(3):
            async with connect(app, "/hub") as eve:
                assert (await eve.closed()).code == 1011
        refusals = [record for record in caplog.records if "clients are refused" in record.message]
        assert len(refusals) == 1
        assert "No such file or directory" in refusals[0].message
        assert all(record.exc_info is None for record in caplog.records)
        await asyncio.to_thread(server.start)
        await until(lambda: as_coroutine(app.ready))
        async with connect(app, "/hub") as ada:
            await ada.invoke("Whisper", "here")
        assert "clients are admitted again; 2 more were refused meanwhile" in caplog.text


async def test_a_connection_that_ended_while_it_was_idle_costs_no_message(server: Postgres) -> None:
    link_to = await PostgresBackplane(server.url).connect(Heard())
    try:
        await link_to.publish(["a"], b"before")
        await asyncio.to_thread(server.stop)
        await until(lambda: as_coroutine(not link_to._writing.is_ready))  # type: ignore[attr-defined]
        await asyncio.to_thread(server.start)
        await until_it_publishes(link_to, "a")
    finally:
        await link_to.close()


async def test_a_postgres_that_stands_still_is_no_answer(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    heard = Heard()
    link_to = await PostgresBackplane(server.url).connect(heard)
    try:
        await link_to.subscribe(["a"])
        server.freeze()
        monkeypatch.setattr(postgres_connections, "PATIENCE", 0.3)
        began = time.monotonic()
        calls = (link_to.publish(["a"], b"unsure"), link_to.subscribe(["late"]))
        results = await asyncio.gather(*calls, return_exceptions=True)
        assert time.monotonic() - began < 5, "psycopg would wait so long for the end of a statement that it cancels"
        assert [type(each) for each in results] == [BackplaneError, BackplaneError]
        assert "has not answered within 0.3 s" in str(results[0])
        monkeypatch.undo()
        server.thaw()
        await until_it_publishes(link_to, "a")
        while await heard.take(1) != [("a", b"again")]:
            pass
        assert heard.gaps == []
    finally:
        server.thaw()
        await link_to.close()


async def test_no_connection_is_closed_under_a_task_that_waits_for_its_socket(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another socket may get the number then, and uvloop, which still watches that, ends the process."""
    loop = asyncio.get_running_loop()
    watched, closed = set[int](), list[bool]()
    add, remove, close = loop.add_reader, loop.remove_reader, AsyncConnection.close

    def add_reader(descriptor: int, *rest: Any) -> None:
        watched.add(descriptor)
        add(descriptor, *rest)

    def remove_reader(descriptor: int) -> bool:
        watched.discard(descriptor)
        return remove(descriptor)

    async def noted(connection: AsyncConnection[Any]) -> None:
        if not connection.closed:
            closed.append(connection.fileno() in watched)
        await close(connection)

    monkeypatch.setattr(loop, "add_reader", add_reader)
    monkeypatch.setattr(loop, "remove_reader", remove_reader)
    monkeypatch.setattr(AsyncConnection, "close", noted)
    async with link(server) as way, await AsyncConnection.connect(server.url, autocommit=True) as admin:
        link_to = await PostgresBackplane(way.url).connect(Heard())
        await link_to.subscribe(["a"])
        way.silence()
        subscribing = asyncio.create_task(link_to.subscribe(["b"]))  # waits for what it reads before
        await asyncio.sleep(0)
        hears = "query LIKE 'LISTEN %' AND application_name = 'hubline'"
        await admin.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {hears}".encode())
        way.mend()
        await asyncio.wait([subscribing])
        await until(lambda: as_coroutine(not link_to._reading.is_ready or bool(closed)))  # type: ignore[attr-defined]
        await link_to.close()
    assert closed
    assert not any(closed)
