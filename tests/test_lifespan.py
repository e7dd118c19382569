"""What a `HubApp` leaves behind at the end of its lifespan, and how it begins again, in the same loop or another."""

import asyncio
import gc
import logging
import threading
from contextlib import suppress

import pytest

from hubline import Hub, HubApp
from hubline.testing import ManualClock, connect, running
from hubline.testing.channels import TransportName

TRANSPORTS: tuple[TransportName, ...] = ("websocket", "sse", "long_polling")


class Chat(Hub):
    async def echo(self, text: str) -> str:
        return text

    async def join(self, name: str) -> None:
        await self.groups.add(self.context.connection_id, name)

    async def swallow(self) -> None:
        await self.clients.caller.send("Began")
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubline.app.CALL_GRACE", 0.01)


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.usefixtures("quick")
async def test_a_call_that_swallows_its_cancellation_is_named_with_its_connection(
    transport: TransportName, caplog: pytest.LogCaptureFixture
) -> None:
    app = HubApp({"/chat": Chat})
    async with running(app) as served, connect(served, "/chat", transport=transport) as client:
        began = client.expect("Began")
        await client.send("Swallow")
        await began
        connection_id = client.connection_id
    text = f"Chat.swallow of connection {connection_id} did not end within 0.01 s of its cancellation and is abandoned"
    assert f"hubline.app: {text}" in caplog.messages
    assert not [task for task in asyncio.all_tasks() if "swallow" in task.get_name()]


async def test_a_method_that_still_runs_in_a_thread_is_named(caplog: pytest.LogCaptureFixture) -> None:
    entered, go = threading.Event(), threading.Event()

    class Blocking(Hub):
        def block(self) -> None:
            entered.set()
            go.wait(10)

    app = HubApp({"/chat": Blocking})
    async with running(app) as served, connect(served, "/chat") as client:
        await client.send("Block")
        await asyncio.to_thread(entered.wait, 10)
        connection_id = client.connection_id
    go.set()
    (line,) = [message for message in caplog.messages if "in a thread" in message]
    assert f"Blocking.block of connection {connection_id}, at " in line


async def echoes(app: HubApp) -> None:
    for transport in TRANSPORTS:
        async with connect(app, "/chat", transport=transport) as client:
            assert await client.invoke("Echo", "hi") == "hi"


async def test_clients_come_before_during_and_after_a_lifespan() -> None:
    app = HubApp({"/chat": Chat})
    await echoes(app)
    for _ in range(2):
        async with running(app):
            await echoes(app)
        await echoes(app)
    await app.drain()
    assert not app.ready


def test_one_app_serves_in_one_loop_after_another(caplog: pytest.LogCaptureFixture) -> None:
    clock = ManualClock()
    app = HubApp({"/chat": Chat}, clock=clock)
    context = app.context(Chat)

    async def live() -> None:
        async with running(app, clock=clock) as served:
            async with connect(served, "/chat") as silent:
                await silent.ping()
                for _ in range(31):
                    await clock.advance(1)
                await silent.closed()  # the heartbeat beats in this loop too
            async with connect(served, "/chat") as client:
                got = client.expect("News")
                await context.clients.all.send("News", 1)
                assert await got == [1]
                draining = asyncio.create_task(app.drain())
                assert (await client.closed()).allow_reconnect
                await draining

    for _ in range(3):
        asyncio.run(live())
        assert app.statistics()["transports"].connections == 0
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_what_an_abruptly_closed_loop_left_behind_is_forgotten(transport: TransportName) -> None:
    app = HubApp({"/chat": Chat})
    context = app.context(Chat)
    loop = asyncio.new_event_loop()
    held = []

    async def begin() -> None:
        opened = connect(app, "/chat", transport=transport)
        held.append(opened)
        client = await opened.__aenter__()
        await client.invoke("Join", "room")

    loop.run_until_complete(begin())
    loop.close()
    assert app.statistics()["transports"].connections == 1

    async def go_on() -> None:
        await context.clients.all.send("News", 1)
        await context.clients.group("room").send("News", 1)
        assert app.statistics()["transports"].connections == 0
        async with running(app) as served, connect(served, "/chat", transport=transport) as client:
            got = client.expect("News")
            await context.clients.all.send("News", 2)
            assert await got == [2]
            await client.stop()
            await asyncio.wait_for(app.drain(), 30)

    asyncio.run(go_on())
    held.clear()
    gc.collect()


async def test_another_loop_beside_the_one_that_runs_takes_nothing_away() -> None:
    app = HubApp({"/chat": Chat})
    async with running(app) as served, connect(served, "/chat") as client:

        async def elsewhere() -> None:
            app.context(Chat).clients  # noqa: B018

        await asyncio.to_thread(asyncio.run, elsewhere())
        assert await client.invoke("Echo", "hi") == "hi"
        assert app.statistics()["transports"].connections == 1


async def test_a_thread_without_a_loop_can_hand_a_send_over() -> None:
    app = HubApp({"/chat": Chat})
    context, loop = app.context(Chat), asyncio.get_running_loop()
    async with running(app) as served, connect(served, "/chat") as client:

        def send() -> None:
            asyncio.run_coroutine_threadsafe(context.clients.all.send("News", 1), loop).result(5)

        got = client.expect("News")
        await asyncio.to_thread(send)
        assert await got == [1]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_client_that_a_closed_loop_leaves_behind_says_nothing_of_it(
    transport: TransportName, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closed abruptly, as `asyncio.run` never does: what was open is thrown away, and has nobody to tell."""
    unraisable: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda error: unraisable.append(error.exc_value))
    app, left = HubApp({"/chat": Chat}), list[object]()

    async def open_one() -> None:
        opening = connect(app, "/chat", transport=transport)
        client = await opening.__aenter__()
        await client.send("Swallow")
        await client.expect("Began")
        left.extend((opening, client))

    loop = asyncio.new_event_loop()
    loop.run_until_complete(open_one())
    loop.close()
    left.clear()
    gc.collect()
    assert asyncio.run(echoed(app)) == "again"
    gc.collect()
    assert unraisable == []
    assert [record.getMessage() for record in caplog.records if record.name != "asyncio"] == []


async def echoed(app: HubApp) -> object:
    async with connect(app, "/chat") as client:
        return await client.invoke("Echo", "again")
