"""News that a server does not hear: found, read from the storage, or told as a gap."""

import secrets
from typing import Any

from hubline.errors import BackplaneError
from hubline.rooms import Device, MemoryRoomStore, Presence, RoomListener, Rooms, Snapshot, anyone
from hubline.testing import ManualClock, connect, running, settle
from tests.rooms.chat import Page, chat_with


class Lossy(MemoryRoomStore):
    """A store that servers could share, whose news are lost as the test says."""

    def __init__(self, history: int = 1_000, *, clock: ManualClock) -> None:
        super().__init__(history, clock=clock)
        self.deaf = self.unreachable = False
        self.listener: RoomListener | None = None

    @property
    def shared(self) -> bool:
        return True

    async def watch(self, room: str, listener: RoomListener) -> None:
        self.listener = listener
        await super().watch(room, Deaf(self, listener))

    async def load(self, *arguments: Any, **settings: Any) -> Snapshot:
        if self.unreachable:
            raise BackplaneError("away")
        return await super().load(*arguments, **settings)

    async def append(self, *arguments: Any, **settings: Any) -> Any:
        if self.unreachable:
            raise BackplaneError("away")
        return await super().append(*arguments, **settings)

    def lose(self, room: str) -> None:
        """As after a failover to a copy that had heard of nothing."""
        found = self._rooms[room]
        found.epoch, found.end, found.version = secrets.token_urlsafe(6), 0, 0
        found.messages.clear()
        found.members.clear()


class Deaf:
    """Passes news on, or not."""

    def __init__(self, store: Lossy, listener: RoomListener) -> None:
        self.store, self.listener = store, listener

    def message(self, room: str, epoch: str, seq: int, text: str) -> None:
        if not self.store.deaf:
            self.listener.message(room, epoch, seq, text)

    def presence(self, room: str, version: int, key: str, member: Presence | None) -> None:
        if not self.store.deaf:
            self.listener.presence(room, version, key, member)

    def signal(self, room: str, text: str) -> None:
        if not self.store.deaf:
            self.listener.signal(room, text)

    def interrupted(self) -> None: ...

    def returned(self) -> None: ...


class World:
    """One server on a lossy store, with Ada in the room `r`."""

    def __init__(self, history: int = 1_000) -> None:
        self.clock = ManualClock()
        self.store = Lossy(history, clock=self.clock)
        self.rooms = Rooms(anyone, store=self.store, clock=self.clock)
        self.app = chat_with(self.rooms, clock=self.clock)
        self.page = Page()


async def test_messages_in_front_of_one_that_is_heard_are_read_from_the_store() -> None:
    world = World()
    async with running(world.app), connect(world.app, "/chat", query={"user": "ada"}) as ada:
        await world.page.join(ada)
        await world.rooms.send("r", 1)
        world.store.deaf = True
        await world.rooms.send("r", 2)
        await world.store.enter("r", "u:eve", Presence("eve"), state=True)
        world.store.deaf = False
        await world.rooms.send("r", 3)
        await settle()
        await ada.fence()
        assert (world.page.said, world.page.changes, world.page.gaps) == ([1, 2, 3], [("enter", "u:eve")], [])
    await world.rooms.close()


async def test_the_last_message_is_found_although_nothing_follows_it() -> None:
    world = World()
    async with running(world.app), connect(world.app, "/chat", query={"user": "ada"}) as ada:
        await world.page.join(ada)
        world.store.deaf = True
        await world.rooms.send("r", 1)
        await world.clock.advance(9)
        await ada.fence()
        assert world.page.said == []
        await world.clock.advance(2)
        await ada.fence()
        assert world.page.said == [1]
    await world.rooms.close()


async def test_every_member_that_has_come_or_gone_unheard_is_told() -> None:
    world = World()
    async with running(world.app), connect(world.app, "/chat", query={"user": "ada"}) as ada:
        await world.page.join(ada)
        world.store.deaf = True
        for name in ("bob", "eve"):
            await world.store.enter("r", f"u:{name}", Presence(name, devices=(Device(name),)), state=True)
        await world.clock.advance(11)
        await ada.fence()
        assert sorted(world.page.changes) == [("enter", "u:bob"), ("enter", "u:eve")]
        async with connect(world.app, "/chat", query={"user": "kim"}) as kim:
            await world.store.leave("r", "u:bob", "bob")
            await world.store.leave("r", "u:eve", "eve")
            await Page().join(kim)  # reads the room, and so this server knows before it hears
            await ada.fence()
            assert sorted(world.page.changes[2:]) == [("enter", "u:kim"), ("leave", "u:bob"), ("leave", "u:eve")]
    await world.rooms.close()


async def test_members_are_told_although_a_store_that_has_lost_everything_numbers_them_anew() -> None:
    world = World()
    async with running(world.app), connect(world.app, "/chat", query={"user": "ada"}) as ada:
        for name in ("bob", "eve", "kim"):
            await world.store.enter("r", f"u:{name}", Presence(name, devices=(Device(name),)), state=True)
        await world.page.join(ada, visible=False)
        world.store.lose("r")
        await world.clock.advance(11)
        await ada.fence()
        assert world.page.members == {}
    await world.rooms.close()


async def test_members_are_read_anew_although_those_of_a_new_epoch_happen_to_have_the_same_number() -> None:
    world = World()
    async with running(world.app), connect(world.app, "/chat", query={"user": "ada"}) as ada:
        await world.page.join(ada)
        world.store.deaf = True
        world.store.lose("r")
        await world.store.enter("r", "u:bob", Presence("bob", devices=(Device("bob"),)), state=True)
        world.store.deaf = False
        await world.clock.advance(11)
        await ada.fence()
        assert sorted(world.page.members) == ["u:ada", "u:bob"]
        assert [member.key for member in await world.rooms.members("r")] == ["u:ada", "u:bob"]
    await world.rooms.close()


async def test_after_an_interruption_everything_is_read_as_soon_as_the_store_answers() -> None:
    world = World()
    async with running(world.app), connect(world.app, "/chat", query={"user": "ada"}) as ada:
        await world.page.join(ada)
        world.store.deaf = True
        await world.rooms.send("r", 1)
        world.store.unreachable = True
        assert world.store.listener is not None
        world.store.listener.interrupted()
        await world.clock.advance(1)
        world.store.unreachable = world.store.deaf = False
        await world.clock.advance(6)
        await ada.fence()
        assert (world.page.said, world.page.gaps) == ([1], [])
    await world.rooms.close()


async def test_who_is_connected_is_told_of_messages_that_nobody_can_read_any_more() -> None:
    world = World(history=2)
    async with running(world.app), connect(world.app, "/chat", query={"user": "ada"}) as ada:
        await world.page.join(ada)
        await world.rooms.send("r", 1)
        world.store.deaf = True
        for number in range(2, 6):
            await world.rooms.send("r", number)
        world.store.deaf = False
        await world.rooms.send("r", 6)
        await settle()
        await ada.fence()
        assert world.page.said == [1, 5, 6]
        assert len(world.page.gaps) == 1
        assert (await world.page.join(ada))["complete"]
    await world.rooms.close()


async def test_a_store_that_has_lost_everything_is_told_as_a_gap_and_members_are_there_again() -> None:
    world = World()
    async with running(world.app), connect(world.app, "/chat", query={"user": "ada"}) as ada:
        await world.page.join(ada, state={"mood": "good"})
        await world.rooms.send("r", 1)
        await ada.fence()
        before = world.page.position
        world.store.lose("r")
        await world.rooms.send("r", 2)
        await settle()
        await world.clock.advance(11)
        await ada.fence()
        assert len(world.page.gaps) == 1
        assert world.page.position != before
        assert world.page.members["u:ada"]["state"] == {"mood": "good"}
        assert [member.key for member in await world.rooms.members("r")] == ["u:ada"]
        await world.rooms.send("r", 3)
        await ada.fence()
        assert world.page.said == [1, 3]
        world.page.position = before
        found = await world.page.join(ada)
        assert (found["complete"], [each["data"] for each in found["messages"]]) == (False, [2, 3])
    await world.rooms.close()


async def test_a_message_that_cannot_be_stored_is_tried_again_and_then_refused() -> None:
    world = World()
    async with running(world.app), connect(world.app, "/chat", query={"user": "ada"}) as ada:
        await world.page.join(ada)
        world.store.unreachable = True
        sending = world.rooms._following.tasks.start(world.rooms.send("r", 1))
        await world.clock.advance(0.1)
        world.store.unreachable = False
        await world.clock.advance(1)
        assert (await sending).endswith("-1")
        world.store.unreachable = True
        refused = world.rooms._following.tasks.start(world.rooms.send("r", 2))
        await world.clock.advance(60)
        assert str(refused.exception()) == "The room cannot be reached at present. Try again in a moment."
        await ada.fence()
        assert world.page.said == [1]
    await world.rooms.close()
