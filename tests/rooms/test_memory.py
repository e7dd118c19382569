"""Rooms in memory keep what every storage of rooms must, and forget what nobody asks for any more."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from hubline import ConfigurationError
from hubline.rooms import MemoryRoomStore, RoomStore
from hubline.testing import ManualClock, RoomStoreSuite


class TestMemoryRoomStore(RoomStoreSuite):
    @asynccontextmanager
    async def stores(self, history: int, count: int) -> AsyncIterator[Sequence[RoomStore]]:
        yield [MemoryRoomStore(history)] * count


async def test_messages_are_kept_for_a_time() -> None:
    clock = ManualClock()
    store = MemoryRoomStore(keep=60, clock=clock)
    await store.append("r", "1", key="a")
    await clock.advance(50)
    await store.append("r", "2", key="b")
    await clock.advance(20)
    page = (await store.load("r", after=None, limit=10, version=None)).page
    assert ([text for _, text in page.messages], page.first, page.end) == (["2"], 2, 2)


async def test_a_key_is_known_for_two_minutes() -> None:
    clock = ManualClock()
    store = MemoryRoomStore(clock=clock)
    await store.append("r", "1", key="a")
    await clock.advance(119)
    assert (await store.append("r", "1", key="a")).repeated
    await clock.advance(2)
    assert not (await store.append("r", "1", key="b")).repeated
    assert not (await store.append("r", "1", key="a")).repeated


async def test_rooms_in_which_nothing_happens_are_forgotten() -> None:
    clock = ManualClock()
    store = MemoryRoomStore(keep=600, clock=clock)
    await store.append("r", "1", key="a")
    for number in range(100):
        await store.load(f"empty-{number}", after=None, limit=1, version=None)
    assert len(store) == 101
    await clock.advance(300)
    await store.signal("r", "1")
    await store.load("r", after=None, limit=1, version=None)
    assert len(store) == 1
    await clock.advance(601)
    epoch = (await store.load("other", after=None, limit=1, version=None)).page.epoch
    assert len(store) == 1
    assert epoch


async def test_mistakes_in_its_settings_are_told_together() -> None:
    with pytest.raises(ConfigurationError) as error:
        MemoryRoomStore(0, keep=-1)
    assert len(error.value.problems) == 2
