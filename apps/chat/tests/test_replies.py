"""Replies with a quote, and reactions."""

from pathlib import Path
from typing import Any

from apps.chat.tests.harness import JSON, Page, chat, turns
from apps.chat.tests.test_hubs import refusal
from hubline.models import ScriptedModel
from hubline_chat.attached import EMOJI, Reaction, Reactor, with_reaction

REACTIONS_TS = Path(__file__).parents[1] / "web" / "src" / "messages" / "reactions.ts"


async def reply(page: Page, to: JSON, text: str, client_id: str = "reply") -> JSON:
    said: JSON = await page.client.invoke("SendMessage", to["roomId"], client_id, text, None, to["id"])
    return said


async def changed(page: Page, message: JSON) -> JSON:
    while True:
        [newer] = await page.client.expect("MessageChanged")
        if newer["id"] == message["id"]:
            return dict(newer)


async def test_a_reply_shows_what_it_replies_to_as_it_is_now(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        first = await ada.say("The first\nmessage " + "x" * 300)
        answer = await reply(bob, first, "I agree", "b1")
        quote = {"seq": 1, "id": first["id"], "authorId": ada.me["id"], "authorName": "Ada", "isDeleted": False}
        assert answer["quote"] == quote | {"text": "The first message " + "x" * 181 + "…"}
        [mention] = await ada.client.expect("Mentioned")
        assert mention["id"] == answer["id"]
        assert await reply(bob, first, "I agree", "b1") == answer
        await ada.client.invoke("EditMessage", first["id"], "Edited")
        assert (await bob.join())["messages"][-1]["quote"]["text"] == "Edited"
        await ada.client.invoke("DeleteMessage", first["id"])
        gone = {"seq": 1, "id": "", "authorId": "", "authorName": "", "text": "", "isDeleted": True}
        assert (await bob.join())["messages"][-1]["quote"] == gone
        assert "reply to does not exist" in await refusal(bob, "SendMessage", "general", "b2", "x", None, first["id"])
        room = await ada.client.invoke("CreateRoom", "Other")
        assert "reply to does not exist" in await refusal(ada, "SendMessage", room["id"], "a2", "x", None, answer["id"])
        second = await ada.say("Second")
        await reply(bob, second, "Third", "b3")
    async with chat(data=tmp_path) as under_test:
        eve = await under_test.enter("Eve", room=None)
        quotes = [message["quote"] for message in (await eve.join())["messages"]]
        assert quotes[:3] == [None, gone, None]
        assert quotes[3]["text"] == "Second"


async def test_what_is_cleared_is_in_no_reply(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        first = await ada.say("A secret")
        await reply(ada, first, "Still here")
        room = under_test.chat.rooms.get("general")
        assert room is not None
        await under_test.chat.rooms.clear(room, 2)
        [kept] = (await ada.join())["messages"]
        assert (kept["quote"]["isDeleted"], kept["quote"]["text"]) == (True, "")
        [stored] = await under_test.store.messages.newest("general", 5)
        assert stored.quote is not None
        assert stored.quote.is_deleted


async def test_the_model_is_told_what_a_question_replies_to() -> None:
    model = ScriptedModel(["Yes"])
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        await reply(ada, await ada.say("2 + 2 = 5"), "@ai Is that right?")
        await ada.ended()
        assert turns(model)[-1][1].endswith("> Ada: 2 + 2 = 5\n\nIs that right?")


async def test_reactions_are_added_and_taken_back_before_everybody(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        said = await ada.say("Hello")
        people = [{"id": page.me["id"], "name": name} for page, name in ((bob, "Bob"), (ada, "Ada"))]

        async def react(page: Page, emoji: str, is_on: bool) -> Any:
            return (await page.client.invoke("React", said["id"], emoji, is_on))["reactions"]

        assert await react(bob, "👍", True) == [{"emoji": "👍", "people": people[:1]}]
        assert (await changed(ada, said))["reactions"] == [{"emoji": "👍", "people": people[:1]}]
        assert await react(ada, "👍", True) == [{"emoji": "👍", "people": people}]
        assert await react(ada, "👍", True) == [{"emoji": "👍", "people": people}]
        heard = (await ada.join())["messages"][-1]["sentAt"]
        assert len(await react(ada, "🎉", True)) == 2
        caught_up = await bob.client.invoke("OpenRoom", "general", said["seq"], heard)
        assert [len(each["reactions"]) for each in caught_up["changed"]] == [2]
        assert await react(bob, "👍", False) == [
            {"emoji": "👍", "people": people[1:]},
            {"emoji": "🎉", "people": people[1:]},
        ]
        assert "cannot react" in await refusal(ada, "React", said["id"], "<b>", True)
    async with chat(data=tmp_path) as under_test:
        eve = await under_test.enter("Eve", room=None)
        [kept] = (await eve.join())["messages"]
        assert [each["emoji"] for each in kept["reactions"]] == ["👍", "🎉"]


def test_a_reaction_is_there_once_and_goes_with_its_last_person() -> None:
    ada, bob = Reactor("a", "Ada"), Reactor("b", "Bob")
    one = with_reaction([], "👍", ada, is_on=True)
    assert one == [Reaction("👍", [ada])]
    assert with_reaction(one, "👍", ada, is_on=True) == one
    assert with_reaction(one, "👍", bob, is_on=False) == one
    assert with_reaction(one, "🎉", bob, is_on=False) == one
    assert with_reaction(one, "👍", ada, is_on=False) == []


def test_the_page_offers_what_the_server_takes() -> None:
    source = REACTIONS_TS.read_text("utf-8")
    offered = source.partition("EMOJI: readonly string[] = [")[2].partition("]")[0]
    assert [each.strip(' "\n') for each in offered.split(",") if each.strip()] == list(EMOJI)
