"""Questions and answers, through the real application with a scripted model."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from apps.chat.tests.harness import NOWHERE, Gate, chat, settings, turns
from apps.chat.tests.test_hubs import refusal
from hubline.models import Fault, ModelError, ScriptedModel
from hubline.testing import settle
from hubline_chat import assistant
from hubline_chat.models import make_models
from tests.models.endpoint import CHUNKED, END, endpoint, event, piece

BROKEN = ModelError("scripted", Fault.BROKEN, "broke off its answer")


async def test_an_answer_grows_in_the_room_piece_by_piece() -> None:
    gate = Gate()
    async with chat(["Be", "cause ", "of 🌈", "s."], gate=gate) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        question = await ada.ask("Why?")
        watched = []
        for page in (ada, bob):
            assert await page.hear() == question
            answer = await page.hear()
            assert (answer["kind"], answer["author"]["kind"], answer["text"]) == ("assistant", "assistant", "")
            assert answer["answer"]["state"] == "running"
            assert (answer["answer"]["askedBy"], answer["answer"]["questionId"]) == (question["author"], question["id"])
            watched.append(page.watch(answer))
            await watched[-1].next("status", status="thinking")
        for text in ("Be", "cause ", "of 🌈", "s."):
            gate.let()
            assert [(await each.next("text"))["text"] for each in watched] == [text, text]
        for page, each in zip((ada, bob), watched, strict=True):
            gate.let()
            text, ended = await page.ended()
            assert (text, ended["state"], ended["error"]) == ("Because of 🌈s.", "completed", None)
            assert (ended["endedAt"] >= ended["startedAt"], ended["elapsed"] >= 0) == (True, True)
            assert ((await each.end())["state"], each.text) == ("completed", text)


@pytest.mark.parametrize(
    "text", ["@ai Why?", "@AI why?", "  @ai, why?", "@ai\nwhy?", "@assistant why?", "hey @ai why?"]
)
async def test_a_message_to_ai_is_a_question(text: str) -> None:
    model = ScriptedModel(["Because."])
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        await ada.say(text)
        assert (await ada.ended())[0] == "Because."
    assert turns(model)[-1][1].lower() == (text if text.startswith("hey") else "why?")


async def test_in_the_assistants_room_a_plain_message_is_a_question() -> None:
    model = ScriptedModel(["Because."])
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada", room="ask-the-assistant")
        rooms = (await ada.enter())["rooms"]
        assert {room["id"]: room["asks"] for room in rooms} == {
            "general": False,
            "ask-the-assistant": True,
            "off-topic": False,
        }
        for text in ("Why?", "@ai Why?"):
            await ada.say(text, "ask-the-assistant")
            assert (await ada.ended())[0] == "Because."
    assert [turns(model, index)[-1][1] for index in (0, 1)] == ["Why?", "Why?"]


@pytest.mark.parametrize("text", ["@aim high", "mail@ai question", "@ai", "`@ai` asks", "@assistants why?"])
async def test_other_messages_are_none(text: str) -> None:
    async with chat() as under_test:
        ada = await under_test.enter("Ada")
        await ada.say(text)
        assert (await ada.hear())["text"] == text
        await ada.client.expect("ReadChanged")
        await ada.client.expect_nothing()


async def test_a_question_sent_again_is_answered_once() -> None:
    model = ScriptedModel(["Because."])
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        question = await ada.say("@ai Why?", message_id="m1")
        assert await ada.say("@ai Why?", message_id="m1") == question
        await ada.ended()
        assert len(model.seen) == 1


async def test_questions_of_a_room_wait_their_turn_and_everybody_sees_their_place() -> None:
    gate = Gate()
    async with chat(["Yes."], gate=gate) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        for page in (ada, bob, ada):
            await page.ask("Really?")
        first, second, third = [bob.watch(await bob.answer()) for _ in range(3)]
        await first.next("status", status="thinking")
        assert [await each.next("status") for each in (second, third)] == [
            each.items[-1] | {"status": "queued", "place": place} for each, place in ((second, 1), (third, 2))
        ]
        gate.let()
        assert (await bob.ended())[0] == "Yes."
        await second.next("status", status="thinking")
        await third.next("status", status="queued", place=1)
        for _ in range(2):
            gate.let()
            assert (await bob.ended())[0] == "Yes."


async def test_rooms_do_not_wait_for_each_other_but_for_the_model() -> None:
    gate = Gate()
    async with chat(["Yes."], gate=gate, model_slots=2) as under_test:
        rooms = ("general", "off-topic", "ask-the-assistant")
        pages = [await under_test.enter(name, room=room) for name, room in zip("ABC", rooms, strict=True)]
        watched = []
        for page, room, status in zip(pages, rooms, ("thinking", "thinking", "busy"), strict=True):
            await page.ask("Really?", room)
            watched.append(page.watch(await page.answer()))
            await watched[-1].next("status", status=status)
        gate.let()
        await watched[2].next("status", status="thinking")
        gate.let(2)
        for page in pages:
            assert (await page.ended())[0] == "Yes."


async def test_anyone_in_the_room_may_stop_an_answer_and_its_text_stays() -> None:
    gate = Gate()
    model = ScriptedModel(["Once ", "upon ", "a time"], pace=gate)
    async with chat(model=model) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        eve = await under_test.enter("Eve", room="off-topic")
        await ada.ask("A story!")
        answer = await bob.answer()
        watched = bob.watch(answer)
        gate.let()
        await watched.said("Once ")
        assert await refusal(eve, "StopRun", answer["answer"]["runId"]) == "The run does not exist."
        assert (await bob.stop(answer))["state"] == "stopped"
        assert model.closed == 1
        assert (await watched.end())["state"] == "stopped"
        for page in (ada, bob):
            text, ended = await page.ended()
            assert (text, ended["state"], ended["error"]) == ("Once ", "stopped", None)
        assert (await ada.stop(answer))["state"] == "stopped"  # once more does no harm
        kept = (await ada.join())["messages"][-1]
        assert (kept["text"], kept["answer"]["state"]) == ("Once ", "stopped")


async def test_who_asked_may_stop_it_from_elsewhere() -> None:
    async with chat(gate=Gate()) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        answer = await ada.answer()
        await ada.client.invoke("LeaveRoom", "general")
        await ada.stop(answer)
        await ada.join()
        assert (await ada.join())["messages"][-1]["answer"]["state"] == "stopped"


async def test_a_waiting_question_can_be_stopped_and_those_behind_move_up() -> None:
    model = ScriptedModel(["Yes."], pace=Gate())
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        for _ in range(3):
            await ada.ask("Really?")
        _, second, third = [await ada.answer() for _ in range(3)]
        behind = ada.watch(third)
        await behind.next("status", status="queued", place=2)
        await ada.stop(second)
        assert (await ada.ended())[1]["state"] == "stopped"
        await behind.next("status", status="queued", place=1)
        assert len(model.seen) == 1


@pytest.mark.parametrize(
    ("script", "text", "error"),
    [
        ([BROKEN], "", "scripted broke off its answer."),
        (["Be", BROKEN], "Be", "scripted broke off its answer."),
        (["Be", "cause"], "Be", "The answer took too long and was ended."),
    ],
)
async def test_a_failing_model_is_told_and_the_text_stays(script: list[Any], text: str, error: str) -> None:
    gate = Gate()
    gate.let(2 if BROKEN in script else 1)
    limit = 300 if BROKEN in script else 0.05
    async with chat(script, gate=gate, answer_seconds=limit) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        seen, ended = await ada.ended()
        assert (seen, ended["state"], ended["error"]) == (text, "failed", error)


async def test_a_model_with_a_bug_is_told_without_its_details() -> None:
    def bug(messages: object) -> list[str]:
        raise ValueError("secret detail")

    async with chat(model=ScriptedModel(bug)) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        _, ended = await ada.ended()
        assert (ended["state"], ended["error"]) == ("failed", assistant.UNEXPECTED)
        await ada.ask("Are you still there?")
        assert (await ada.ended())[1]["state"] == "failed"


async def test_an_answer_can_be_tried_again() -> None:
    scripts: list[list[Any]] = [["Be", BROKEN], ["Because."]]
    model = ScriptedModel(lambda _: scripts[len(model.seen) - 1])
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        question = await ada.ask("Why?")
        failed = await ada.answer()
        assert (await ada.ended())[1]["state"] == "failed"
        await ada.client.invoke("RetryAnswer", failed["id"])
        [again] = await ada.client.expect("MessageChanged")
        assert (again["id"], again["versions"], again["text"]) == (failed["id"], 2, "")
        assert again["answer"]["questionId"] == question["id"]
        assert (await ada.ended())[0] == "Because."
        assert await refusal(ada, "RetryAnswer", question["id"]) == "This message is not an answer."


async def test_a_question_is_not_answered_twice_at_the_same_time() -> None:
    async with chat(gate=Gate()) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        answer = await ada.answer()
        assert await refusal(ada, "RetryAnswer", answer["id"]) == "This question is being answered."


async def test_questions_are_limited_per_person_and_in_all() -> None:
    async with chat(gate=Gate()) as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        for _ in range(4):
            await ada.ask("Why?")
        too_many = "4 of your questions are open. Wait for an answer or stop one."
        assert await refusal(ada, "Ask", "general", "x", "Why?") == too_many
        assert await refusal(ada, "SendMessage", "general", "y", "@ai Why?") == too_many
        assert (await bob.ask("Why?"))["seq"] == 9


async def test_the_model_is_told_what_was_asked_before() -> None:
    model = ScriptedModel(lambda messages: [f"Answer {len(messages)}"])
    async with chat(model=model, system_prompt="Be brief.") as under_test:
        ada = await under_test.enter("Ada")
        for text in ("@ai First?", "just talking", "@ai Second?"):
            await ada.say(text)
            if text.startswith("@ai"):
                await ada.ended()
    assert turns(model) == [
        ("system", "Be brief."),
        ("user", "First?"),
        ("assistant", "Answer 2"),
        ("user", "Second?"),
    ]


async def test_any_openai_compatible_endpoint_answers() -> None:
    async with endpoint(
        CHUNKED, piece("\n\nBe"), piece("cause"), piece(None, "length"), event("[DONE]"), END
    ) as server:
        chosen = settings(NOWHERE, model_url=server.url, model="m", model_key="key")
        models = make_models(chosen, lambda *_: None)
        async with chat(model=models.usual.model) as under_test:
            ada = await under_test.enter("Ada")
            await ada.ask("Why?")
            text, ended = await ada.ended()
    assert (text, ended["state"]) == ("Because", "completed")
    assert ended["error"] == "The answer reached its limit of length."
    headers, body = server.requests[0]
    assert (headers["authorization"], body["model"], body["messages"][-1]["content"]) == ("bearer key", "m", "Why?")


async def test_questions_asked_while_the_model_starts_wait_for_it() -> None:
    async with chat(["Yes."]) as under_test:
        ada = await under_test.enter("Ada")
        state = under_test.chat
        state.set_model_state("starting", "loading SmolLM2")
        told = await ada.news("AssistantChanged", lambda assistant: assistant["state"] == "starting")
        assert told[0]["detail"] == "loading SmolLM2"
        await ada.ask("Really?")
        await ada.watch(await ada.answer()).next("status", status="starting")
        state.set_model_state("ready", None)
        assert (await ada.ended())[0] == "Yes."


async def test_the_end_of_the_server_interrupts_answers_and_keeps_their_text() -> None:
    gate = Gate()
    async with chat(["Once ", "upon"], gate=gate) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("A story!")
        watched = ada.watch(await ada.answer())
        await ada.ask("Another one!")
        gate.let()
        await watched.said("Once ")
        drained = asyncio.ensure_future(under_test.chat.finish())
        ended = [await ada.ended() for _ in range(2)]
        assert [(text, answer["state"], answer["error"]) for text, answer in ended] == [
            ("", "interrupted", "A server restart interrupted the answer."),
            ("Once ", "interrupted", "A server restart interrupted the answer."),
        ]
        assert (await watched.end())["state"] == "interrupted"
        await drained
        assert await refusal(ada, "Ask", "general", "x", "Why?") == "The server is restarting. Try again in a moment."


async def test_a_model_that_fails_costs_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async with chat(model=ScriptedModel(["Be", BROKEN])) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        assert (await ada.ended())[1]["state"] == "failed"
    [told] = [record for record in caplog.records if "an answer failed" in record.message]
    assert told.message == f"an answer failed: {BROKEN}"
    assert told.exc_info is None


async def test_a_question_whose_model_was_lost_before_the_first_word_waits_for_it_and_is_answered() -> None:
    lives: Iterator[list[str | ModelError]] = iter(
        [[ModelError("scripted", Fault.UNREACHABLE, "cannot be reached")], ["Because."]]
    )
    gate = Gate()
    model = ScriptedModel(lambda _: next(lives), pace=gate)
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        await ada.watch(await ada.answer()).next("status", status="thinking")
        under_test.chat.set_model_state("starting", "starting scripted again: its process ended")
        gate.let()
        async with asyncio.timeout(60):
            while model.closed == 0:
                await settle()
        assert len(model.seen) == 1
        under_test.chat.set_model_state("ready", None)
        gate.let()
        text, answer = await ada.ended()
        assert (text, answer["state"], len(model.seen)) == ("Because.", "completed", 2)


async def test_an_answer_without_a_word_says_so() -> None:
    async with chat([" \n"]) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        text, answer = await ada.ended()
        assert (text, answer["state"], answer["error"]) == ("", "completed", "The model gave no answer.")
