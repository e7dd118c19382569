"""The backplane of one process, against the suite for all of them, and what only it promises."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from hubline._bursts import bursts_of
from hubline.backplanes import MemoryBackplane
from hubline.testing import BackplaneSuite
from hubline.testing.backplane import Heard, MakeBackplane


class TestMemoryBackplane(BackplaneSuite):
    @asynccontextmanager
    async def backplanes(self) -> AsyncIterator[MakeBackplane]:
        shared = MemoryBackplane()
        yield lambda: shared
        assert shared._channels == {}


async def test_messages_have_arrived_when_publish_returns() -> None:
    backplane, heard = MemoryBackplane(), Heard()
    link = await backplane.connect(heard)
    await link.subscribe(["a"])
    assert await link.publish(["a", "a"], b"x") == 2
    assert heard.messages.qsize() == 2


async def test_a_listener_that_asks_for_a_turn_gets_one_within_the_burst() -> None:
    class Full(Heard):
        def received(self, channel: str, payload: bytes) -> bool:
            return True

    link = await MemoryBackplane().connect(Full())
    await link.subscribe(["a"])
    turns: list[str] = []
    bursts = bursts_of(asyncio.get_running_loop())
    began = bursts.begin()
    asyncio.get_running_loop().call_soon(turns.append, "a turn")
    await link.publish(["a"], b"x")
    assert turns == ["a turn"]
    assert bursts.begin() == began


async def test_an_app_in_another_thread_gets_messages_on_its_own_loop_until_that_ends() -> None:
    backplane, heard = MemoryBackplane(), Heard()
    ready, come, threads = threading.Event(), asyncio.Event(), list[str]()

    class Far(Heard):
        def received(self, channel: str, payload: bytes) -> bool:
            threads.append(threading.current_thread().name)
            come.set()
            return False

    async def live() -> None:
        link = await backplane.connect(Far())
        await link.subscribe(["a"])
        ready.set()
        await come.wait()

    thread = threading.Thread(target=lambda: asyncio.run(live()), name="far")
    thread.start()
    assert await asyncio.to_thread(ready.wait, 5)
    here = await backplane.connect(heard)
    assert await here.publish(["a"], b"x") == 1
    await asyncio.to_thread(thread.join, 5)
    assert threads == ["far"]
    assert await here.publish(["a"], b"x") == 0
