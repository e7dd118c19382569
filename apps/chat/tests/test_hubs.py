"""What pages can call, through the real application."""

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
        assert said["author"] == {name: ada.me[name] for name in ("id", "name", "kind", "devices")}
        expected = {"roomId": "general", "seq": 1, "kind": "person", "text": "hello", "clientMessageId": "m1"}
        assert {name: said[name] for name in expected} == expected
        assert said["answer"] is None
        assert said["sentAt"].endswith("Z")
        await eve.client.expect_nothing()
        # Everybody hears in the list of rooms that something new is there.
        await eve.news("RoomsChanged", lambda rooms: rooms[0]["lastSeq"] == 1)


async def test_entering_tells_who_one_is_and_what_there_is() -> None:
    async with chat(guest_tokens=5_000, guest_questions=1) as under_test:
        browser = under_test.browser()
        user = await browser.user("guest", name="  Ada \n Lovelace ")
        page = Page(await under_test.connect(browser))
        entered = await page.enter()
        assert entered["me"] == user | {"name": "Ada Lovelace", "kind": "person", "devices": 0}
        assert [room["name"] for room in entered["rooms"]] == ["General", "Ask the assistant", "Off topic"]
        assert entered["assistant"] == {
            "name": "Assistant",
            "model": "scripted",
            "state": "ready",
            "detail": None,
            "premiumModel": None,
        }
        budget = entered["budget"]
        assert (budget["tokensPerDay"], budget["left"], budget["questionsAtOnce"]) == (5_000, 5_000, 1)
        assert budget["resetsAt"].endswith("T00:00:00Z")
        assert entered["server"]["instance"]


CALLS: list[tuple[Any, ...]] = [
    ("JoinRoom", "general", None),
    ("LeaveRoom", "general"),
    ("CreateRoom", "New"),
    ("SendMessage", "general", "1", "hello"),
    ("Ask", "general", "1", "hello"),
    ("GoOn", "x"),
    ("RetryAnswer", "x"),
    ("Typing", "general"),
    ("LoadEarlier", "general", 1),
    ("AddMember", "general", "Bob"),
    ("RemoveMember", "general", "x"),
    ("FindPeople", "B"),
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
        (("JoinRoom", "nowhere", None), "This room does not exist."),
        (("LeaveRoom", "nowhere"), "This room does not exist."),
        (("CreateRoom", " "), "The room's name is empty."),
        (("CreateRoom", "GENERAL"), "There is a room called GENERAL already."),
        (("SendMessage", "nowhere", "1", "hello"), "This room does not exist."),
        (("SendMessage", "general", "", "hello"), "The message's id is not valid."),
        (("SendMessage", "general", "x" * 65, "hello"), "The message's id is not valid."),
        (("SendMessage", "general", "1", " \n "), "The message is empty."),
        (("SendMessage", "general", "1", "x" * 4001), "The message has 4,001 characters; 4,000 are allowed."),
        (("Ask", "general", "1", "x" * 4001), "The message has 4,001 characters; 4,000 are allowed."),
        (("GoOn", "nothing"), "This message is no longer there."),
        (("RetryAnswer", "nothing"), "This message is no longer there."),
        (("LoadEarlier", "nowhere", 1), "This room does not exist."),
        (("Typing", "nowhere"), "This room does not exist."),
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
        text = "🙂" * 4000
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
        await bob.client.expect_nothing()
        assert await refusal(ada, "SendMessage", "general", "m1", "good-bye") == (
            "Another message was sent under this message's id."
        )


async def test_two_tabs_are_one_person() -> None:
    async with chat() as under_test:
        bob, first = await under_test.enter("Bob"), await under_test.enter("Ada")
        second = await under_test.enter("Ada")
        assert first.me == second.me
        people = (await second.join())["people"]
        assert [(each["name"], each["devices"], each["kind"]) for each in people] == [
            ("Ada", 2, "person"),
            ("Bob", 1, "person"),
            ("Assistant", 0, "assistant"),
        ]
        await bob.names("Ada", "Bob")
        await first.client.stop()
        await bob.news("PeopleChanged", lambda _, people: people[0]["devices"] == 1)
        await second.client.stop()
        await bob.names("Bob")
        await bob.news("RoomsChanged", lambda rooms: rooms[0]["people"] == 1)


async def test_the_welcome_comes_once_and_to_the_newcomer_alone() -> None:
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
        await back.join(since=0)
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
        }
        await bob.news("RoomsChanged", lambda rooms: rooms[-1] == room)
        await bob.join(room["id"])
        await ada.say("hello", room=room["id"])
        assert (await bob.hear())["roomId"] == "cafe-fur-alle"


async def test_typing_is_shown_until_the_message_is_sent() -> None:
    async with chat() as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await ada.client.send("Typing", "general")
        await bob.news("TypingChanged", lambda room, names: (room, names) == ("general", ["Ada"]))
        await ada.say("hello")
        await bob.news("TypingChanged", lambda room, names: names == [])


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
