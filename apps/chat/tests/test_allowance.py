"""What each person may have of the assistant."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from apps.chat.tests.harness import ChatUnderTest, Gate, Page, chat, turns
from apps.chat.tests.test_assistant import BROKEN
from apps.chat.tests.test_hubs import refusal
from hubline.models import ScriptedModel, Usage
from hubline_chat import app
from hubline_chat.allowance import Allowance
from hubline_chat.answering import TOO_LONG
from hubline_chat.catalogue import pair
from hubline_chat.settings import ChatSettings

NIGHT = "There will be more at 00:00 UTC."
WORD = "x" * 64
"""Sixteen tokens."""


class Reporting(ScriptedModel):
    """A model that reports another number of tokens than four characters each."""

    def __init__(self, script: list[str], usage: Usage) -> None:
        super().__init__(script, name="reporting")
        self.usage = usage

    async def stream(self, messages: Any, *, tools: Any = ()) -> Any:
        async for delta in super().stream(messages, tools=tools):
            yield replace(delta, usage=self.usage if delta.stop else None)


async def used(under_test: ChatUnderTest, page: Page) -> int:
    return await under_test.store.usage.used(page.me["id"], datetime.now(UTC).date())


async def test_an_answer_that_reaches_the_days_budget_ends_there_and_keeps_its_text() -> None:
    model = ScriptedModel([WORD] * 20)
    async with chat(model=model, guest_tokens=60, system_prompt="") as under_test:
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await ada.ask("Why?")
        text, answer = await ada.ended()
        assert (text, answer["state"]) == (WORD * 4, "limited")
        assert answer["error"] == f"Your 60 tokens of today are used up, so the answer ends here. {NIGHT}"
        assert (await bob.ended())[1]["state"] == "limited"
        assert model.closed == 1
        await ada.news("BudgetChanged", lambda budget: budget["left"] == 0)
        assert await used(under_test, ada) == 65  # "Why?" and four times 16
        assert await refusal(ada, "Ask", "general", "x", "Why?") == f"Your 60 tokens of today are used up. {NIGHT}"
        assert await refusal(ada, "SendMessage", "general", "y", "@ai Why?") != ""
        assert (await ada.say("I can still talk"))["text"] == "I can still talk"
        await bob.ask("And I?")  # has a budget of his own
        assert (await bob.ended())[1]["state"] == "limited"


async def test_the_budget_survives_a_restart_and_counts_from_the_beginning_on_another_day(tmp_path: Path) -> None:
    async with chat(model=Reporting([WORD], Usage(1, 16)), data=tmp_path, guest_tokens=100) as under_test:
        cookie = (await under_test.guest("Ada")).http.cookies
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        await ada.ended()
        await ada.news("BudgetChanged", lambda budget: budget["left"] == 83)
    async with chat([WORD], data=tmp_path, guest_tokens=100) as under_test:
        client = await under_test.connect(under_test.browser(cookies=cookie))
        entered = await client.invoke("Enter")
        assert entered["budget"]["left"] == 83
        user = await under_test.store.users.get(entered["me"]["id"])
        assert user is not None
        settings = ChatSettings(guest_tokens=100)
        later = datetime.now(UTC) + timedelta(days=1)
        tomorrow = Allowance(under_test.store.usage, settings, lambda _: None, now=lambda: later)
        assert (await tomorrow.budget(user)).left == 100


@pytest.mark.parametrize(("usage", "expected"), [(Usage(100, 23), 123), (Usage(1, 1), 2)])
async def test_an_answer_costs_what_the_model_reports(usage: Usage, expected: int) -> None:
    async with chat(model=Reporting([WORD], usage), system_prompt="", guest_tokens=1000) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        await ada.ended()
        await ada.news("BudgetChanged", lambda budget: budget["left"] == 1000 - expected)
        assert await used(under_test, ada) == expected


@pytest.mark.parametrize("script", [[BROKEN], [WORD, WORD, BROKEN]])
async def test_an_answer_that_fails_costs_nothing_whatever_was_said(script: list[Any]) -> None:
    async with chat(script, guest_tokens=60, system_prompt="", guest_questions=1) as under_test:
        ada = await under_test.enter("Ada")
        for _ in range(3):  # what was set aside for one is there for the next
            await ada.ask("Why?")
            assert (await ada.ended())[1]["state"] == "failed"
        assert await used(under_test, ada) == 0


async def test_what_answers_in_progress_may_cost_together_is_what_is_left() -> None:
    gate = Gate()
    async with chat([WORD] * 20, gate=gate, guest_tokens=60, system_prompt="", model_slots=2) as under_test:
        ada = await under_test.enter("Ada")
        await ada.join("off-topic")
        watched = []
        for room in ("general", "off-topic"):
            await ada.ask("Why?", room)
            watched.append(ada.watch(await ada.answer()))
            await watched[-1].next("status", status="thinking")
        gate.let(40)
        ends = [await each.end() for each in watched]
        assert [each["state"] for each in ends] == ["limited", "limited"]
        assert sum(len(each.text) for each in watched) // 64 <= 5


async def test_an_answer_that_was_said_to_its_end_is_complete_whatever_it_cost() -> None:
    async with chat(model=Reporting([WORD], Usage(500, 20)), guest_tokens=100, system_prompt="") as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        text, answer = await ada.ended()
        assert (text, answer["state"], answer["error"]) == (WORD, "completed", None)
        await ada.news("BudgetChanged", lambda budget: budget["left"] == 0)


async def test_a_stopped_answer_costs_what_was_said_and_once() -> None:
    gate = Gate()
    async with chat([WORD] * 3, gate=gate, system_prompt="", guest_tokens=1000) as under_test:
        ada = await under_test.enter("Ada")
        await ada.ask("Why?")
        answer = await ada.answer()
        gate.let(2)
        await ada.watch(answer).said(WORD * 2)
        await ada.stop(answer)
        await ada.news("BudgetChanged", lambda budget: budget["left"] == 1000 - 33)
        assert await used(under_test, ada) == 33


@pytest.mark.parametrize(
    ("questions", "sentence"),
    [
        (1, "A question of yours is open. Wait for its answer or stop it."),
        (3, "3 of your questions are open. Wait for an answer or stop one."),
    ],
)
async def test_so_many_questions_at_once_and_after_an_answer_another(questions: int, sentence: str) -> None:
    gate = Gate()
    async with chat(gate=gate, guest_questions=questions) as under_test:
        ada = await under_test.enter("Ada")
        for _ in range(questions):
            await ada.ask("Why?")
        assert await refusal(ada, "Ask", "general", "x", "Why?") == sentence
        gate.let()
        await ada.ended()
        await ada.ask("Why?")


async def test_a_tier_without_tokens_cannot_ask() -> None:
    async with chat(guest_tokens=0) as under_test:
        ada = await under_test.enter("Ada")
        assert await refusal(ada, "Ask", "general", "x", "Why?") == (
            "The assistant is not for your account. An administrator can change that."
        )


@asynccontextmanager
async def two_models(**changes: Any) -> AsyncIterator[tuple[ChatUnderTest, ScriptedModel, ScriptedModel]]:
    small = ScriptedModel(["Small."], name="small")
    large = ScriptedModel(["Large."], name="large")
    async with chat(model=small, premium_model=large, **changes) as under_test:
        yield under_test, small, large


async def test_a_plain_message_in_the_assistants_room_is_posted_though_it_cannot_be_answered() -> None:
    async with chat(guest_tokens=0) as under_test:
        ada, bob = [await under_test.enter(name, room="ask-the-assistant") for name in ("Ada", "Bob")]
        said = await ada.say("hello everybody", "ask-the-assistant")
        assert said["seq"] == 1
        for page in (ada, bob):
            assert await page.hear() == said
        sentence = "The assistant is not for your account. An administrator can change that."
        assert list(await ada.client.expect("NotAnswered")) == [said, sentence]
        await bob.client.expect_nothing()
        # Who asks expressly is told so, and nothing is posted.
        for method, text in (("SendMessage", "@ai Why?"), ("Ask", "Why?")):
            assert await refusal(ada, method, "ask-the-assistant", method, text) == sentence
        await bob.client.expect_nothing()


async def test_premium_is_refused_with_a_sentence_and_granted_at_once() -> None:
    async with two_models() as (under_test, _, large):
        root = await under_test.member("Root", role="admin")
        await under_test.member("Ada")
        ada = await under_test.enter("Ada")
        refused = "Premium is for premium accounts. An administrator can make yours one."
        assert await refusal(ada, "Ask", "general", "x", "Why?", "premium") == refused
        changed = await root.http.patch(f"/api/people/{ada.me['id']}", json={"tier": "premium"})
        assert changed.json()["user"]["tier"] == "premium"
        [me] = await ada.news("AccountChanged", lambda me: me["tier"] == "premium")
        assert me == ada.me | {"tier": "premium"}
        await ada.news("BudgetChanged", lambda budget: budget["tokensPerDay"] == 200_000)
        await ada.client.invoke("Ask", "general", "x", "Why?", "premium")
        text, answer = await ada.ended()
        assert (text, answer["model"], turns(large)[-1]) == ("Large.", "premium", ("user", "Why?"))
        await root.http.patch(f"/api/people/{ada.me['id']}", json={"tier": "free"})
        await ada.news("AccountChanged", lambda me: me["tier"] == "free")
        assert await refusal(ada, "Ask", "general", "y", "Why?", "premium") == refused


async def test_the_standard_model_answers_everything_else() -> None:
    async with two_models() as (under_test, small, large):
        await under_test.member("Ada", tier="premium")
        ada = await under_test.enter("Ada")
        assert (await ada.enter())["assistant"]["models"][1]["note"] == "large"
        await ada.client.invoke("Ask", "general", "x", "Why?")
        assert (await ada.ended())[1]["model"] == "standard"
        await ada.say("@ai Why?")
        assert (await ada.ended())[0] == "Small."
        assert (len(small.seen), len(large.seen)) == (2, 0)
        assert await refusal(ada, "Ask", "general", "y", "Why?", "gigantic")


async def test_trying_again_asks_the_same_model_of_who_may_and_the_standard_one_of_others() -> None:
    async with two_models() as (under_test, small, large):
        await under_test.member("Ada", tier="premium")
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        await ada.ask("Why?", model="premium")
        answer = await bob.answer()
        await ada.ended()
        assert (await ada.client.invoke("RetryAnswer", answer["id"]))["answer"]["model"] == "premium"
        await ada.ended()
        assert (await bob.client.invoke("RetryAnswer", answer["id"]))["answer"]["model"] == "standard"
        await ada.ended()
        assert (len(small.seen), len(large.seen)) == (1, 2)


async def test_with_one_model_premium_answers_are_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    model = ScriptedModel(["a", "b", "c"])
    monkeypatch.setattr(app, "make_models", lambda *_: pair(model, model, pieces=2))
    async with chat(replaced=False) as under_test:
        await under_test.member("Ada", tier="premium")
        ada = await under_test.enter("Ada")
        assert (await ada.enter())["assistant"]["models"][1]["note"] == "Longer answers of the same model"
        await ada.ask("Why?")
        text, answer = await ada.ended()
        assert (text, answer["state"], answer["error"]) == ("ab", "completed", TOO_LONG)
        assert answer["canGoOn"]
        await ada.ask("Why?", model="premium")
        text, answer = await ada.ended()
        assert (text, answer["error"], answer["canGoOn"]) == ("abc", None, False)
