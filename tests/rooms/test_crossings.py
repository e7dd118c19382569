"""What crosses in rooms: coming back and leaving, joining and the loss of a right, a takeover and a return."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis import Redis

from hubline import HubApp, HubError, Identity
from hubline.rooms import Device, JoinOptions, MemoryRoomStore, Presence, Rooms, RoomsHub, anyone
from hubline.rooms.items import RoomJoined
from hubline.rooms.redis_scripts import rooms_key
from hubline.rooms.redis_store import RedisRoomStore
from hubline.runs import Caller
from hubline.testing import connect, running, settle
from tests.rooms.chat import Page, chat_with, identified
from tests.runs.fleet import Gate
from tests.valkey import valkey


def only(friends: set[str]) -> Callable[[str, str, Caller], Awaitable[bool]]:
    """A rule: these users may do everything, as long as they are in the set."""

    async def allow(action: str, room: str, caller: Caller) -> bool:
        return caller.user_id in friends

    return allow


class Slow(MemoryRoomStore):
    """A store whose `enter`, `set_state` or `watch` takes its time; and which forgets members."""

    def __init__(self, method: str) -> None:
        super().__init__()
        self.method, self.gate = "", Gate()
        self._gated = method

    def begin(self) -> None:
        self.method = self._gated

    def forget(self) -> None:
        """As after a lapsed lease: others have removed the members."""
        found = self._rooms["r"]
        found.members.clear()
        found.version += 1

    async def enter(self, *arguments: Any, **more: Any) -> int:
        if self.method == "enter":
            await self.gate.passed()
        return await super().enter(*arguments, **more)

    async def set_state(self, *arguments: Any) -> bool:
        found = await super().set_state(*arguments)
        if self.method == "set_state":
            await self.gate.passed()
        return found

    async def watch(self, *arguments: Any) -> None:
        if self.method == "watch":
            await self.gate.passed()
        await super().watch(*arguments)


async def there(rooms: Rooms) -> list[str]:
    return [member.key for member in await rooms.members("r")]


async def test_who_leaves_while_others_come_back_is_not_brought_back() -> None:
    store = Slow("enter")
    rooms = Rooms(anyone, store=store)
    app = chat_with(rooms)
    async with (
        running(app),
        connect(app, "/chat", query={"user": "ada"}) as ada,
        connect(app, "/chat", query={"user": "bob"}) as bob,
    ):
        for client in (ada, bob):
            await client.invoke("JoinRoom", "r", None, None)
        store.forget()
        store.begin()
        coming_back = asyncio.create_task(rooms._joining.restore())
        await store.gate.reached.wait()
        await bob.invoke("LeaveRoom", "r")
        store.gate.open.set()
        await coming_back
        assert await there(rooms) == ["u:ada"]
    await rooms.close()


async def test_a_state_that_crosses_with_leaving_does_not_bring_the_member_back() -> None:
    store, friends = Slow("set_state"), {"ada"}
    rooms = Rooms(only(friends), store=store)
    app = chat_with(rooms)
    async with running(app), connect(app, "/chat", query={"user": "ada"}) as ada:
        await ada.invoke("JoinRoom", "r", None, None)
        store.forget()
        store.begin()
        setting = asyncio.create_task(ada.invoke("SetRoomState", "r", 1))
        await store.gate.reached.wait()
        friends.clear()
        leaving = asyncio.create_task(rooms.recheck("ada"))
        await settle()
        store.gate.open.set()
        await asyncio.wait([setting, leaving])
        assert await there(rooms) == []
    await rooms.close()


async def test_an_agent_that_has_left_has_no_state() -> None:
    rooms = Rooms(anyone)
    async with rooms.agent("r", "bot") as agent:
        await agent.set_state("thinking")
        assert await there(rooms) == ["a:bot"]
    with pytest.raises(HubError, match="join the room first"):
        await agent.set_state("done")
    assert await there(rooms) == []
    await rooms.close()


async def test_who_loses_the_right_while_it_joins_is_not_in_the_room() -> None:
    store, friends = Slow("watch"), {"ada"}
    rooms = Rooms(only(friends), store=store)
    app = chat_with(rooms)
    async with running(app), connect(app, "/chat", query={"user": "ada"}) as ada:
        store.begin()
        joining = asyncio.create_task(ada.invoke("JoinRoom", "r", None, None))
        await store.gate.reached.wait()
        friends.clear()
        await rooms.recheck("ada")
        store.gate.open.set()
        with pytest.raises(Exception, match="The room does not exist"):
            await joining
        assert await there(rooms) == []
    await rooms.close()


async def test_a_rule_that_refuses_with_a_text_takes_everybody_out() -> None:
    banned = False

    async def allow(action: str, room: str, caller: Caller) -> bool:
        if banned:
            raise HubError("You are banned.")
        return True

    rooms = Rooms(allow)
    app = chat_with(rooms)
    async with (
        running(app),
        connect(app, "/chat", query={"user": "ada"}) as phone,
        connect(app, "/chat", query={"user": "ada"}) as laptop,
    ):
        for client in (phone, laptop):
            await client.invoke("JoinRoom", "r", None, None)
        banned = True
        await rooms.recheck("ada")
        for client in (phone, laptop):
            assert await client.expect("RoomClosed") == ["r"]
        assert await there(rooms) == []
    await rooms.close()


@pytest.mark.valkey
async def test_rooms_of_a_server_that_comes_back_while_it_is_taken_over_stay_its_own() -> None:
    class Listener:
        def __getattr__(self, name: str) -> Any:
            return lambda *news: None

    with valkey() as server, Redis.from_url(server.url) as redis:
        stores: list[Any] = [RedisRoomStore(server.url, lease=60) for _ in range(2)]
        for store in stores:
            await store.open(Listener())
        back, other = stores
        member = Presence("ada", devices=(Device("d"),))
        await back.enter("r", "u:ada", member, state=True)
        await back._members.give_up(back.node)
        gate, disown = Gate(), other._members.disown

        async def gated(room: str, node: str) -> None:
            await gate.passed()
            await disown(room, node)

        other._members.disown = gated
        taking_over = asyncio.create_task(other._members.adopt("r", back.node, other.node))
        await gate.reached.wait()
        await back._members.renew(back.node)
        await back.enter("r", "u:ada", member, state=True)
        gate.open.set()
        await taking_over
        assert redis.smembers(rooms_key(back.node)) == {b"r"}
        for store in stores:
            await store.close()


async def test_an_identity_that_is_renewed_while_a_room_is_joined_is_the_one_that_counts() -> None:
    store = Slow("watch")
    new = Identity("ada")

    async def allow(action: str, room: str, caller: Caller) -> bool:
        return caller.identity is not new or room == "kept"

    rooms = Rooms(allow, store=store)
    app = chat_with(rooms)
    async with running(app), connect(app, "/chat", query={"user": "ada"}) as ada:
        await ada.invoke("JoinRoom", "kept", None, None)
        (connection_id,) = rooms._joining.connections
        store.begin()
        joining = asyncio.create_task(ada.invoke("JoinRoom", "r", None, None))
        await store.gate.reached.wait()
        await rooms._renewed(Caller("ada", connection_id, new))
        store.gate.open.set()
        with pytest.raises(Exception, match="The room does not exist"):
            await joining
        assert rooms._joining.connections[connection_id].caller.identity is new
    await rooms.close()


async def test_a_connection_that_cannot_be_told_does_not_keep_the_others_in_a_room() -> None:
    friends = {"ada"}
    rooms = Rooms(only(friends))
    app = chat_with(rooms)
    async with (
        running(app),
        connect(app, "/chat", query={"user": "ada"}) as phone,
        connect(app, "/chat", query={"user": "ada"}) as laptop,
    ):
        for client in (phone, laptop):
            await client.invoke("JoinRoom", "r", None, None)

        async def fails(*arguments: Any) -> None:
            raise RuntimeError("a filter failed")

        next(iter(rooms._joining.connections.values())).send = fails
        friends.clear()
        await rooms.recheck("ada")
        assert await there(rooms) == []
    await rooms.close()


async def test_changes_of_members_that_cross_with_a_later_join_are_in_its_list_or_told_after_it() -> None:
    rooms, gates = Rooms(anyone), dict[str, list[Gate]]()

    class Chat(RoomsHub, rooms=rooms):
        async def join_room(
            self, room: str, since: str | None = None, options: JoinOptions | None = None
        ) -> RoomJoined:
            held = gates.get(self.context.user_id or "", [])
            for gate in held[:1]:
                await gate.passed()
            found = await super().join_room(room, since, options)
            for gate in held[1:]:
                await gate.passed()
            return found

    app, page = HubApp({"/chat": Chat}, authenticate=identified), Page()
    async with (
        running(app),
        connect(app, "/chat", query={"user": "ada"}) as ada,
        connect(app, "/chat", query={"user": "bob"}) as bob,
        connect(app, "/chat", query={"user": "eve"}) as eve,
    ):
        await page.join(ada)
        before, after = gates["ada"] = [Gate(), Gate()]
        joining = asyncio.create_task(page.join(ada))
        await before.reached.wait()
        for client in (bob, eve):
            await client.invoke("JoinRoom", "r")
        await eve.invoke("LeaveRoom", "r")
        await settle()
        before.open.set()
        await after.reached.wait()
        await bob.invoke("SetRoomState", "r", "busy")
        await settle()
        after.open.set()
        await joining
        assert page.changes == [("update", "u:bob")]
        assert (sorted(page.members), page.members["u:bob"]["state"]) == (["u:ada", "u:bob"], "busy")
    await rooms.close()
