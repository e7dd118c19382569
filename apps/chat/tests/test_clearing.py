"""The assistant asks before it clears a room's history."""

import pytest

from apps.chat.tests.harness import JSON, ChatUnderTest, Page, Watched, chat
from apps.chat.tests.test_hubs import refusal
from hubline import InvocationError
from hubline.models import ScriptedModel
from hubline_chat.clearing import is_clearing


@pytest.mark.parametrize(
    "text",
    [
        "clear the history",
        "Please delete this room's messages!",
        "erase the whole chat history, please",
        "Clear history.",
    ],
)
def test_the_wish_is_understood(text: str) -> None:
    assert is_clearing(text)


@pytest.mark.parametrize(
    "text",
    ["How do I clear the history of bash?", "history", "clear the table", "delete the history of Rome from my notes"],
)
def test_other_questions_are_for_the_model(text: str) -> None:
    assert not is_clearing(text)


async def asked(under_test: ChatUnderTest) -> tuple[Page, Page, Watched, JSON, JSON]:
    """Bob wishes to clear Ada's room, in which three things were said: both pages, and what Ada sees of it."""
    ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
    room = (await ada.client.invoke("CreateRoom", "Plans"))["id"]
    for page in (ada, bob):
        await page.join(room)
    for text in ("one", "two", "three"):
        await ada.say(text, room)
    await bob.say("@ai clear the history", room)
    answer = await ada.answer()
    watched = ada.watch(answer)
    return ada, bob, watched, answer, await watched.next("ask")


async def texts(page: Page, answer: JSON) -> list[str]:
    return [each["text"] for each in (await page.join(answer["roomId"]))["messages"]]


async def test_the_owner_is_asked_and_agrees() -> None:
    model = ScriptedModel(["not me"])
    async with chat(model=model) as under_test:
        ada, bob, watched, answer, ask = await asked(under_test)
        assert (ask["prompt"], ask["schema"]) == ("Delete 3 messages of Plans?", {"type": "boolean"})
        [deciders] = [each["value"] for each in watched.items if each["kind"] == "data"]
        assert deciders == [{"id": ada.me["id"], "name": "Ada"}]
        run_id = answer["answer"]["runId"]
        assert await refusal(bob, "AnswerRun", run_id, ask["askId"], True) == "The run does not exist."
        assert await refusal(ada, "AnswerRun", run_id, ask["askId"], "perhaps") != ""
        late = bob.watch(answer)
        assert (await late.next("ask"))["askId"] == ask["askId"]  # survives a reload
        await ada.client.invoke("AnswerRun", run_id, ask["askId"], True)
        said = (
            "This deletes 3 messages of Plans, for everybody and for good."
            "\n\nDone: Ada agreed, and 3 messages are gone."
        )
        for page in (ada, bob):
            assert await page.client.expect("HistoryCleared") == [answer["roomId"], 4]
            assert (await page.ended())[0] == said
        for each in (watched, late):
            assert (await each.next("answered"))["by"] == ada.me["id"]
            await each.end()
            assert each.text == said
        assert await texts(ada, answer) == ["@ai clear the history", said]
        await under_test.chat.journal.flush()
        kept = await under_test.store.messages.newest(answer["roomId"], 9)
        assert [(each.seq, each.text) for each in kept] == [(4, "@ai clear the history"), (5, said)]
        assert (await ada.say("on", answer["roomId"]))["seq"] == 6
        with pytest.raises(InvocationError, match="Already answered"):
            await ada.client.invoke("AnswerRun", run_id, ask["askId"], True)
        assert model.seen == []


@pytest.mark.parametrize("how", ["declined", "stopped"])
async def test_nothing_is_deleted_when_the_owner_declines_or_somebody_stops_it(how: str) -> None:
    async with chat() as under_test:
        ada, bob, _, answer, ask = await asked(under_test)
        if how == "declined":
            await ada.client.invoke("AnswerRun", answer["answer"]["runId"], ask["askId"], False)
        else:
            await bob.stop(answer)
        text, ended = await ada.ended()
        assert (ended["state"], "declined" in text) == (
            "completed" if how == "declined" else "stopped",
            how == "declined",
        )
        assert (await texts(ada, answer))[:3] == ["one", "two", "three"]


async def test_administrators_decide_nothing_in_private_rooms_of_others() -> None:
    async with chat() as under_test:
        await under_test.member("Root", role="admin")
        ada = await under_test.enter("Ada")
        room = (await ada.client.invoke("CreateRoom", "Secret", True))["id"]
        await ada.join(room)
        await ada.say("one", room)
        await ada.say("@assistant clear the history", room)
        watched = ada.watch(await ada.answer())
        assert (await watched.next("data"))["value"] == [{"id": ada.me["id"], "name": "Ada"}]


async def test_of_a_room_that_nobody_owns_administrators_decide_and_an_empty_one_needs_nobody() -> None:
    async with chat() as under_test:
        await under_test.member("Root", role="admin")
        root, ada = await under_test.enter("Root"), await under_test.enter("Ada")
        await ada.say("@ai clear the history")
        assert (await ada.ended())[0] == "There is nothing to clear."
        await ada.say("@ai clear the history")
        while (answer := await root.answer())["seq"] != 4:
            pass
        ask = await root.watch(answer).next("ask")
        run_id = answer["answer"]["runId"]
        assert await refusal(ada, "AnswerRun", run_id, ask["askId"], True) == "The run does not exist."
        await root.client.invoke("AnswerRun", run_id, ask["askId"], True)
        assert await root.client.expect("HistoryCleared") == ["general", 3]


async def test_who_decides_nothing_holds_nobody_up() -> None:
    """The owner is away: the room goes on, and the decision comes when it comes, in its turn."""
    model = ScriptedModel(["It ", "rains."])
    async with chat(model=model) as under_test:
        ada, bob, watched, answer, ask = await asked(under_test)
        room = answer["roomId"]
        await bob.say("@ai the weather?", room)
        while (other := await bob.answer())["seq"] < 6:
            pass
        seen = bob.watch(other)
        await seen.end()
        assert seen.text == "It rains."
        await ada.client.invoke("AnswerRun", answer["answer"]["runId"], ask["askId"], True)
        await watched.end()
        assert watched.text.endswith("Done: Ada agreed, and 3 messages are gone.")
        left = (await ada.join(room))["messages"]
        assert [each["seq"] for each in left] == [4, 5, 6, 7]
