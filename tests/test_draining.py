"""`HubApp(on_drain=…)`: what the application does of its own before its clients are asked to leave."""

import asyncio
import logging
import threading

import pytest

from hubline import Hub, HubApp
from hubline.testing import ManualClock, RefusedError, connect, running, settle


class ChatHub(Hub):
    pass


class Panic(BaseException):
    """As pyo3's `PanicException`: derived from nothing that code catches."""


async def test_clients_hear_the_last_words_before_they_are_asked_to_leave() -> None:
    async def last_words() -> None:
        await hubs.context(ChatHub).clients.all.send("News", "we restart")

    hubs = HubApp({"/chat": ChatHub}, on_drain=last_words)
    async with connect(hubs, "/chat") as ada:
        await asyncio.wait_for(hubs.drain(), 30)
        assert await ada.expect("News") == ["we restart"]
        assert (await ada.closed()).allow_reconnect


async def test_nobody_new_comes_meanwhile_and_the_connected_stay() -> None:
    finish = asyncio.Event()
    clock = ManualClock()
    hubs = HubApp({"/chat": ChatHub}, on_drain=finish.wait, clock=clock)
    async with connect(hubs, "/chat") as ada:
        draining = asyncio.create_task(hubs.drain())
        await settle()
        assert not hubs.ready
        with pytest.raises(RefusedError, match="503"):
            await connect(hubs, "/chat").__aenter__()
        await ada.fence()
        finish.set()
        assert (await ada.closed()).allow_reconnect
        await asyncio.wait_for(draining, 30)


async def test_it_runs_once_for_a_draining_and_again_for_the_next() -> None:
    calls: list[str] = []
    hubs = HubApp({"/chat": ChatHub}, on_drain=lambda: calls.append("drained"))
    async with running(hubs) as served, connect(served, "/chat"):
        await asyncio.gather(hubs.drain(), hubs.drain())
        await hubs.drain()
        assert calls == ["drained"]
    assert calls == ["drained"]
    async with running(hubs):
        pass
    assert calls == ["drained", "drained"]


async def test_a_plain_function_runs_in_a_worker_thread() -> None:
    threads: list[threading.Thread] = []
    hubs = HubApp({"/chat": ChatHub}, on_drain=lambda: threads.append(threading.current_thread()))
    await asyncio.wait_for(hubs.drain(), 30)
    (thread,) = threads
    assert thread is not threading.main_thread()


class Saver:
    """An object with an async `__call__`, and a plain function that returns something to wait for."""

    def __init__(self) -> None:
        self.saved = 0

    async def __call__(self) -> None:
        await asyncio.sleep(0)
        self.saved += 1

    def later(self) -> "asyncio.Future[None] | None":
        self.saved += 1
        return None


async def test_objects_and_bound_methods_can_be_called() -> None:
    saver = Saver()
    await asyncio.wait_for(HubApp({"/chat": ChatHub}, on_drain=saver).drain(), 30)
    await asyncio.wait_for(HubApp({"/chat": ChatHub}, on_drain=saver.later).drain(), 30)
    await asyncio.wait_for(HubApp({"/chat": ChatHub}, on_drain=lambda: saver()).drain(), 30)
    assert saver.saved == 3


@pytest.mark.parametrize("error", [ValueError("no disk"), SystemExit(1), StopIteration(), GeneratorExit(), Panic()])
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_what_it_raises_is_logged_and_draining_goes_on(
    caplog: pytest.LogCaptureFixture, error: BaseException, kind: str
) -> None:
    async def fail_later() -> None:
        raise error

    def fail() -> None:
        raise error

    hubs = HubApp({"/chat": ChatHub}, on_drain=fail_later if kind == "async" else fail)
    async with connect(hubs, "/chat") as ada:
        with caplog.at_level(logging.ERROR, "hubline.app"):
            await asyncio.wait_for(hubs.drain(), 30)
        assert (await ada.closed()).allow_reconnect
    assert [record.getMessage() for record in caplog.records] == ["on_drain failed: clients are asked to leave anyway"]


async def test_it_has_half_of_the_time_and_clients_have_the_rest(caplog: pytest.LogCaptureFixture) -> None:
    cancelled: list[bool] = []

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    held = asyncio.Event()

    class Slow(Hub):
        async def on_connected(self) -> None:
            await held.wait()

    clock = ManualClock()
    hubs = HubApp({"/chat": Slow}, on_drain=forever, drain_timeout=10, clock=clock)
    async with connect(hubs, "/chat"):
        draining = asyncio.create_task(hubs.drain())
        await clock.advance(4.9)
        assert cancelled == []
        with caplog.at_level(logging.WARNING, "hubline.app"):
            await clock.advance(0.2)
        assert cancelled == [True]
        assert not draining.done()
        await clock.advance(4.8)
        assert not draining.done()
        await clock.advance(0.2)
        assert draining.done()
        held.set()
        await settle()
    assert "on_drain took longer than 5 s" in caplog.text
