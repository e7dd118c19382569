"""Several models: the file that describes them, who may use which, what is chosen for a room, and what it costs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from apps.chat.tests.harness import ChatUnderTest, Page, chat, turns
from apps.chat.tests.test_hubs import refusal
from hubline import ConfigurationError
from hubline.models import OpenAIModel, ScriptedModel
from hubline_chat import app
from hubline_chat.catalogue import Catalogue, Offer
from hubline_chat.contract_models import Access, Model
from hubline_chat.model_file import read_models
from hubline_chat.models import make_models
from hubline_chat.settings import ChatSettings

FILE = """
currency = "EUR"

[[models]]
id = "small"
name = "Small"
model = "gpt-5-mini"
url = "http://127.0.0.1:1/v1"
input_price = 0.25
output_price = 2

[[models]]
id = "large"
name = "Large"
model = "gpt-5"
url = "https://models.example/v1"
key_variable = "LARGE_KEY"
tier = "premium"
context = 128_000
answer_tokens = 4_000
images = true
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "models.toml"
    path.write_text(text, "utf-8")
    return path


async def test_a_file_describes_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LARGE_KEY", "secret")
    settings = ChatSettings(models=written(tmp_path, FILE))
    made = make_models(settings, lambda *_: None)
    assert (made.currency, made.has_prices, settings.is_local, settings.guests_allowed) == ("EUR", True, False, False)
    small, large = made.offers
    assert small.info == Model("small", "Small", "guest", "gpt-5-mini", None, 0.25, 2.0, False)
    assert large.info == Model("large", "Large", "premium", "gpt-5", 128_000, None, None, True)
    assert [type(offer.model) for offer in made.offers] == [OpenAIModel, OpenAIModel]
    assert (small.budget("x" * 100), large.budget("x" * 100)) == (12_000, 124_000 * 3 - 100)
    assert (small.cost(1_000, 10), large.cost(1_000, 10)) == (270, None)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("[[models]]", "[[models", "models.toml is not valid TOML"),
        ('currency = "EUR"', "money = 1", "'money' is unknown"),
        ('"EUR"', '"euro"', "currency is 'euro'"),
        ('url = "http://127.0.0.1:1/v1"', "", "model 1 (small): object missing required field `url`"),
        ("0.25", '"cheap"', "model 1 (small): input_price: expected `float`, got `str`"),
        ("0.25", "-1.0", "model 1 (small): input_price: expected `float` >= 0.0"),
        ('"premium"', '"gold"', "model 2 (large): tier: invalid enum value 'gold'"),
        ("context", "contxt", "model 2 (large): object contains unknown field `contxt`"),
        ('id = "large"', 'id = "small"', "two models have the id 'small'"),
        ('name = "Large"', 'name = "small"', "two models are called 'small'"),
        ("LARGE_KEY", "OTHER_KEY", "the key of 'large' should be in OTHER_KEY, which is not set"),
    ],
)
def test_mistakes_in_the_file_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str, problem: str
) -> None:
    monkeypatch.setenv("LARGE_KEY", "secret")
    with pytest.raises(ConfigurationError) as raised:
        read_models(written(tmp_path, FILE.replace(before, after, 1)))
    assert problem in "\n".join(raised.value.problems)
    assert "secret" not in str(raised.value)


def test_every_mistake_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as raised:
        read_models(written(tmp_path, FILE.replace("0.25", '"cheap"').replace("128_000", "5")))
    assert len(raised.value.problems) == 2
    with pytest.raises(ConfigurationError, match="needs 1 to 50 tables"):
        read_models(written(tmp_path, ""))
    with pytest.raises(ConfigurationError, match="No such file"):
        read_models(tmp_path / "nothing.toml")


def test_a_file_stands_alone(tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="so HUBLINE_CHAT_MODEL, HUBLINE_CHAT_MODEL_URL must not be set"):
        ChatSettings(models=written(tmp_path, FILE), model="m", model_url="http://127.0.0.1/v1")


class Scripted:
    """Three models: for everybody, for people with an account, and for administrators."""

    def __init__(self) -> None:
        self.models = {name: ScriptedModel([f"{name}."], name=name) for name in ("Small", "Large", "Secret")}

    def catalogue(self, tiers: tuple[Access, ...] = ("guest", "free", "admin")) -> Catalogue:
        infos = [
            Model(name.lower(), name, tier, input_price=100.0, output_price=1_000.0)
            for name, tier in zip(self.models, tiers, strict=True)
        ]
        return Catalogue([Offer(info, self.models[info.name], 12_000) for info in infos])


@asynccontextmanager
async def scripted(
    monkeypatch: pytest.MonkeyPatch, **changes: Any
) -> AsyncIterator[tuple[ChatUnderTest, dict[str, ScriptedModel]]]:
    models = Scripted()
    monkeypatch.setattr(app, "make_models", lambda *_: models.catalogue())
    async with chat(replaced=False, **changes) as under_test:
        yield under_test, models.models


async def answered(page: Page, asker: Page, text: str) -> tuple[str, str]:
    """Text and model of the answer to a question, as another page hears it."""
    await asker.say(f"@ai {text}")
    said, answer = await page.ended()
    if page is not asker:
        await asker.ended()
    return said, answer["model"]


async def test_a_model_is_chosen_for_a_room_and_answers_all_who_may_use_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with scripted(monkeypatch, data=tmp_path) as (under_test, _):
        await under_test.member("Ada")
        await under_test.member("Root", role="admin")
        ada, bob, root = [await under_test.enter(name) for name in ("Ada", "Bob", "Root")]
        assert await answered(bob, ada, "Why?") == ("Small.", "small")
        chosen = await ada.client.invoke("ChooseModel", "general", "large")
        assert chosen["model"] == "large"
        await bob.news("RoomsChanged", lambda rooms: rooms[0]["model"] == "large")
        assert await answered(bob, ada, "Why?") == ("Large.", "large")
        # A guest is answered by the first model that is theirs.
        assert await answered(ada, bob, "Why?") == ("Small.", "small")
        for page, model, reason in (
            (bob, "small", "Only the owner of a room or an administrator can do this."),
            (bob, "large", "Large is for people with an account. Create one to use it."),
            (ada, "secret", "Secret is for administrators."),
            (ada, "nothing", "This model is not offered any more. Choose another one."),
        ):
            assert await refusal(page, "ChooseModel", "general", model) == reason
        await root.client.invoke("ChooseModel", "general", "secret")
        assert await answered(ada, root, "Why?") == ("Secret.", "secret")
        own = await bob.client.invoke("CreateRoom", "Mine")
        assert (await bob.client.invoke("ChooseModel", own["id"], "small"))["model"] == "small"
    async with scripted(monkeypatch, data=tmp_path) as (under_test, _):
        eve = await under_test.enter("Eve")
        assert (await eve.join())["room"]["model"] == "secret"


async def test_trying_again_asks_the_model_that_was_chosen_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(monkeypatch) as (under_test, _):
        await under_test.member("Ada")
        ada = await under_test.enter("Ada")
        await ada.say("@ai Why?")
        answer = await ada.answer()
        await ada.ended()
        await ada.client.invoke("ChooseModel", "general", "large")
        await ada.client.invoke("RetryAnswer", answer["id"])
        assert (await ada.ended())[0] == "Large."


async def test_a_model_that_is_not_offered_any_more_is_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with scripted(monkeypatch, data=tmp_path) as (under_test, _):
        await under_test.member("Ada")
        ada = await under_test.enter("Ada")
        await ada.client.invoke("ChooseModel", "general", "large")
        await ada.say("@ai Why?")
        answer = await ada.answer()
        await ada.ended()
    async with chat(["New."], data=tmp_path) as under_test:
        bob = await under_test.enter("Bob")
        await bob.say("@ai Why?")
        assert (await bob.ended())[0] == "New."
        again = await bob.client.invoke("RetryAnswer", answer["id"])
        assert again["answer"]["model"] == "standard"


async def test_without_a_model_for_them_guests_are_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    models = Scripted()
    monkeypatch.setattr(app, "make_models", lambda *_: models.catalogue(("free", "premium", "admin")))
    async with chat(replaced=False) as under_test:
        bob = await under_test.enter("Bob")
        told = await refusal(bob, "SendMessage", "general", "x", "@ai Why?")
        assert told == "No model is for your account. An administrator can change that."


async def test_what_an_answer_has_cost_is_told_with_it_and_counted_for_the_day(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with scripted(monkeypatch) as (under_test, models):
        ada = await under_test.enter("Ada")
        assert (await ada.enter())["budget"]["cost"] == 0
        await ada.say("@ai Why?")
        _, answer = await ada.ended()
        told = len(models["Small"].seen[0])  # the scripted model reports turns and pieces
        assert answer["told"] == told
        assert (answer["tokens"], answer["cost"]) == (told + 1, (told * 100 + 1_000) / 1_000_000)
        await ada.news("BudgetChanged", lambda budget: budget["cost"] == answer["cost"])
    async with chat(["Free."]) as under_test:
        ada = await under_test.enter("Ada")
        assert (await ada.enter())["budget"]["cost"] is None
        await ada.say("@ai Why?")
        assert (await ada.ended())[1]["cost"] is None


async def test_the_instructions_of_a_room_are_told_to_the_model_and_to_all_who_are_there(tmp_path: Path) -> None:
    model = ScriptedModel(["Aye."])
    async with chat(model=model, data=tmp_path, system_prompt="Be kind.") as under_test:
        await under_test.member("Ada")
        ada, bob = await under_test.enter("Ada"), await under_test.enter("Bob")
        room = (await ada.client.invoke("CreateRoom", "Ship"))["id"]
        assert (await ada.join(room))["prompt"] == (await bob.join(room))["prompt"] == ""
        await ada.client.invoke("InstructAssistant", room, "  Talk like a pirate.\r\nAlways.\n")
        prompt = "Talk like a pirate.\nAlways."
        assert list(await bob.client.expect("PromptChanged")) == [room, prompt]
        await ada.say("@ai Who?", room)
        await ada.ended()
        assert turns(model)[0] == ("system", f"Be kind.\n\nInstructions of this room:\n{prompt}")
        await ada.say("@ai Who?")
        assert (await bob.ended())[0] == "Aye."
        theirs = "Only the owner of a room or an administrator can do this."
        assert await refusal(bob, "InstructAssistant", room, "Be rude.") == theirs
        told = await refusal(ada, "InstructAssistant", room, "x" * 2_001)
        assert told == "The instructions have 2,001 characters; 2,000 are allowed."
    async with chat(model=model, data=tmp_path) as under_test:
        eve = await under_test.enter("Eve")
        assert (await eve.join(room))["prompt"] == prompt
