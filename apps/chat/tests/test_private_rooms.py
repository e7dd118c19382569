"""Private rooms: for members there, for everybody else not."""

from typing import Any

import pytest

from apps.chat.tests.harness import JSON, ChatUnderTest, Gate, Page, chat
from apps.chat.tests.test_hubs import refusal
from hubline import InvocationError
from hubline.models import ScriptedModel
from hubline_chat import rooms

NOWHERE = "This room does not exist."
NO_RUN = "The run does not exist."


async def secret_room(page: Page, name: str = "Secret") -> JSON:
    room: JSON = await page.client.invoke("CreateRoom", name, True)
    return room


async def names(page: Page) -> list[str]:
    """The rooms that a page is told when it enters."""
    return [room["name"] for room in (await page.enter())["rooms"]]


async def test_who_makes_a_private_room_owns_it_and_sees_it_alone() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = await secret_room(ada)
        assert (room["isPrivate"], room["people"], len(room["id"]) >= 12) == (True, 0, True)
        assert room["members"] == [{"id": ada.me["id"], "name": "Ada", "isOwner": True, "devices": 1}]
        await ada.news("RoomsChanged", lambda told: told[-1] == room)
        await bob.client.invoke("CreateRoom", "Public")
        await bob.news("RoomsChanged", lambda told: told[-1]["name"] == "Public")
        assert await names(bob) == ["General", "Ask the assistant", "Off topic", "Public"]
        assert await names(ada) == ["General", "Ask the assistant", "Off topic", "Secret", "Public"]


async def test_its_name_is_not_taken_for_others() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await secret_room(ada)
        assert (await bob.client.invoke("CreateRoom", "secret"))["id"] == "secret"
        assert await refusal(ada, "CreateRoom", "SECRET") == "There is a room called SECRET already."


async def test_two_users_guessing_ids_learn_nothing() -> None:
    gate = Gate()
    async with chat(["Once ", "upon"], gate=gate) as under_test:
        ada, eve = await under_test.enter("Ada"), await under_test.enter("Eve")
        room = await secret_room(ada)
        await ada.join(room["id"])
        question = await ada.ask("A story!", room["id"])
        await ada.hear()
        answer = await ada.answer()
        gate.let()
        await ada.watch(answer).said("Once ")
        guesses: list[tuple[Any, ...]] = [
            ("OpenRoom", room["id"], None),
            ("OpenRoom", room["id"], 0),
            ("LeaveRoom", room["id"]),
            ("LoadEarlier", room["id"], 10),
            ("SendMessage", room["id"], "1", "hello"),
            ("Ask", room["id"], "1", "hello"),
            ("AddMember", room["id"], "Eve"),
            ("RemoveMember", room["id"], ada.me["id"]),
            ("RemoveMember", room["id"], eve.me["id"]),
        ]
        for call in guesses:
            assert await refusal(eve, *call) == NOWHERE, call
            # Word for word what is said of a room that there is not.
            assert await refusal(eve, call[0], "nothing", *call[2:]) == NOWHERE, call
        for method, *rest in (
            ("JoinRoom",),
            ("SignalRoom", "typing"),
            ("RoomMembers",),
            ("RoomHistory",),
            ("SendToRoom", "hello"),
        ):
            for place in (room["id"], "nothing"):
                assert await refusal(eve, method, place, *rest) == "The room does not exist.", method
        for message_id in (question["id"], answer["id"]):
            for method in ("GoOn", "RetryAnswer"):
                assert await refusal(eve, method, message_id) == "This message does not exist any more."
        run_id = answer["answer"]["runId"]
        for method in ("StopRun", "RunInfo"):
            assert await refusal(eve, method, run_id) == await refusal(eve, method, "nothing") == NO_RUN
        with pytest.raises(InvocationError, match=NO_RUN):
            await eve.watch(answer).next("text")
        assert await eve.client.invoke("RoomRuns", room["id"]) == []
        gate.let()
        assert (await ada.ended())[1]["state"] == "completed"
        await eve.client.expect_nothing()
        assert await names(eve) == ["General", "Ask the assistant", "Off topic"]


async def with_member(under_test: ChatUnderTest) -> tuple[Page, Page, str]:
    """A private room of Ada with Bob, who is in it with two connections."""
    ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
    room = await secret_room(ada)
    await ada.join(room["id"])
    added = await ada.client.invoke("AddMember", room["id"], "BOB")
    assert [(each["name"], each["isOwner"]) for each in added["members"]] == [("Ada", True), ("Bob", False)]
    await bob.news("RoomsChanged", lambda told: told[-1]["name"] == "Secret")
    await bob.join(room["id"])
    return ada, bob, room["id"]


async def test_a_member_reads_what_was_said_before_and_what_comes() -> None:
    async with chat() as under_test:
        ada, bob, room = await with_member(under_test)
        said = await ada.say("between us", room)
        assert await bob.hear() == said
        assert [each["text"] for each in (await bob.join(room))["messages"]] == ["between us"]
        assert await refusal(bob, "AddMember", room, "Nobody") == "There is no person called Nobody."
        assert await bob.client.invoke("AddMember", room, "Ada") == (await bob.join(room))["room"]


async def test_who_is_removed_hears_nothing_more_on_any_connection() -> None:
    async with chat() as under_test:
        ada, bob, room = await with_member(under_test)
        second = await under_test.enter("Bob")
        await second.join(room)
        left = await ada.client.invoke("RemoveMember", room, bob.me["id"])
        assert [each["name"] for each in left["members"]] == ["Ada"]
        for page in (bob, second):
            assert await page.client.expect("RoomGone") == [room, "You were removed from Secret."]
        await ada.say("without Bob", room)
        for page in (bob, second):
            await page.client.expect_nothing()
            await page.news("RoomsChanged", lambda told: len(told) == 3)
        assert await refusal(bob, "LoadEarlier", room, 10) == NOWHERE
        await ada.names("Ada", room=room)
        for page in (bob, second):
            await page.news("RoomClosed", lambda closed: closed == room)


async def test_who_is_removed_sees_no_more_of_an_answer_that_grows() -> None:
    gate = Gate()
    async with chat(["Once ", "upon"], gate=gate) as under_test:
        ada, bob, room = await with_member(under_test)
        await ada.ask("A story!", room)
        watched = bob.watch(await bob.answer())
        gate.let()
        await watched.said("Once ")
        await ada.client.invoke("RemoveMember", room, bob.me["id"])
        gate.let(2)
        with pytest.raises(InvocationError, match=NO_RUN):
            await watched.end()
        assert watched.text == "Once "
        assert (await ada.ended())[0] == "Once upon"


async def test_only_the_owner_and_administrators_remove_others() -> None:
    async with chat() as under_test:
        ada, bob, room = await with_member(under_test)
        only = "Only the owner of a room can remove others from it."
        assert await refusal(bob, "RemoveMember", room, ada.me["id"]) == only
        assert await refusal(ada, "RemoveMember", room, "nobody") == "This person is not a member of the room."
        await under_test.member("Root", role="admin")
        root = await under_test.enter("Root")
        assert await refusal(root, "RemoveMember", room, bob.me["id"]) == NOWHERE
        await ada.client.invoke("AddMember", room, "Root")
        await root.client.invoke("RemoveMember", room, bob.me["id"])
        assert await bob.client.expect("RoomGone") == [room, "You were removed from Secret."]


async def test_when_the_owner_leaves_the_oldest_member_owns_it_and_an_empty_room_is_gone() -> None:
    gate = Gate()
    model = ScriptedModel(["Once"], pace=gate)
    async with chat(model=model) as under_test:
        ada, bob, room = await with_member(under_test)
        left = await ada.client.invoke("RemoveMember", room, ada.me["id"])
        assert left["members"] == [{"id": bob.me["id"], "name": "Bob", "isOwner": True, "devices": 1}]
        assert await ada.client.expect("RoomGone") == [room, "You have left Secret."]
        await bob.ask("A story!", room)
        await bob.watch(await bob.answer()).next("status", status="thinking")
        gone = await bob.client.invoke("RemoveMember", room, bob.me["id"])
        assert gone["members"] == []
        assert model.closed == 1
        assert await refusal(bob, "OpenRoom", room, None) == NOWHERE
        assert len(await under_test.store.rooms.all()) == 3


async def test_a_guest_who_signs_out_leaves_every_private_room() -> None:
    async with chat() as under_test:
        ada, _, room = await with_member(under_test)
        await (await under_test.guest("Bob")).post("sign-out")
        await ada.news("RoomsChanged", lambda told: [each["name"] for each in told[-1]["members"]] == ["Ada"])
        assert [each["name"] for each in (await ada.join(room))["room"]["members"]] == ["Ada"]


async def test_public_rooms_have_no_members_to_add_or_remove() -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        open_to_all = "Everybody can join General: it is not private."
        assert await refusal(ada, "AddMember", "general", "Ada") == open_to_all
        assert await refusal(ada, "RemoveMember", "general", ada.me["id"]) == open_to_all


async def test_rooms_of_one_person_and_members_of_one_room_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rooms, "MEMBERS", 1)
    async with chat(rooms_per_person=2) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = await secret_room(ada)
        full = "Secret has 1 members already, and more are not possible."
        assert await refusal(ada, "AddMember", room["id"], "Bob") == full
        await ada.client.invoke("CreateRoom", "Public")
        assert await refusal(ada, "CreateRoom", "Third") == "You have made 2 rooms already, and more are not possible."
        await bob.client.invoke("CreateRoom", "Third")


async def test_people_with_an_account_and_guests_who_are_here_are_found() -> None:
    async with chat() as under_test:
        for name in ("Adam", "ADELE"):
            await under_test.member(name)
        await under_test.guest("Adrian")  # has not entered
        ada = await under_test.enter("Ada")
        found = await ada.client.invoke("FindPeople", "ad")
        assert [each["name"] for each in found] == ["Ada", "Adam", "ADELE"]
        assert await ada.client.invoke("FindPeople", " ") == []
