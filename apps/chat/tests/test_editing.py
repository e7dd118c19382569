"""Messages are edited and deleted, and answers made anew in their places."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from apps.chat.tests.harness import JSON, Gate, Page, chat, turns
from apps.chat.tests.test_hubs import refusal
from hubline.models import ScriptedModel
from hubline_chat import assistant, past

NOT_YOURS = "Only its author, the owner of the room or an administrator can delete a message."
GONE = "This message does not exist any more."
BUSY = "This message is being answered: wait for the answer or stop it."


async def changed(page: Page) -> JSON:
    [message] = await page.client.expect("MessageChanged")
    return dict(message)


def counting() -> ScriptedModel:
    """A model that counts its answers."""
    model = ScriptedModel(lambda _: [f"answer {len(model.seen)}"])
    return model


async def messages(page: Page, room: str = "general") -> list[tuple[str, bool]]:
    return [(each["text"], each["isDeleted"]) for each in (await page.join(room))["messages"]]


async def test_a_message_is_edited_by_its_author_before_everybody_and_for_good(database_url: str) -> None:
    async with chat(database=database_url) as under_test:
        await under_test.member("Root", role="admin")
        ada, bob, root = [await under_test.enter(name) for name in ("Ada", "Bob", "Root")]
        said = await ada.say("helo")
        assert (said["editedAt"], said["isDeleted"], said["versions"]) == (None, False, 1)
        edited = await ada.client.invoke("EditMessage", said["id"], "hello  ")
        assert edited == said | {"text": "hello", "editedAt": edited["editedAt"]}
        assert edited["editedAt"].endswith("Z")
        for page in (ada, bob):
            assert await changed(page) == edited
        for page in (bob, root):
            assert await refusal(page, "EditMessage", said["id"], "x") == "Only messages of your own can be edited."
        assert await refusal(ada, "EditMessage", said["id"], " ") == "The message is empty."
        assert await ada.client.invoke("EditMessage", said["id"], "hello") == edited  # nothing to do
        assert await bob.hear() == said
        await bob.client.expect_nothing()
    async with chat(database=database_url) as under_test:
        joined = await (await under_test.enter("Eve")).join()
        assert joined["messages"] == [edited]


async def test_an_edit_counts_for_mentions_and_tells_only_those_who_are_new() -> None:
    async with chat() as under_test:
        ada, bob, cy = [await under_test.enter(name) for name in ("Ada", "Bob", "Cy")]
        said = await ada.say("@Bob")
        await bob.client.expect("Mentioned")
        edited = await ada.client.invoke("EditMessage", said["id"], "@Bob and @Cy")
        assert list(await cy.client.expect("Mentioned")) == [edited]
        assert [each["mentions"] for each in (await cy.enter())["reads"] if each["roomId"] == "general"] == [[1]]
        await ada.client.invoke("EditMessage", said["id"], "nobody")
        for page in (bob, cy):
            assert all(not each["mentions"] for each in (await page.enter())["reads"])


async def test_a_message_is_deleted_by_its_author_the_owner_and_administrators(database_url: str) -> None:
    async with chat(database=database_url) as under_test:
        await under_test.member("Root", role="admin")
        ada, bob, root = [await under_test.enter(name) for name in ("Ada", "Bob", "Root")]
        room = (await ada.client.invoke("CreateRoom", "Plans"))["id"]
        for page in (ada, bob, root):
            await page.join(room)
        said = [await bob.say(text, room) for text in ("by Bob", "by Ada", "by Root", "@Ada stays")]
        general = await ada.say("not Bob's")
        assert await refusal(bob, "DeleteMessage", general["id"]) == NOT_YOURS
        for page, message in zip((bob, ada, root), said, strict=False):
            await page.client.invoke("DeleteMessage", message["id"])
            told = await changed(bob)
            assert (told["id"], told["text"], told["isDeleted"]) == (message["id"], "", True)
            assert await refusal(page, "DeleteMessage", message["id"]) == GONE
        assert await refusal(bob, "EditMessage", said[0]["id"], "back") == GONE
    async with chat(database=database_url) as under_test:
        eve = await under_test.enter("Eve")
        assert await messages(eve, room) == [("", True), ("", True), ("", True), ("@Ada stays", False)]
        assert (await eve.say("next", room))["seq"] == 5


async def test_what_was_deleted_is_not_told_to_the_model_and_mentions_nobody() -> None:
    model = counting()
    async with chat(model=model) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        secret = await ada.say("@ai @Bob the secret?")
        answer = await ada.answer()
        await ada.ended()
        for message in (secret, answer):
            await ada.client.invoke("DeleteMessage", message["id"])
        assert all(not each["mentions"] for each in (await bob.enter())["reads"])
        await ada.say("@ai what?")
        await ada.ended()
        assert [content for role, content in turns(model) if role != "system"] == ["what?"]


async def test_an_answer_is_made_anew_in_its_place_and_its_versions_are_kept(database_url: str) -> None:
    async with chat(model=counting(), database=database_url) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await ada.say("@ai Why?")
        answer = await ada.answer()
        await ada.ended()
        for number in (2, 3):
            await bob.client.invoke("RetryAnswer", answer["id"])
            again = await changed(ada)
            assert (again["id"], again["seq"], again["versions"], again["text"]) == (answer["id"], 2, number, "")
            assert (again["answer"]["state"], again["answer"]["askedBy"]["name"]) == ("running", "Bob")
            assert (await ada.ended())[0] == f"answer {number}"
        assert [each[0] for each in await messages(ada)] == ["@ai Why?", "answer 3"]
    async with chat(database=database_url) as under_test:
        eve = await under_test.enter("Eve")
        [_, last] = (await eve.join())["messages"]
        assert (last["text"], last["versions"]) == ("answer 3", 3)
        for number in (1, 2):
            version = await eve.client.invoke("AnswerVersion", last["id"], number)
            assert (version["messageId"], version["number"]) == (last["id"], number)
            assert (version["text"], version["answer"]["state"]) == (f"answer {number}", "completed")
        for number in (0, 3, 4):
            assert await refusal(eve, "AnswerVersion", last["id"], number) == "This version does not exist any more."


@pytest.mark.parametrize("call", ["RetryAnswer", "GoOn"])
async def test_who_lets_the_answer_of_somebody_else_be_made_anew_may_not_delete_it(call: str) -> None:
    gate = Gate()
    async with chat(model=ScriptedModel(["Once ", "upon"], pace=gate)) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await ada.say("@ai A story!")
        answer = await ada.answer()
        gate.let()
        await ada.watch(answer).said("Once ")
        await ada.stop(answer)
        await ada.ended()
        gate.let(2)
        await bob.client.invoke(call, answer["id"])
        assert (await ada.ended())[1]["askedBy"]["name"] == "Bob"
        assert await refusal(bob, "DeleteMessage", answer["id"]) == NOT_YOURS
        await ada.client.invoke("DeleteMessage", answer["id"])
        assert await messages(bob) == [("@ai A story!", False), ("", True)]


async def test_a_question_is_edited_and_its_answer_made_anew() -> None:
    model = counting()
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        question = await ada.say("@ai Wy?")
        answer = await ada.answer()
        await ada.ended()
        await ada.say("something else")
        await ada.client.invoke("EditMessage", question["id"], "@ai Why?", True)
        assert (await changed(ada))["text"] == "@ai Why?"
        running = await changed(ada)
        assert (running["id"], running["versions"], running["answer"]["state"]) == (answer["id"], 2, "running")
        assert (await ada.ended())[0] == "answer 2"
        assert turns(model)[-1] == ("user", "Why?")
        assert [each[0] for each in await messages(ada)] == ["@ai Why?", "answer 2", "something else"]


async def test_a_message_that_was_not_answered_is_answered_when_it_is_asked_again() -> None:
    async with chat(model=counting()) as under_test:
        ada = await under_test.enter("Ada")
        said = await ada.say("Why?")
        await ada.say("something else")
        await ada.client.invoke("EditMessage", said["id"], "@ai Why?", True)
        answer = await ada.answer()
        assert (answer["seq"], answer["answer"]["questionId"]) == (3, said["id"])
        assert (await ada.ended())[0] == "answer 1"


async def test_what_is_being_answered_is_left_alone() -> None:
    gate = Gate()
    async with chat(["Once ", "upon"], gate=gate) as under_test:
        ada = await under_test.enter("Ada")
        question = await ada.say("@ai A story!")
        answer = await ada.answer()
        gate.let()
        await ada.watch(answer).said("Once ")
        for method, *arguments in (("EditMessage", question["id"], "x"), ("DeleteMessage", question["id"])):
            assert await refusal(ada, method, *arguments) == BUSY
        assert await refusal(ada, "DeleteMessage", answer["id"]) == BUSY
        assert await refusal(ada, "RetryAnswer", answer["id"]) == "This question is being answered."
        await ada.stop(answer)
        assert (await ada.ended())[1]["state"] == "stopped"
        await ada.client.invoke("DeleteMessage", question["id"])
        await changed(ada)
        assert await refusal(ada, "RetryAnswer", answer["id"]) == "The question does not exist any more."
        await ada.client.invoke("DeleteMessage", answer["id"])
        assert await messages(ada) == [("", True), ("", True)]


async def test_of_several_who_try_again_at_once_one_does() -> None:
    gate = Gate()
    async with chat(model=ScriptedModel(["Once"], pace=gate)) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        gate.let()
        await ada.say("@ai A story!")
        answer = await ada.answer()
        await ada.ended()
        calls = [page.client.invoke("RetryAnswer", answer["id"]) for page in (ada, bob, ada)]
        results: list[Any] = await asyncio.gather(*calls, return_exceptions=True)
        assert sorted(isinstance(each, dict) for each in results) == [False, False, True]
        gate.let()
        assert (await ada.ended())[0] == "Once"
        assert (await ada.join())["messages"][1]["versions"] == 2


async def test_versions_are_limited_and_an_answer_without_text_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assistant, "VERSIONS", 2)
    scripts: list[list[Any]] = [[ValueError("nothing")], ["one"], ["two"]]
    model = ScriptedModel(lambda _: scripts[len(model.seen) - 1])
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        await ada.say("@ai Why?")
        answer = await ada.answer()
        assert (await ada.ended())[1]["state"] == "failed"
        for versions, text in ((1, "one"), (2, "two")):
            assert (await ada.client.invoke("RetryAnswer", answer["id"]))["versions"] == versions
            assert (await ada.ended())[0] == text
        sentence = "This question was answered 2 times already. Ask it anew."
        assert await refusal(ada, "RetryAnswer", answer["id"]) == sentence


async def test_what_left_memory_long_ago_can_be_edited_and_deleted(tmp_path: Path) -> None:
    async with chat(model=counting(), data=tmp_path, history_messages=100) as under_test:
        ada = await under_test.enter("Ada")
        question = await ada.say("@ai Why?")
        answer = await ada.answer()
        await ada.ended()
        history = under_test.chat.rooms.find("general", "").history
        history.restore(replace(history.newest_first()[0], id="later", seq=102))  # as if much had been said since
        assert history.find(question["id"]) is None
        await ada.client.invoke("EditMessage", question["id"], "@ai Why not?", True)
        assert (await ada.ended())[0] == "answer 2"
        await ada.client.invoke("DeleteMessage", question["id"])
        earlier = (await ada.client.invoke("LoadEarlier", "general", 3))["messages"]
        assert [(each["id"], each["text"]) for each in earlier] == [(question["id"], ""), (answer["id"], "answer 2")]


async def test_a_page_that_was_away_gets_what_was_changed_in_what_it_has() -> None:
    async with chat(model=counting()) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        said = [await ada.say(text) for text in ("@ai Why?", "edited", "deleted", "same")]
        await ada.ended()
        await ada.client.invoke("LeaveRoom", "general")
        before = (await ada.join())["messages"]
        heard = max(each["sentAt"] for each in before)
        with patch.object(past, "OVERLAP", timedelta()):
            await bob.client.invoke("RetryAnswer", before[1]["id"])
            await bob.ended()
            await bob.ended()
            page = await under_test.enter("Ada", room=None)
            await page.client.invoke("EditMessage", said[1]["id"], "new")
            await page.client.invoke("DeleteMessage", said[2]["id"])
            joined = await page.client.invoke("OpenRoom", "general", 5, heard)
        changed_texts = {each["seq"]: (each["text"], each["isDeleted"]) for each in joined["changed"]}
        numbers = {each["text"]: each["seq"] for each in before}
        assert changed_texts.pop(numbers["answer 1"]) == ("answer 2", False)
        assert changed_texts.pop(numbers["edited"]) == ("new", False)
        assert changed_texts.pop(numbers["deleted"]) == ("", True)
        assert all(text == "same" for text, _ in changed_texts.values())  # the last one was said at that time
        assert (joined["messages"], joined["reset"], joined["clearedBefore"]) == ([], False, 0)


async def test_a_page_that_was_away_hears_what_was_cleared(tmp_path: Path) -> None:
    async with chat(data=tmp_path) as under_test:
        ada = await under_test.enter("Ada")
        for text in ("one", "two", "three"):
            await ada.say(text)
        await under_test.chat.rooms.clear(under_test.chat.rooms.find("general", ""), 3)
        assert (await ada.join(since=3))["clearedBefore"] == 3
    async with chat(data=tmp_path) as under_test:
        assert (await (await under_test.enter("Eve")).join(since=3))["clearedBefore"] == 3
