"""Rooms as clients of a hub see them: through the real application, on every transport and codec."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubline import ConfigurationError, HubApp, InvocationError
from hubline.backplanes import BackplaneLink, BackplaneListener, MemoryBackplane
from hubline.rooms import MemoryRoomStore, RoomLimits, Rooms, RoomsHub, anyone
from hubline.runs import Runs, RunsHub
from hubline.testing import InMemoryClient, ManualClock, connect, running, settle
from hubline.testing.channels import TransportName
from hubline.testing.harness import ProtocolName
from tests.rooms.chat import Page, chat_with, not_secret

LINES: list[tuple[TransportName, ProtocolName]] = [
    ("websocket", "json"),
    ("websocket", "messagepack"),
    ("sse", "json"),
    ("long_polling", "messagepack"),
]


def refusal(error: pytest.ExceptionInfo[InvocationError]) -> str:
    return error.value.message.rpartition("HubException: ")[2]


class Server:
    """One server with rooms and a manual clock."""

    def __init__(self, store: MemoryRoomStore | None = None, clock: ManualClock | None = None, **settings: Any) -> None:
        self.clock = clock or ManualClock()
        self.rooms = Rooms(settings.pop("allow", anyone), store=store, clock=self.clock, **settings)
        self.app = chat_with(self.rooms, clock=self.clock)

    @asynccontextmanager
    async def client(self, user: str | None = None, **settings: Any) -> AsyncIterator[InMemoryClient]:
        async with connect(self.app, "/chat", query={"user": user} if user else (), **settings) as client:
            yield client


@pytest.mark.parametrize(("transport", "protocol"), LINES)
async def test_who_is_cut_and_comes_back_has_everything_once(transport: TransportName, protocol: ProtocolName) -> None:
    server, page, said = Server(), Page(), 0
    async with running(server.app), server.client("bob") as bob:
        for _ in range(4):
            async with server.client("ada", transport=transport, protocol=protocol) as ada:
                await page.join(ada)
                for _ in range(5):
                    await bob.invoke("SendToRoom", "r", said)
                    said += 1
                await ada.fence()
            for _ in range(3):  # while she is away
                await bob.invoke("SendToRoom", "r", said)
                said += 1
        async with server.client("ada", transport=transport, protocol=protocol) as ada:
            await page.join(ada)
        assert page.said == [*range(said)]
        assert page.complete == [True] * 5


async def test_history_and_live_messages_are_one_order_while_others_send() -> None:
    server, pages = Server(), [Page() for _ in range(10)]

    async def send(client: InMemoryClient, name: str) -> None:
        for number in range(40):
            await client.invoke("SendToRoom", "r", f"{name}{number}")

    async with running(server.app), server.client("bob") as bob, server.client("eve") as eve:
        sending = [asyncio.ensure_future(send(client, name)) for client, name in ((bob, "b"), (eve, "e"))]
        for page in pages:
            for _ in range(2):
                async with server.client("ada") as ada:
                    await page.join(ada)
                    await settle()
        await asyncio.gather(*sending)
        for page in pages:
            async with server.client("ada") as ada:
                await page.join(ada)
        assert len(pages[0].said) == 80
        assert all(page.said == pages[0].said for page in pages)
        assert [text for text in pages[0].said if text[0] == "b"] == [f"b{number}" for number in range(40)]


async def test_what_is_no_longer_kept_is_told_as_a_gap() -> None:
    server, page = Server(MemoryRoomStore(5)), Page()
    async with running(server.app), server.client("bob") as bob:
        async with server.client("ada") as ada:
            await page.join(ada)
        for number in range(5):
            await bob.invoke("SendToRoom", "r", number)
        async with server.client("ada") as ada:
            await page.join(ada)
        for number in range(6):
            await bob.invoke("SendToRoom", "r", number)
        async with server.client("ada") as ada:
            found = await page.join(ada)
            assert [each["data"] for each in found["messages"]] == [1, 2, 3, 4, 5]
            assert page.complete == [True, True, False]
            for wrong in ("other-3", "no position", "-", found["position"].rpartition("-")[0] + "-99"):
                found = await ada.invoke("JoinRoom", "r", wrong)
                assert (found["complete"], len(found["messages"])) == (False, 5)


async def test_a_message_has_who_sent_it_and_is_added_once_for_its_key() -> None:
    server = Server()
    async with running(server.app), server.client("ada") as ada:
        await ada.invoke("JoinRoom", "r")
        first = await ada.invoke("SendToRoom", "r", {"text": "hello"}, "key-1")
        async with server.client("ada") as again, server.client("bob") as bob, server.client() as somebody:
            assert await again.invoke("SendToRoom", "r", {"text": "hello"}, "key-1") == first
            assert await bob.invoke("SendToRoom", "r", "b", "key-1") != first
            other = await somebody.invoke("SendToRoom", "r", "c", "key-1")
        async with server.client() as somebody_again:  # the same person, perhaps, on another connection
            assert await somebody_again.invoke("SendToRoom", "r", "c", "key-1") == other
        room, message = await ada.expect("RoomMessage")
        assert (room, message["data"], message["by"], message["key"]) == ("r", {"text": "hello"}, "ada", "key-1")
        assert message["position"] == first
        assert [(await ada.expect("RoomMessage"))[1]["by"] for _ in range(2)] == ["bob", None]
        await ada.expect_nothing()


async def test_the_first_join_may_ask_for_less_and_older_messages_come_in_pages() -> None:
    server = Server()
    async with running(server.app), server.client("ada") as ada:
        for number in range(10):
            await ada.invoke("SendToRoom", "r", number)
        found = await ada.invoke("JoinRoom", "r", None, {"history": 3})
        assert ([each["data"] for each in found["messages"]], found["complete"]) == ([7, 8, 9], False)
        page = await ada.invoke("RoomHistory", "r", found["messages"][0]["position"], 4)
        assert ([each["data"] for each in page["messages"]], page["more"]) == ([3, 4, 5, 6], True)
        page = await ada.invoke("RoomHistory", "r", page["messages"][0]["position"], 4)
        assert ([each["data"] for each in page["messages"]], page["more"]) == ([0, 1, 2], False)
        page = await ada.invoke("RoomHistory", "r")
        assert len(page["messages"]) == 10
        with pytest.raises(InvocationError) as error:
            await ada.invoke("RoomHistory", "r", "other-3")
        assert refusal(error) == "The position is not of this history."


async def test_members_come_and_go_with_their_devices_and_states() -> None:
    server, page = Server(), Page()
    async with running(server.app), server.client("ada") as ada:
        found = await page.join(ada, device="laptop", state={"mood": "good"})
        assert (found["key"], found["count"]) == ("u:ada", 1)
        async with server.client("bob") as phone, server.client("bob") as laptop:
            await phone.invoke("JoinRoom", "r", None, {"device": "phone", "state": {"away": False}})
            await laptop.invoke("JoinRoom", "r", None, {"device": "laptop"})
            await laptop.invoke("SetRoomState", "r", {"away": True})
            await ada.fence()
            bob = page.members["u:bob"]
            assert ([each["name"] for each in bob["devices"]], bob["state"]) == (["phone", "laptop"], {"away": True})
            assert page.members["u:ada"]["state"] == {"mood": "good"}
            listed = await phone.invoke("RoomMembers", "r")
            assert (listed["count"], [each["key"] for each in listed["members"]]) == (2, ["u:ada", "u:bob"])
            await phone.invoke("LeaveRoom", "r")
            await phone.invoke("LeaveRoom", "r")
            await laptop.invoke("LeaveRoom", "r")
            with pytest.raises(InvocationError, match="Only members have a state"):
                await laptop.invoke("SetRoomState", "r", 1)
            await ada.fence()
            assert page.changes == [
                ("enter", "u:bob"),
                ("update", "u:bob"),
                ("update", "u:bob"),
                ("update", "u:bob"),
                ("leave", "u:bob"),
            ]
            assert await server.rooms.count("r") == 1


async def test_who_is_away_for_a_moment_has_not_left_and_who_stays_away_leaves_once() -> None:
    server, page = Server(grace=10), Page()
    async with running(server.app), server.client("ada") as ada:
        await page.join(ada)
        async with server.client("bob") as bob:
            await bob.invoke("JoinRoom", "r")
        await server.clock.advance(9)
        async with server.client("bob") as bob:
            await bob.invoke("JoinRoom", "r")
            await server.clock.advance(9)
            await ada.fence()
            assert page.changes == [("enter", "u:bob"), ("update", "u:bob")]
        await server.clock.advance(9)
        await ada.fence()
        assert "u:bob" in page.members
        await server.clock.advance(2)
        await ada.fence()
        assert page.changes[2:] == [("leave", "u:bob")]


async def test_an_anonymous_member_leaves_with_its_connection() -> None:
    server, page = Server(), Page()
    async with running(server.app), server.client("ada") as ada:
        await page.join(ada)
        async with server.client() as somebody:
            found = await somebody.invoke("JoinRoom", "r")
            assert found["key"].startswith("c:")
        await settle()
        await ada.fence()
        assert page.changes == [("enter", found["key"]), ("leave", found["key"])]


async def test_who_only_reads_is_no_member_and_who_does_not_watch_is_told_of_nobody() -> None:
    server, page = Server(), Page()
    async with running(server.app), server.client("ada") as ada, server.client("bob") as bob:
        await page.join(ada, presence=False)
        found = await bob.invoke("JoinRoom", "r", None, {"visible": False})
        assert (found["key"], [each["key"] for each in found["members"]]) == (None, ["u:ada"])
        await bob.invoke("JoinRoom", "r")
        await ada.invoke("SendToRoom", "r", "hello")
        await ada.fence()
        assert (page.changes, page.said) == ([], ["hello"])
        await bob.invoke("JoinRoom", "r", None, {"visible": False})
        assert [member.key for member in await server.rooms.members("r")] == ["u:ada"]


async def test_an_agent_is_a_member_while_its_block_runs() -> None:
    server, page = Server(), Page()
    async with running(server.app), server.client("ada") as ada:
        await page.join(ada)
        async with server.rooms.agent("r", "assistant", state={"thinking": False}) as agent:
            await agent.set_state({"thinking": True})
            await agent.signal("typing")
            await agent.send("hello", key="k")
            await ada.fence()
            member = page.members["a:assistant"]
            assert (member["agent"], member["user"], member["state"]) == (True, "assistant", {"thinking": True})
        await ada.fence()
        assert page.changes == [("enter", "a:assistant"), ("update", "a:assistant"), ("leave", "a:assistant")]
        assert page.said == ["hello"]
        assert [(each["by"], each["agent"], each["kind"]) for each in page.signals] == [("assistant", True, "typing")]


async def test_signals_reach_the_others_and_a_client_that_is_behind_gets_the_newest() -> None:
    server = Server()
    async with running(server.app), server.client("ada") as ada, server.client("bob", transport="long_polling") as bob:
        await ada.invoke("JoinRoom", "r", None, {"presence": False})
        await bob.invoke("JoinRoom", "r", None, {"presence": False})
        sent = [asyncio.ensure_future(ada.invoke("SignalRoom", "r", "cursor", number)) for number in range(50)]
        await asyncio.gather(*sent)
        await ada.invoke("SignalRoom", "r", "typing", True)
        seen: list[Any] = []
        while not seen or seen[-1]["kind"] != "typing":
            seen.append((await bob.expect("RoomSignal"))[1])
        cursors = [each["value"] for each in seen if each["kind"] == "cursor"]
        assert cursors == sorted(cursors)
        assert cursors[-1] == 49
        assert seen[-1]["by"] == "ada"
        await ada.expect_nothing()


async def test_what_the_rule_does_not_allow_looks_like_a_room_that_does_not_exist() -> None:
    server = Server(allow=not_secret)
    async with running(server.app), server.client("ada") as ada, server.client("bob") as bob:
        await ada.invoke("JoinRoom", "secret")
        calls: list[tuple[Any, ...]] = [
            ("JoinRoom", "secret"),
            ("SendToRoom", "secret", 1),
            ("SignalRoom", "secret", "typing", 1),
            ("RoomMembers", "secret"),
            ("RoomHistory", "secret"),
            ("SetRoomState", "secret", 1),
        ]
        for call in calls:
            with pytest.raises(InvocationError) as error:
                await bob.invoke(*call)
            assert refusal(error) == "The room does not exist."
        assert await server.rooms.count("secret") == 1


async def test_a_rule_that_fails_allows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def broken(*_: Any) -> bool:
        raise LookupError("no database")

    server = Server(allow=broken)
    async with running(server.app), server.client("ada") as ada:
        with pytest.raises(InvocationError, match="The room does not exist"):
            await ada.invoke("JoinRoom", "r")
    assert "no database" in caplog.text


async def test_who_has_lost_the_right_is_taken_out_and_told() -> None:
    allowed = {"ada", "bob"}

    async def members_only(action: str, room: str, caller: Any) -> bool:
        return caller.user_id in allowed

    server, page = Server(allow=members_only), Page()
    async with running(server.app), server.client("ada") as ada, server.client("bob") as bob:
        await page.join(ada)
        await bob.invoke("JoinRoom", "r", None, {"presence": False})
        allowed.remove("bob")
        with pytest.raises(InvocationError, match="The room does not exist"):
            await bob.invoke("SetRoomState", "r", "still here")
        await server.rooms.recheck("bob")
        assert await bob.expect("RoomClosed") == ["r"]
        await server.rooms.send("r", "after")
        await bob.expect_nothing()
        await ada.fence()
        assert (page.said, list(page.members)) == (["after"], ["u:ada"])


async def test_limits_are_told() -> None:
    limits = RoomLimits(name=10, message=20, state=10, per_connection=2, missed=3)
    server = Server(limits=limits)
    async with running(server.app), server.client("ada") as ada:
        await ada.invoke("JoinRoom", "a")
        await ada.invoke("JoinRoom", "b")
        refused: list[tuple[str, tuple[Any, ...]]] = [
            ("A connection may be in 2 rooms at once.", ("JoinRoom", "c")),
            ("A name must be a text of 1 to 10 characters.", ("JoinRoom", "x" * 11)),
            ("A name must be a text of 1 to 10 characters.", ("JoinRoom", "")),
            ("A name must be a text of 1 to 10 characters.", ("JoinRoom", "a", None, {"device": "x" * 11})),
            ("A name must be a text of 1 to 10 characters.", ("SendToRoom", "a", 1, "x" * 11)),
            ("The value has 22 bytes; 20 are allowed.", ("SendToRoom", "a", "x" * 20)),
            ("The value has 12 bytes; 10 are allowed.", ("SetRoomState", "a", "x" * 10)),
            ("The value has 12 bytes; 10 are allowed.", ("SignalRoom", "a", "k", "x" * 10)),
        ]
        for text, call in refused:
            with pytest.raises(InvocationError) as error:
                await ada.invoke(*call)
            assert refusal(error) == text
        for number in range(5):
            await ada.invoke("SendToRoom", "a", number)
        found = await ada.invoke("JoinRoom", "a")
        assert ([each["data"] for each in found["messages"]], found["complete"]) == ([2, 3, 4], False)


async def test_two_servers_that_share_a_store_are_one_room() -> None:
    store, clock = MemoryRoomStore(), ManualClock()
    here, there, page = Server(store, clock), Server(store, clock), Page()
    async with running(here.app), running(there.app), there.client("bob") as bob:
        async with here.client("ada") as ada:
            await page.join(ada)
            await bob.invoke("JoinRoom", "r")
            await bob.invoke("SendToRoom", "r", 1)
            await ada.fence()
            assert (page.said, sorted(page.members)) == ([1], ["u:ada", "u:bob"])
        await bob.invoke("SendToRoom", "r", 2)
        async with there.client("ada") as ada:
            await page.join(ada)
            await clock.advance(20)
            assert page.said == [1, 2]
            assert await here.rooms.count("r") == 2


async def test_with_a_backplane_nothing_of_a_room_is_published_there() -> None:
    class Counting(MemoryBackplane):
        async def connect(self, listener: BackplaneListener) -> BackplaneLink:
            link = await super().connect(listener)
            publish = link.publish

            async def count(channels: Sequence[str], payload: bytes) -> int | None:
                published.extend(channels)
                return await publish(channels, payload)

            link.publish = count  # type: ignore[method-assign]
            return link

    published: list[str] = []
    rooms, clock, page = Rooms(anyone), ManualClock(), Page()
    app = chat_with(rooms, clock=clock, backplane=Counting())
    async with running(app), connect(app, "/chat", query={"user": "ada"}) as ada:
        await page.join(ada)
        published.clear()
        for number in range(3):
            await rooms.send("r", number)
        await rooms.signal("r", "typing")
        await ada.fence()
        assert (page.said, len(page.signals), published) == ([0, 1, 2], 1, [])


async def test_nothing_is_left_when_everybody_has_gone() -> None:
    server = Server()
    async with running(server.app):
        async with server.client("ada") as ada, server.client() as somebody:
            for room in ("a", "b"):
                await ada.invoke("JoinRoom", room)
                await somebody.invoke("JoinRoom", room)
            statistics = server.rooms.statistics()
            assert (statistics["rooms"], statistics["connections"], statistics["memberships"]) == (2, 2, 4)
        await server.clock.advance(11)
        await settle()
        assert server.rooms.statistics() == {"rooms": 0, "connections": 0, "memberships": 0, "tasks": 0}
        assert await server.rooms.count("a") == 0
    await server.rooms.close()


async def test_one_hub_has_rooms_and_runs() -> None:
    rooms, runs = Rooms(anyone), Runs()

    class Chat(RunsHub, RoomsHub, runs=runs, rooms=rooms):
        pass

    async with running(HubApp({"/chat": Chat})) as app, connect(app, "/chat") as client:
        assert (await client.invoke("JoinRoom", "r"))["complete"]
        assert await client.invoke("RoomRuns", "r") == []


async def test_mistakes_are_told_at_the_start() -> None:
    with pytest.raises(ConfigurationError) as error:
        Rooms("yes", grace=-1, store=object(), on_presence="no")  # type: ignore[arg-type]
    assert len(error.value.problems) == 4
    with pytest.raises(ConfigurationError, match=r"RoomLimits\.message"):
        RoomLimits(message=0)
    with pytest.raises(ConfigurationError, match="the application's `Rooms"):

        class Wrong(RoomsHub, rooms=3):  # type: ignore[arg-type]
            pass

    class Chat(RoomsHub):
        pass

    async with running(HubApp({"/chat": Chat})) as app, connect(app, "/chat") as client:
        with pytest.raises(InvocationError):
            await client.invoke("JoinRoom", "r")


def test_a_method_that_takes_the_place_of_one_that_clients_call_has_its_parameters() -> None:
    class Other:
        async def leave_room(self, room_id: str) -> None: ...

    with pytest.raises(ConfigurationError) as found:
        type("Chat", (Other, RoomsHub), {"join_room": join_by_name})
    assert list(found.value.problems) == [
        "Chat.join_room takes the place of RoomsHub.join_room, which clients call with (room, since, options): "
        "give it these parameters, or another name",
        "Chat.leave_room takes the place of RoomsHub.leave_room, which clients call with (room): "
        "give it these parameters, or another name",
    ]
    with pytest.raises(ConfigurationError, match=r"RunsHub\.run_info, which clients call with \(run_id\)"):
        type("Assistant", (RunsHub,), {"run_info": join_by_name})

    class Careful(RoomsHub, rooms=Rooms(anyone)):
        async def join_room(self, room: str, since: Any = None, options: Any = None, more: int = 0) -> Any: ...

        async def leave_room(self, *arguments: Any) -> None: ...


async def join_by_name(self: Any, name: str) -> None: ...
