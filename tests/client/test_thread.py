"""The thread of a client that blocks: its end crosses with calls of other threads."""

import asyncio
import threading
from typing import Any

import pytest

from hubline import ConnectionClosed
from hubline.client import ConnectionState
from hubline.client import HubConnection as AsyncConnection
from hubline.client.sync import HubConnection
from hubline.client.thread import LoopThread
from tests.client.scripted import URL, Script, script

fixtures = (script,)


def test_a_call_after_which_the_loop_is_closed_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    line = LoopThread("test")
    line.start()
    stopping = threading.Thread(target=line.stop)
    begin = asyncio.run_coroutine_threadsafe

    def crossing(coroutine: Any, loop: asyncio.AbstractEventLoop) -> Any:
        if not stopping.ident:  # the call, not those of the stop
            stopping.start()
            stopping.join()
        return begin(coroutine, loop)

    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", crossing)
    with pytest.raises(ConnectionClosed, match="stopped"):
        line.run(asyncio.Event().wait())
    assert not line.running


def test_a_call_that_begins_when_everything_else_was_ended_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    line, errors = LoopThread("test"), list[Exception]()
    line.start()
    asked, ended, begun = (threading.Event() for _ in range(3))
    begin, loop = asyncio.run_coroutine_threadsafe, line._loop
    assert loop is not None
    soon, ends = loop.call_soon_threadsafe, loop.stop

    def late() -> None:
        try:
            line.run(asyncio.Event().wait())
        except ConnectionClosed as error:
            errors.append(error)

    calling = threading.Thread(target=late)

    def crossing(coroutine: Any, loop: asyncio.AbstractEventLoop) -> Any:
        if threading.current_thread() is not calling:
            return begin(coroutine, loop)
        asked.set()
        ended.wait()
        future = begin(coroutine, loop)
        begun.set()
        return future

    def between(callback: Any, *arguments: Any) -> Any:
        if callback == ends:
            ended.set()
            begun.wait()
        return soon(callback, *arguments)

    monkeypatch.setattr(loop, "call_soon_threadsafe", between)
    monkeypatch.setattr(asyncio, "run_coroutine_threadsafe", crossing)
    calling.start()
    asked.wait()
    line.stop()
    calling.join()
    assert [str(error) for error in errors] == ["the connection was stopped"]


def test_of_two_threads_that_start_a_connection_the_second_does_not_stop_it(script: Script) -> None:
    hub = HubConnection(URL)
    start, looked, connected = hub._thread.start, threading.Event(), threading.Event()
    errors: list[Exception] = []

    def waits() -> None:
        if threading.current_thread() is second:  # which has seen that there is no connection yet
            looked.set()
            connected.wait()
        start()

    def starts() -> None:
        try:
            hub.start()
        except RuntimeError as error:
            errors.append(error)

    hub._thread.start = waits  # type: ignore[method-assign]
    second = threading.Thread(target=starts)
    second.start()
    looked.wait()
    hub.start()
    connected.set()
    second.join()
    assert (len(errors), hub.state) == (1, ConnectionState.CONNECTED)
    hub.stop()


def test_a_blocking_connection_has_what_the_other_one_has(script: Script) -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(HubConnection) == public(AsyncConnection)
    with HubConnection(URL) as hub:
        hub.connected()
        assert hub.transport == "websocket"
    assert hub.transport is None


def test_a_blocking_call_has_a_time_limit_and_is_cancelled_on_the_server(script: Script) -> None:
    with HubConnection(URL) as hub, pytest.raises(TimeoutError, match=r"not ended after 0\.01 s"):
        hub.invoke("Slow", timeout=0.01)
    called, cancelled = script.peer.heard(1), script.peer.heard(5)  # neither, if the time was over before it began
    assert [each["invocationId"] for each in cancelled] == [each["invocationId"] for each in called]


def test_in_a_forked_process_nobody_waits_for_the_thread_of_the_other_one(
    script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = HubConnection(URL)
    hub.start()
    items = hub.states()
    assert next(items) is ConnectionState.CONNECTED
    with monkeypatch.context() as forked:
        forked.setattr("os.getpid", lambda: -1)
        for call in (lambda: hub.invoke("Add", 1, 2), hub.start, hub.closed):
            with pytest.raises(RuntimeError, match="forked"):
                call()
        items.close()  # type: ignore[attr-defined]  # an Iterator that is a generator
        hub.stop()
        assert hub.state is ConnectionState.CONNECTED, "it is the other one's"
    hub.stop()
