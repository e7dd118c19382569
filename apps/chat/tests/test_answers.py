"""Answers are runs: whoever comes back, comes late or comes from elsewhere has all of them, once."""

import asyncio
import sqlite3
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from unittest.mock import patch

import httpx
import pytest

from apps.chat.tests.harness import JSON, Gate, Page, chat, turns
from apps.chat.tests.test_assistant import BROKEN
from apps.chat.tests.test_hubs import refusal
from hubline import InvocationError
from hubline.models import Delta, ScriptedModel, StopReason
from hubline.models import Message as Turn
from hubline.runs import RunLimits
from hubline.testing import settle
from hubline_chat.answering import RESTARTED, TOO_LONG
from hubline_chat.reading import ANSWER_CHARACTERS, CUT, REASONING_CHARACTERS


async def test_whoever_joins_in_the_middle_on_any_device_has_the_whole_answer() -> None:
    gate = Gate()
    async with chat([f"{number} " for number in range(9)], gate=gate) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Count!")
        watched = [ada.watch(await ada.answer())]
        for count in range(3, 9, 3):
            gate.let(3)
            await watched[0].said("".join(f"{number} " for number in range(count)))
            page = await under_test.enter("Ada" if count == 3 else "Bob", room=None)  # a second device, a late guest
            answer = (await page.join())["messages"][-1]
            assert answer["answer"]["state"] == "running"
            watched.append(page.watch(answer))
        gate.let(4)
        for each in watched:
            assert (await each.end())["state"] == "completed"
            assert each.text == "0 1 2 3 4 5 6 7 8 "


async def test_a_page_that_was_cut_goes_on_where_it_was() -> None:
    gate = Gate()
    async with chat(["Once ", "upon ", "a time"], gate=gate) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("A story!")
        answer = await ada.answer()
        watched = ada.watch(answer)
        gate.let()
        await watched.said("Once ")
        await ada.client.stop()
        gate.let(4)
        back = await under_test.enter("Ada", room=None)
        rest = back.watch(answer, watched.position)
        await rest.end()
        assert (watched.text, rest.text) == ("Once ", "upon a time")
        while (told := (await back.join())["messages"][-1])["answer"]["state"] == "running":
            await settle()
        assert told["text"] == "Once upon a time"


async def test_a_question_of_a_nervous_finger_on_two_devices_runs_once() -> None:
    model = ScriptedModel(["Because."])
    async with chat(model=model) as under_test:
        ada, phone = await under_test.enter("Ada"), await under_test.enter("Ada")
        calls = [each.client.invoke("Ask", "general", "m1", "Why?") for each in (ada, phone, ada)]
        assert len({each["id"] for each in await asyncio.gather(*calls)}) == 1
        await ada.ended()
        assert await ada.client.invoke("Ask", "general", "m1", "Why?")
        kept = (await ada.join())["messages"]
        assert ([each["kind"] for each in kept], len(model.seen)) == (["person", "assistant"], 1)
        [run] = await ada.client.invoke("RoomRuns", "general")
        assert (run["key"], run["starter"]) == ("m1", ada.me["id"])


async def test_what_the_model_thinks_is_kept_apart_from_what_it_says() -> None:
    model = ScriptedModel([Delta(reasoning="Well, "), Delta(reasoning="the sky."), "Because."])
    async with chat(model=model) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        watched = ada.watch(await ada.answer())
        text, answer = await ada.ended()
        assert (text, answer["reasoning"]) == ("Because.", "Well, the sky.")
        await watched.end()
        assert (watched.text, watched.reasoning) == ("Because.", "Well, the sky.")
        await ada.ask("And now?")
        await ada.ended()
        assert turns(model)[-2:] == [("assistant", "Because."), ("user", "And now?")]


async def killed(data: Path) -> tuple[httpx.Cookies, JSON]:
    """What a process leaves behind that is killed in the middle of an answer, in `killed.db`."""
    gate = Gate()
    async with chat(["Once ", "upon"], gate=gate, data=data) as under_test:
        cookies = (await under_test.guest("Ada")).http.cookies
        ada = await under_test.enter("Ada")
        await ada.client.invoke("Ask", "general", "m1", "A story!")
        answer = await ada.answer()
        gate.let()
        await ada.watch(answer).said("Once ")
        await under_test.chat.assistant.save()
        with sqlite3.connect(data / "hubline-chat.db") as now, sqlite3.connect(data / "killed.db") as left:
            now.backup(left)
        now.close()
        left.close()
    return cookies, answer


async def test_after_a_kill_the_answer_is_interrupted_and_goes_on_from_where_it_stopped(tmp_path: Path) -> None:
    cookies, before = await killed(tmp_path)
    gate = Gate()
    model = ScriptedModel(["upon ", "a time"], pace=gate)
    async with chat(model=model, data=tmp_path, database=f"sqlite:///{tmp_path / 'killed.db'}") as under_test:
        page = Page(await under_test.connect(under_test.browser(cookies=cookies)))
        await page.enter()
        answer = (await page.join())["messages"][-1]
        assert (answer["id"], answer["text"], answer["answer"]["state"]) == (before["id"], "Once ", "interrupted")
        assert answer["answer"]["error"] == RESTARTED
        with pytest.raises(InvocationError, match=r"The run does not exist\."):
            await page.watch(before).end()
        # The question is not asked again by a page that does not know whether it was taken.
        await page.client.invoke("Ask", "general", "m1", "A story!")
        assert model.seen == []

        await asyncio.gather(*(page.client.invoke("GoOn", answer["id"]) for _ in range(2)))
        [on] = await page.client.expect("MessageChanged")
        assert (on["id"], on["seq"], on["text"], on["answer"]["state"]) == (answer["id"], 2, "Once ", "running")
        watched = page.watch(on)
        await watched.said("Once ")
        gate.let(4)
        text, ended = await page.ended()
        assert (text, ended["state"], ended["error"]) == ("Once upon a time", "completed", None)
        await watched.end()
        assert watched.text == text
        assert turns(model)[1:] == [("user", "A story!"), ("assistant", "Once ")]
        assert len(model.seen) == 1
        assert await refusal(page, "GoOn", answer["id"]) == "This answer has no text to continue."


async def test_an_answer_that_goes_on_and_is_cut_again_before_it_began_keeps_its_text() -> None:
    gate = Gate()
    gate.let(3)
    async with chat(["Once ", BROKEN], gate=gate) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("A story!")
        broken = await ada.answer()
        assert (await ada.ended())[0] == "Once "
        await ada.ask("Something else")
        await ada.client.invoke("GoOn", broken["id"])
        [on] = await ada.client.expect("MessageChanged")
        await ada.watch(on).next("status", status="queued", place=1)
        await ada.stop(on)
        text, answer = await ada.ended()
        assert (text, answer["state"]) == ("Once ", "stopped")


async def test_an_answer_that_a_limit_of_length_cut_says_so_and_goes_on() -> None:
    def script(messages: Sequence[Turn]) -> list[Delta]:
        return [Delta("upon")] if messages[-1].role == "assistant" else [Delta("Once ", stop=StopReason.LENGTH)]

    async with chat(model=ScriptedModel(script)) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("A story!")
        message = await ada.answer()
        text, answer = await ada.ended()
        assert (text, answer["state"], answer["error"], answer["canGoOn"]) == ("Once ", "completed", TOO_LONG, True)
        await ada.client.invoke("GoOn", message["id"])
        text, answer = await ada.ended()
        assert (text, answer["state"], answer["error"], answer["canGoOn"]) == ("Once upon", "completed", None, False)
        assert await refusal(ada, "GoOn", message["id"]) == "This answer has no text to continue."


@pytest.mark.parametrize("tokens", [None, 10_000_000], ids=["unlimited", "limited"])
async def test_a_piece_longer_than_an_answer_may_be_is_cut_at_the_limit(tokens: int | None) -> None:
    async with chat(["Yes: ", "y" * 2_000_000], guest_tokens=tokens) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("A long one!")
        text, answer = await ada.ended()
        assert text == "Yes: " + "y" * (ANSWER_CHARACTERS - 5)
        assert (answer["state"], answer["error"], answer["canGoOn"]) == ("completed", TOO_LONG, False)
        bob = await under_test.enter("Bob", room=None)  # the page is not more than a connection takes
        assert (await bob.join())["messages"][-1]["text"] == text


async def test_reasoning_is_kept_up_to_its_limit_and_counts_in_pages() -> None:
    thoughts = [Delta(reasoning="m" * 60_000)] * 40
    async with chat([*thoughts, "Yes."]) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        text, answer = await ada.ended()
        assert (text, answer["state"]) == ("Yes.", "completed")
        assert answer["reasoning"] == "m" * REASONING_CHARACTERS + CUT
        await ada.ask("Why again?")
        await ada.ended()
        opened = await (await under_test.enter("Bob", room=None)).join()
        assert [each["text"] for each in opened["messages"]] == ["Why again?", "Yes."]
        assert opened["hasMore"]


@pytest.mark.parametrize("tokens", [None, 1_000_000], ids=["unlimited", "limited"])
async def test_a_run_of_the_largest_size_is_too_long_and_nobodys_tokens_are_used_up(tokens: int | None) -> None:
    with patch("hubline_chat.assistant.RunLimits", partial(RunLimits, text=100)):
        async with chat(["a" * 200], guest_tokens=tokens) as under_test:
            ada = await under_test.enter("Ada")
            await ada.ask("A long one!")
            text, answer = await ada.ended()
            assert (text, answer["state"], answer["error"]) == ("a" * 100, "completed", TOO_LONG)
