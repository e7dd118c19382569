"""The conformance suite for the storages of rooms."""

import asyncio
import itertools
import json
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from hubline.rooms import Device, Page, Presence, RoomStore

ROOM, OTHER = "room-1", "room {2}%"
LIMIT = 30.0
"""Seconds for anything that is waited for."""


class Heard:
    """A `RoomListener` that keeps what it is told."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str, int, str]] = []
        self.members: list[tuple[str, int, str, Presence | None]] = []
        self.signals: list[tuple[str, Any]] = []
        self._changed = asyncio.Event()

    def message(self, room: str, epoch: str, seq: int, text: str) -> None:
        self.messages.append((room, epoch, seq, text))
        self._changed.set()

    def presence(self, room: str, version: int, key: str, member: Presence | None) -> None:
        self.members.append((room, version, key, member))
        self._changed.set()

    def signal(self, room: str, text: str) -> None:
        self.signals.append((room, json.loads(text)))
        self._changed.set()

    def interrupted(self) -> None: ...

    def returned(self) -> None: ...

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds."""
        async with asyncio.timeout(LIMIT):
            while not condition():
                self._changed.clear()
                await self._changed.wait()


def ada(device: str = "d1", state: str = "null", name: str | None = None) -> Presence:
    return Presence("ada", False, state, (Device(device, name, "2026-01-01T00:00:00.000Z"),))


def texts(page: Page) -> list[str]:
    return [text for _, text in page.messages]


class RoomStoreSuite:
    """The tests that every `hubline.rooms.RoomStore` must pass.

    Subclass it as `TestMyStore` and override `stores`. The tests are `async def`, for pytest-asyncio in mode `auto`.
    """

    _keys = itertools.count()

    def stores(self, history: int, count: int) -> AbstractAsyncContextManager[Sequence[RoomStore]]:
        """Yield `count` stores, each as for a server of its own, without rooms, which keep `history` messages of each.

        For a store that no servers share it is the same store several times.
        """
        raise NotImplementedError("override `stores`")

    async def add(self, store: RoomStore, *said: str, room: str = ROOM) -> None:
        for text in said:
            await store.append(room, json.dumps(text), key=f"key-{next(self._keys)}")

    async def heard(self, store: RoomStore, room: str = ROOM) -> Heard:
        heard = Heard()
        await store.open(heard)
        await store.watch(room, heard)
        return heard

    async def devices(self, store: RoomStore) -> dict[str, list[str]]:
        found = (await store.load(ROOM, after=None, limit=0, version=None)).members or {}
        return {key: [each.id for each in member.devices] for key, member in found.items()}

    async def test_messages_are_numbered_in_the_order_in_which_they_were_added(self) -> None:
        async with self.stores(100, 2) as (one, two):
            heard, far = await self.heard(one), await self.heard(two)
            for number in range(10):
                await self.add((one, two)[number % 2], str(number))
            page = (await one.load(ROOM, after=None, limit=100, version=None)).page
            assert [seq for seq, _ in page.messages] == [*range(1, 11)]
            assert [json.loads(text) for text in texts(page)] == [str(number) for number in range(10)]
            assert (page.first, page.end) == (1, 10)
            await heard.until(lambda: len(heard.messages) == 10)
            await far.until(lambda: len(far.messages) == 10)
            assert heard.messages == far.messages == [(ROOM, page.epoch, seq, text) for seq, text in page.messages]

    async def test_many_servers_add_at_once_and_all_hear_one_order(self) -> None:
        async with self.stores(1_000, 3) as stores:
            heard = [await self.heard(store) for store in stores]
            await asyncio.gather(*(self.add(store, *(f"{n}" for n in range(30))) for store in stores))
            for each in heard:
                await each.until(lambda each=each: len(each.messages) == 90)  # type: ignore[misc]
                assert [seq for _, _, seq, _ in each.messages] == [*range(1, 91)]
                assert each.messages == heard[0].messages

    async def test_what_was_missed_is_read_after_a_position(self) -> None:
        async with self.stores(100, 1) as (store,):
            await self.heard(store)
            await self.add(store, "a", "b", "c", "d")
            epoch = (await store.load(ROOM, after=None, limit=0, version=None)).page.epoch
            assert texts((await store.load(ROOM, after=(epoch, 2), limit=10, version=None)).page) == ['"c"', '"d"']
            assert texts((await store.load(ROOM, after=(epoch, 4), limit=10, version=None)).page) == []
            assert texts((await store.load(ROOM, after=(epoch, 1), limit=1, version=None)).page) == ['"d"']
            assert len((await store.load(ROOM, after=(epoch, 5), limit=10, version=None)).page.messages) == 4
            assert len((await store.load(ROOM, after=("other", 2), limit=10, version=None)).page.messages) == 4

    async def test_the_oldest_messages_are_dropped(self) -> None:
        async with self.stores(5, 1) as (store,):
            await self.heard(store)
            await self.add(store, *(str(number) for number in range(12)))
            page = (await store.load(ROOM, after=None, limit=100, version=None)).page
            assert ([seq for seq, _ in page.messages], page.first, page.end) == ([8, 9, 10, 11, 12], 8, 12)

    async def test_earlier_messages_are_read_page_by_page(self) -> None:
        async with self.stores(100, 1) as (store,):
            await self.heard(store)
            await self.add(store, *"abcdef")
            page = await store.earlier(ROOM, 6, 2)
            assert ([seq for seq, _ in page.messages], page.first) == ([4, 5], 1)
            assert [seq for seq, _ in (await store.earlier(ROOM, 4, 10)).messages] == [1, 2, 3]
            assert [seq for seq, _ in (await store.earlier(ROOM, 1, 10)).messages] == []
            assert [seq for seq, _ in (await store.earlier(ROOM, 2**53, 1)).messages] == [6]

    async def test_a_message_that_is_sent_again_is_added_once(self) -> None:
        async with self.stores(100, 2) as (one, two):
            heard = await self.heard(one)
            await self.heard(two)
            first = await one.append(ROOM, '"a"', key="k")
            again = await two.append(ROOM, '"a"', key="k")
            assert (again.epoch, again.seq, again.repeated) == (first.epoch, first.seq, True)
            assert not (await two.append(OTHER, '"a"', key="k")).repeated
            await self.add(one, "b")
            await heard.until(lambda: len(heard.messages) == 2)
            assert [text for *_, text in heard.messages] == ['"a"', '"b"']

    async def test_an_epoch_whose_messages_were_lost_is_another(self) -> None:
        async with self.stores(100, 1) as (store,):
            await self.heard(store)
            first = await store.append(ROOM, '"a"', key="k1")
            later = await store.append(ROOM, '"b"', key="k2", known=(first.epoch, first.seq))
            assert (later.epoch, later.seq) == (first.epoch, 2)

    async def test_rooms_do_not_mix(self) -> None:
        async with self.stores(100, 1) as (store,):
            heard = await self.heard(store)
            await self.add(store, "a")
            await self.add(store, "b", room=OTHER)
            await store.enter(OTHER, "u:ada", ada(), state=True)
            await store.signal(OTHER, "1")
            await self.add(store, "c")
            await heard.until(lambda: len(heard.messages) == 2)
            assert ([text for *_, text in heard.messages], heard.members, heard.signals) == (['"a"', '"c"'], [], [])
            await store.watch(OTHER, heard)
            await self.add(store, "d", room=OTHER)
            await heard.until(lambda: len(heard.messages) == 3)
            assert heard.messages[2][0] == OTHER

    async def test_who_does_not_watch_any_more_hears_nothing(self) -> None:
        async with self.stores(100, 1) as (store,):
            heard = await self.heard(store)
            await store.watch(OTHER, heard)
            await store.unwatch(ROOM, heard)
            await self.add(store, "a")
            await self.add(store, "b", room=OTHER)
            await heard.until(lambda: bool(heard.messages))
            assert [text for *_, text in heard.messages] == ['"b"']

    async def test_a_member_comes_changes_and_leaves_and_all_hear_it_in_order(self) -> None:
        async with self.stores(100, 2) as (one, two):
            heard, far = await self.heard(one), await self.heard(two)
            version = await one.enter(ROOM, "u:ada", ada(state='{"a": []}'), state=True)
            await two.enter(ROOM, "u:ada", ada("d2", name="phone"), state=False)
            assert await one.set_state(ROOM, "u:ada", '{"b": 1}')
            await one.leave(ROOM, "u:ada", "d1")
            await two.leave(ROOM, "u:ada", "d2")
            await two.leave(ROOM, "u:ada", "d2")
            for each in (heard, far):
                await each.until(lambda each=each: len(each.members) == 5)  # type: ignore[misc]
                assert [number for _, number, _, _ in each.members] == [*range(version, version + 5)]
                said = [member and (member.state, [d.id for d in member.devices]) for *_, member in each.members]
                assert said == [
                    ('{"a": []}', ["d1"]),
                    ('{"a": []}', ["d1", "d2"]),
                    ('{"b": 1}', ["d1", "d2"]),
                    ('{"b": 1}', ["d2"]),
                    None,
                ]
            assert not await one.set_state(ROOM, "u:ada", "1")
            found = await one.load(ROOM, after=None, limit=0, version=None)
            assert (found.members, found.version) == ({}, version + 4)
            assert (await one.load(ROOM, after=None, limit=0, version=found.version)).members is None

    async def test_to_enter_again_changes_nothing(self) -> None:
        async with self.stores(100, 1) as (store,):
            await self.heard(store)
            version = await store.enter(ROOM, "u:ada", ada(state="1"), state=True)
            assert await store.enter(ROOM, "u:ada", ada(state="2"), state=False) == version
            assert await store.enter(ROOM, "u:ada", ada(state="2"), state=True) == version + 1

    async def test_who_comes_back_in_time_has_not_left(self) -> None:
        async with self.stores(100, 2) as (one, two):
            heard = await self.heard(one)
            await self.heard(two)
            await one.enter(ROOM, "u:ada", ada(state="1"), state=True)
            assert await one.away(ROOM, "u:ada", "d1")
            await two.enter(ROOM, "u:ada", ada("d2"), state=False)
            await one.leave(ROOM, "u:ada", "d1", if_away=True)  # its time of grace is over
            assert await self.devices(one) == {"u:ada": ["d2"]}
            await self.add(one, "after")
            await heard.until(lambda: bool(heard.messages))
            assert [member and [d.id for d in member.devices] for *_, member in heard.members] == [["d1"], ["d2"]]
            assert heard.members[-1][3] is not None
            assert heard.members[-1][3].state == "1"

    async def test_who_does_not_come_back_leaves_once(self) -> None:
        async with self.stores(100, 2) as (one, two):
            heard = await self.heard(one)
            await self.heard(two)
            await one.enter(ROOM, "u:ada", ada(), state=True)
            assert await one.away(ROOM, "u:ada", "d1")
            await asyncio.gather(*(each.leave(ROOM, "u:ada", "d1", if_away=True) for each in (one, two)))
            await self.add(one, "after")
            await heard.until(lambda: bool(heard.messages))
            assert [member is None for *_, member in heard.members] == [False, True]

    async def test_one_of_several_devices_that_is_lost_is_removed_at_once(self) -> None:
        async with self.stores(100, 1) as (store,):
            await self.heard(store)
            await store.enter(ROOM, "u:ada", ada("d1"), state=True)
            await store.enter(ROOM, "u:ada", ada("d2"), state=False)
            assert not await store.away(ROOM, "u:ada", "d1")
            assert await self.devices(store) == {"u:ada": ["d2"]}
            await store.leave(ROOM, "u:ada", "d2", if_away=True)  # it is not away
            assert await self.devices(store) == {"u:ada": ["d2"]}
            assert not await store.away(ROOM, "u:ada", "nothing")

    async def test_signals_are_heard_and_not_kept(self) -> None:
        async with self.stores(100, 2) as (one, two):
            heard = await self.heard(two)
            await self.heard(one)
            await one.signal(ROOM, '{"kind": "typing", "value": "ä"}')
            await heard.until(lambda: bool(heard.signals))
            assert heard.signals == [(ROOM, {"kind": "typing", "value": "ä"})]
            assert (await one.load(ROOM, after=None, limit=10, version=None)).page.end == 0
