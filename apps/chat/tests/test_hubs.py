"""What pages can call, through the real application."""

from pathlib import Path
from typing import Any

import pytest

from apps.chat.tests.harness import Page, chat
from hubline import InvocationError


async def test_a_message_reaches_everyone_in_the_room_and_nobody_else() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        eve = await under_test.enter("Eve", room="off-topic")
        said = await ada.say("hello", message_id="m1")
        assert await ada.hear() == await bob.hear() == said
        assert said["author"] == {name: ada.me[name] for name in ("id", "name", "kind")}
        expected = {"roomId": "general", "seq": 1, "kind": "person", "text": "hello", "clientMessageId": "m1"}
        assert {name: said[name] for name in expected} == expected
        assert said["answer"] is None
        assert said["sentAt"].endswith("Z")
        await eve.client.expect_nothing()
        # Everybody hears in the list of rooms that something new is there.
        await eve.news("RoomsChanged", lambda rooms: rooms[0]["lastSeq"] == 1)


MODEL = {"contextTokens": None, "inputPrice": None, "outputPrice": None, "takesImages": False, "takesTools": False}
"""Nothing is known of it."""


async def test_entering_tells_who_one_is_and_what_there_is() -> None:
    async with chat(guest_tokens=5_000, guest_questions=1) as under_test:
        browser = under_test.browser()
        user = await browser.user("guest", name="  Ada \n Lovelace ")
        page = Page(await under_test.connect(browser))
        entered = await page.enter()
        shown = {name: value for name, value in user.items() if name != "hasPassword"}
        assert entered["me"] == shown | {"name": "Ada Lovelace", "kind": "person"}
        assert [room["name"] for room in entered["rooms"]] == ["General", "Ask the assistant", "Off topic"]
        assert entered["assistant"] == {
            "name": "Assistant",
            "model": "scripted",
            "state": "ready",
            "detail": None,
            "models": [
                MODEL | {"id": "standard", "name": "Standard", "tier": "guest", "note": "scripted"},
                MODEL
                | {"id": "premium", "name": "Premium", "tier": "premium", "note": "Longer answers of the same model"},
            ],
            "currency": "USD",
            "tools": [],
        }
        budget = entered["budget"]
        assert (budget["tokensPerDay"], budget["left"], budget["questionsAtOnce"]) == (5_000, 5_000, 1)
        assert budget["resetsAt"].endswith("T00:00:00Z")
        assert entered["server"]["instance"]


CALLS: list[tuple[Any, ...]] = [
    ("OpenRoom", "general", None),
    ("JoinRoom", "general"),
    ("LeaveRoom", "general"),
    ("CreateRoom", "New"),
    ("SendMessage", "general", "1", "hello"),
    ("Ask", "general", "1", "hello"),
    ("GoOn", "x"),
    ("ChooseModel", "general", "standard"),
    ("InstructAssistant", "general", "Be brief."),
    ("RetryAnswer", "x"),
    ("SignalRoom", "general", "typing"),
    ("RoomMembers", "general"),
    ("SendToRoom", "general", "hello"),
    ("LoadEarlier", "general", 1),
    ("MarkRead", "general", 1),
    ("EditMessage", "x", "hello"),
    ("DeleteMessage", "x"),
    ("AnswerVersion", "x", 1),
    ("AddMember", "general", "Bob"),
    ("RemoveMember", "general", "x"),
    ("FindPeople", "B"),
    ("ArchiveRoom", "general", True),
    ("RetainMessages", "general", 3),
]


@pytest.mark.parametrize("call", CALLS, ids=lambda call: str(call[0]))
async def test_nothing_works_before_entering(call: tuple[Any, ...]) -> None:
    async with chat() as under_test:
        client = await under_test.connect(await under_test.guest("Ada"))
        assert await refusal(Page(client), *call) == "Enter first."
        await client.expect_nothing()


async def test_the_time_of_the_server_is_told_to_everybody() -> None:
    async with chat() as under_test:
        client = await under_test.connect(await under_test.guest("Ada"))
        assert (await client.invoke("Ping")).endswith("Z")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (("OpenRoom", "nowhere", None), "This room does not exist."),
        (("JoinRoom", "nowhere"), "The room does not exist."),
        (("SendToRoom", "general", "past the database"), "The room does not exist."),
        (("SetRoomState", "general", {"name": "Grace"}), "Your name is that of your account."),
        (("LeaveRoom", "nowhere"), "This room does not exist."),
        (("CreateRoom", " "), "The room's name is empty."),
        (("CreateRoom", "GENERAL"), "There is a room called GENERAL already."),
        (("SendMessage", "nowhere", "1", "hello"), "This room does not exist."),
        (("SendMessage", "general", "", "hello"), "The message's id is not valid."),
        (("SendMessage", "general", "x" * 65, "hello"), "The message's id is not valid."),
        (("SendMessage", "general", "1", " \n "), "The message is empty."),
        (("SendMessage", "general", "1", "x" * 32_001), "The message has 32,001 characters; 32,000 are allowed."),
        (("Ask", "general", "1", "x" * 32_001), "The message has 32,001 characters; 32,000 are allowed."),
        (("GoOn", "nothing"), "This message does not exist any more."),
        (("RetryAnswer", "nothing"), "This message does not exist any more."),
        (("EditMessage", "nothing", "hello"), "This message does not exist any more."),
        (("DeleteMessage", "nothing"), "This message does not exist any more."),
        (("AnswerVersion", "nothing", 1), "This message does not exist any more."),
        (("LoadEarlier", "nowhere", 1), "This room does not exist."),
        (("SignalRoom", "nowhere", "typing"), "The room does not exist."),
    ],
)
async def test_what_is_not_allowed_is_refused_with_a_sentence(call: tuple[Any, ...], text: str) -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        assert await refusal(ada, *call) == text
        await ada.client.expect_nothing()


async def test_the_longest_message_is_allowed_in_any_script() -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        text = "🙂" * 32_000
        assert (await ada.say(text))["text"] == text


async def test_a_wrong_type_is_an_error_of_that_call_only() -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        assert await refusal(ada, "SendMessage", "general", 1, {"text": "hello"})
        assert (await ada.say("hello"))["seq"] == 1


async def test_a_message_sent_again_is_said_once() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        first = await ada.say("hello", message_id="m1")
        again = await under_test.enter("Ada")  # the page after a reconnect: same session, new connection
        assert await again.say("hello", message_id="m1") == first
        assert (await bob.say("hello", message_id="m1"))["id"] != first["id"]
        assert [(await bob.hear())["seq"] for _ in range(2)] == [1, 2]
        assert await bob.client.expect("ReadChanged") == ["general", 2]
        await bob.client.expect_nothing()
        assert await refusal(ada, "SendMessage", "general", "m1", "good-bye") == (
            "Another message was sent under this message's id."
        )


async def test_two_tabs_are_one_person() -> None:
    async with chat() as under_test:
        bob, first = await under_test.enter("Bob"), await under_test.enter("Ada")
        second = await under_test.enter("Ada")
        assert first.me == second.me
        for page in (second, bob):
            await page.here({"Ada": 1, "Bob": 1})
        await first.client.stop()
        await second.client.stop()
        await bob.names("Bob")
        await bob.news("RoomsChanged", lambda rooms: rooms[0]["people"] == 1)


async def test_people_are_here_with_their_devices() -> None:
    async with chat() as under_test:
        bob = await under_test.enter("Bob")
        await under_test.member("Ada")
        two = under_test.browser()
        await two.user("sign-in", name="Ada", password="secret of Ada")
        first = await under_test.enter("Ada")
        room = (await first.client.invoke("CreateRoom", "Plans", True))["id"]
        second = Page(await under_test.connect(two))
        assert (await second.enter())["me"]["id"] == first.me["id"]
        await second.join()
        await bob.here({"Ada": 2, "Bob": 1})
        await second.client.invoke("LeaveRoom", "general")
        await bob.here({"Ada": 1, "Bob": 1})
        await first.news("RoomsChanged", lambda rooms: [m["devices"] for m in rooms[-1]["members"]] == [2])
        await second.client.stop()
        await first.client.invoke("AddMember", room, "Bob")
        await first.news("RoomsChanged", lambda rooms: [m["devices"] for m in rooms[-1]["members"]] == [1, 1])


async def test_rooms_tell_when_something_was_said_last(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        assert [each["lastAt"] for each in (await ada.enter())["rooms"]] == [None, None, None]
        said = await ada.say("hello", "off-topic")
        await ada.news("RoomsChanged", lambda rooms: rooms[-1]["lastAt"] == said["sentAt"])
    async with chat(data=tmp_path) as under_test:
        bob = await under_test.enter("Bob")
        assert [each["lastAt"] for each in (await bob.enter())["rooms"]] == [None, None, said["sentAt"]]


async def test_who_writes_is_told_to_the_others_in_the_room_under_their_own_names_only() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        eve = await under_test.enter("Eve", room="off-topic")
        await ada.client.invoke("SignalRoom", "general", "anything", {"name": "Grace"})
        room, signal = await bob.news("RoomSignal", lambda room, signal: True)
        assert (room, signal["kind"], signal["value"], signal["by"]) == ("general", "typing", None, ada.me["id"])
        await eve.client.invoke("SignalRoom", "off-topic", "typing")
        await eve.client.fence()
        assert [page.heard("RoomSignal") for page in (ada, eve)] == [None, None]


async def test_nobody_is_there_under_the_name_or_on_the_device_of_somebody_else() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await ada.client.invoke(
            "JoinRoom", "general", None, {"device": "x", "state": {"name": "Bob"}, "visible": False}
        )
        await bob.here({"Ada": 1, "Bob": 1})


async def test_who_is_cut_and_comes_back_has_never_left_and_who_signs_out_leaves_at_once() -> None:
    async with chat(grace=600.0) as under_test:
        bob, eve = await under_test.enter("Bob"), await under_test.enter("Eve")
        await under_test.member("Ada")
        await under_test.enter("Ada")
        await bob.names("Ada", "Bob", "Eve")
        await eve.client.stop()
        await (await under_test.enter("Eve", room=None)).join()
        await (await under_test.guest("Ada")).post("sign-out")
        await bob.names("Bob", "Eve")
        assert [each for each in bob.changes if each[0] == "leave"] == [("leave", "Ada")]


async def test_who_is_cut_leaves_once_after_the_time_of_grace() -> None:
    async with chat(grace=0.01) as under_test:
        bob, ada = await under_test.enter("Bob"), await under_test.enter("Ada")
        await bob.names("Ada", "Bob")
        await ada.client.stop()
        await bob.names("Bob")
        await bob.news("RoomsChanged", lambda rooms: rooms[0]["people"] == 1)
        assert bob.changes == [("enter", "Ada"), ("leave", "Ada")]


async def test_the_list_says_who_is_there_also_when_the_last_one_has_gone() -> None:
    async with chat() as under_test:
        eve, bob = await under_test.enter("Eve", room="off-topic"), await under_test.enter("Bob")
        await eve.news("RoomsChanged", lambda rooms: rooms[0]["people"] == 1)
        await bob.client.stop()
        await eve.news("RoomsChanged", lambda rooms: rooms[0]["people"] == 0)


async def test_the_welcome_says_how_the_assistant_is_asked_in_this_room() -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada", room=None)
        await ada.join()
        assert (await ada.hear())["text"] == "Welcome to General, Ada! Write @ai in a message to ask the assistant."
        bob = await under_test.enter("Bob", room=None)
        await bob.join("ask-the-assistant")
        said = "Welcome to Ask the assistant, Bob! The assistant answers every message here."
        assert (await bob.hear())["text"] == said


async def test_the_welcome_comes_at_the_first_visit_and_to_the_newcomer_alone() -> None:
    async with chat() as under_test:
        bob = await under_test.enter("Bob")
        ada = await under_test.enter("Ada", room=None)
        await ada.join()
        note = await ada.hear()
        assert (note["seq"], note["author"]["name"], note["text"].startswith("Welcome to General, Ada!")) == (
            0,
            "System",
            True,
        )
        await ada.join("off-topic")
        await ada.client.expect_nothing()
        await bob.client.expect_nothing()
        back = await under_test.enter("Ada", room=None)
        await back.join("ask-the-assistant")
        await back.client.expect_nothing()


async def test_who_leaves_a_room_hears_it_no_more() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await bob.client.invoke("LeaveRoom", "general")
        await ada.names("Ada")
        await ada.say("hello")
        await bob.client.expect_nothing()


async def test_a_new_room_is_in_the_list_of_everybody() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = await ada.client.invoke("CreateRoom", "Café  für alle!")
        assert room == {
            "id": "cafe-fur-alle",
            "name": "Café für alle!",
            "topic": "",
            "people": 0,
            "lastSeq": 0,
            "isPrivate": False,
            "members": [],
            "asks": False,
            "owners": [ada.me["id"]],
            "isArchived": False,
            "retentionDays": None,
            "lastAt": room["lastAt"],
            "isConversation": False,
            "isPair": False,
            "model": None,
        }
        await bob.news("RoomsChanged", lambda rooms: rooms[-1] == room)
        await bob.join(room["id"])
        await ada.say("hello", room=room["id"])
        assert (await bob.hear())["roomId"] == "cafe-fur-alle"


async def test_who_was_away_gets_what_was_missed_and_who_was_away_too_long_the_newest() -> None:
    async with chat() as under_test:
        for author in range(6):  # nobody may say so much at once
            page = await under_test.enter(f"Author {author}")
            for number in range(42):
                await page.say(str(number))
        bob = await under_test.enter("Bob", room=None)
        caught_up = await bob.join(since=52)
        assert ([each["seq"] for each in caught_up["messages"]], caught_up["reset"]) == (list(range(53, 253)), False)
        for since in (51, 253, -1):
            afresh = await bob.join(since=since)
            assert ([each["seq"] for each in afresh["messages"]], afresh["reset"]) == (list(range(203, 253)), True)
        first = await bob.join()
        assert ([each["seq"] for each in first["messages"]], first["hasMore"], first["reset"]) == (
            list(range(203, 253)),
            True,
            False,
        )
        earlier = await bob.client.invoke("LoadEarlier", "general", 203)
        assert ([each["seq"] for each in earlier["messages"]], earlier["hasMore"]) == (list(range(153, 203)), True)
        earliest = await bob.client.invoke("LoadEarlier", "general", 51)
        assert ([each["seq"] for each in earliest["messages"]], earliest["hasMore"]) == (list(range(1, 51)), False)
        assert await bob.client.invoke("LoadEarlier", "general", 1) == {"messages": [], "hasMore": False}


@pytest.mark.parametrize("transport", ["sse", "long_polling"])
async def test_it_works_on_every_transport(transport: str) -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada", transport=transport)
        said = await ada.say("hello")
        assert await ada.hear() == said


async def refusal(page: Page, *call: Any) -> str:
    with pytest.raises(InvocationError) as raised:
        await page.client.invoke(*call)
    return raised.value.message.partition("HubException: ")[2] or raised.value.message
