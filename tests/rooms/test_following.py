"""Changes of the members of rooms: what the application hears, `Rooms(on_presence=…)`, and their numbers."""

from pathlib import Path

import pytest

from hubline.rooms import MemoryRoomStore, RoomMember, Rooms, anyone
from hubline.rooms.sqlite_store import SQLiteRoomStore
from hubline.testing import ManualClock, connect, running, settle
from tests.rooms.chat import Page, chat_with


@pytest.mark.parametrize("is_shared", [False, True])
async def test_the_application_hears_who_comes_changes_and_leaves_also_the_last_one(
    tmp_path: Path, is_shared: bool
) -> None:
    heard: list[tuple[str, str, str]] = []

    def on_presence(room: str, kind: str, member: RoomMember) -> None:
        heard.append((room, kind, f"{member.key} {len(member.devices)}"))

    store = SQLiteRoomStore(tmp_path / "rooms.sqlite") if is_shared else MemoryRoomStore()
    rooms = Rooms(anyone, store=store, on_presence=on_presence)
    app = chat_with(rooms)
    async with running(app):
        async with connect(app, "/chat", query={"user": "ada"}) as ada:
            await ada.invoke("JoinRoom", "r")
            await ada.invoke("SetRoomState", "r", "busy")
            await ada.invoke("LeaveRoom", "r")
            assert heard == [("r", "enter", "u:ada 1"), ("r", "update", "u:ada 1"), ("r", "leave", "u:ada 1")]
            heard.clear()
            await ada.invoke("JoinRoom", "r", None, {"visible": False})
            await ada.invoke("LeaveRoom", "r")
            async with rooms.agent("r", "bot"):
                pass
            assert heard == [("r", "enter", "a:bot 1"), ("r", "leave", "a:bot 1")]
        await rooms.close()


async def test_who_was_cut_is_heard_to_leave_after_the_time_of_grace_and_a_failure_is_only_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    heard, clock, page = list[str](), ManualClock(), Page()

    def on_presence(room: str, kind: str, member: RoomMember) -> None:
        heard.append(f"{kind} {member.user}")
        raise RuntimeError("on purpose")

    rooms = Rooms(anyone, clock=clock, on_presence=on_presence)
    app = chat_with(rooms, clock=clock)
    async with running(app):
        async with connect(app, "/chat", query={"user": "ada"}) as ada:
            await page.join(ada)
            async with connect(app, "/chat", query={"user": "bob"}) as bob:
                await bob.invoke("JoinRoom", "r")
            await ada.fence()
            assert page.changes == [("enter", "u:bob")]
        await settle()
        await clock.advance(9)
        assert heard == ["enter ada", "enter bob"]
        await clock.advance(2)
        await settle()
        assert heard == ["enter ada", "enter bob", "leave bob", "leave ada"]
        assert rooms.statistics() == {"rooms": 0, "connections": 0, "memberships": 0, "tasks": 0}
        assert "on_presence failed for room r" in caplog.text
        await rooms.close()


async def test_a_join_says_up_to_which_change_its_members_are_known() -> None:
    rooms, page = Rooms(anyone), Page()
    app = chat_with(rooms)
    async with (
        running(app),
        connect(app, "/chat", query={"user": "ada"}) as ada,
        connect(app, "/chat", query={"user": "bob"}) as bob,
    ):
        before = (await ada.invoke("JoinRoom", "r"))["changes"]
        assert (await bob.invoke("JoinRoom", "r"))["changes"] == before + 1
        await bob.invoke("SetRoomState", "r", "busy")
        told = [(await ada.expect("RoomPresence"))[1] for _ in range(2)]
        assert [(each["kind"], each["number"] - before) for each in told] == [("enter", 1), ("update", 2)]
        found = await page.join(ada, visible=False)
        assert (found["changes"] - before, sorted(page.members)) == (3, ["u:bob"])
        # a room that nobody was in meanwhile goes on, for what was sent before may still be on its way
        for client in (ada, bob):
            await client.invoke("LeaveRoom", "r")
        assert rooms.statistics()["rooms"] == 0
        assert (await ada.invoke("JoinRoom", "r"))["changes"] > found["changes"]
    await rooms.close()
