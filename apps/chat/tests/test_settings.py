"""Settings from the environment, and the model they lead to."""

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from hubline import ConfigurationError
from hubline.models import LocalModel, OpenAIModel, ScriptedModel
from hubline_chat import models
from hubline_chat.models import make_models, paired
from hubline_chat.settings import ChatSettings, data_directory


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MODEL_URL", "MODEL", "MODEL_KEY", "PORT", "HOST"):
        monkeypatch.delenv(f"HUBLINE_CHAT_{name}", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def test_with_nothing_set_the_local_model_runs() -> None:
    settings = ChatSettings()
    assert (settings.host, settings.port, settings.is_local) == ("127.0.0.1", 8000, True)


def test_two_variables_name_an_endpoint_and_a_third_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBLINE_CHAT_MODEL_URL", "http://127.0.0.1:11434/v1")
    monkeypatch.setenv("HUBLINE_CHAT_MODEL", "llama3")
    monkeypatch.setenv("HUBLINE_CHAT_MODEL_KEY", "hidden7")
    settings = ChatSettings()
    model = make_models(settings, lambda *_: None).usual.model
    assert isinstance(model, OpenAIModel)
    assert (model.name, settings.is_local) == ("llama3", False)
    assert "hidden7" not in repr(settings)


def test_the_usual_variable_for_the_key_works_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "usual")
    key = ChatSettings().model_key
    assert key is not None
    assert key.get_secret_value() == "usual"
    monkeypatch.setenv("HUBLINE_CHAT_MODEL_KEY", "own")
    key = ChatSettings().model_key
    assert key is not None
    assert key.get_secret_value() == "own"


def test_an_empty_variable_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBLINE_CHAT_PORT", "")
    assert ChatSettings().port == 8000


@pytest.mark.parametrize(
    ("variables", "text"),
    [
        ({"MODEL_URL": "http://127.0.0.1/v1"}, "HUBLINE_CHAT_MODEL must name the model"),
        ({"MODEL": "gpt-5"}, "without HUBLINE_CHAT_MODEL_URL it must be a GGUF file"),
        ({"MODEL_URL": "ftp://x", "MODEL": "m"}, "should match pattern"),
        ({"PORT": "70000"}, "less than or equal to 65535"),
        ({"ASSISTANT_NAME": "A" * 41}, "at most 40 characters"),
        ({"FREE_TOKENS": "-1"}, "greater than or equal to 0"),
        ({"FREE_TOKENS": "many"}, "valid integer"),
        ({"TRUSTED_PROXIES": "proxy"}, "does not appear to be an IPv4 or IPv6 network"),
        ({"PREMIUM_MODEL_URL": "http://127.0.0.1/v1"}, "HUBLINE_CHAT_PREMIUM_MODEL must name the model"),
        ({"PREMIUM_MODEL": "large"}, "HUBLINE_CHAT_PREMIUM_MODEL_URL must name its endpoint"),
    ],
)
def test_mistakes_are_named(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], text: str) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"HUBLINE_CHAT_{name}", value)
    with pytest.raises(ValidationError, match=text):
        ChatSettings()


async def test_a_file_of_ones_own_is_run_instead(tmp_path: Path) -> None:
    weights = tmp_path / "My model.gguf"
    weights.write_bytes(b"GGUF")
    model = make_models(ChatSettings(model=str(weights)), lambda *_: None).usual.model
    assert isinstance(model, LocalModel)
    assert model.name == "My model"


def test_without_any_model_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> Path:
        raise FileNotFoundError("the package is not installed")

    monkeypatch.setattr(models, "bundled_model", missing)
    with pytest.raises(ConfigurationError, match="there is no local model: the package is not installed"):
        make_models(ChatSettings(), lambda *_: None)


def test_every_setting_has_its_row_in_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    missing = [name for name in ChatSettings.model_fields if f"| `HUBLINE_CHAT_{name.upper()}` |" not in readme]
    assert missing == []


@pytest.mark.parametrize(("value", "limit"), [("unlimited", None), ("0", 0), ("7", 7), ("", 20_000)])
def test_a_limit_is_a_number_or_unlimited_and_an_empty_one_the_default(
    monkeypatch: pytest.MonkeyPatch, value: str, limit: int | None
) -> None:
    monkeypatch.setenv("HUBLINE_CHAT_FREE_TOKENS", value)
    assert ChatSettings().tier("free").tokens_per_day == limit


@pytest.mark.parametrize(
    ("changes", "allowed"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"host": "::1"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "chat.example"}, False),
        ({"model_url": "http://127.0.0.1/v1", "model": "m"}, False),
        ({"host": "0.0.0.0", "guests": True}, True),
        ({"guests": False}, False),
    ],
)
def test_guests_come_in_where_they_cost_nothing_and_nobody_else_could(changes: dict[str, Any], allowed: bool) -> None:
    assert ChatSettings(**changes).guests_allowed is allowed


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HUBLINE_CHAT_TRUSTED_PROXIES", "10.0.0.0/8, 192.0.2.1")
    monkeypatch.setenv("HUBLINE_CHAT_ALLOWED_ORIGINS", "https://a.example")
    settings = ChatSettings()
    assert settings.trusted_proxies == ("10.0.0.0/8", "192.0.2.1")
    assert settings.allowed_origins == ("https://a.example",)


def test_the_database_is_a_file_of_the_data_directory_and_its_password_is_not_shown(tmp_path: Path) -> None:
    assert ChatSettings(data=tmp_path).database_url == f"sqlite:///{tmp_path}/hubline-chat.db"
    settings = ChatSettings(database=SecretStr("postgresql://ada:hidden7@localhost/chat"))
    assert settings.database_url == "postgresql://ada:hidden7@localhost/chat"
    assert "hidden7" not in repr(settings)


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {"HOME": "/h", "XDG_DATA_HOME": ""}, "/h/.local/share/hubline-chat"),
        ("linux", {"XDG_DATA_HOME": "/data"}, "/data/hubline-chat"),
        ("darwin", {"HOME": "/h"}, "/h/Library/Application Support/hubline-chat"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/hubline-chat"),
    ],
)
def test_every_system_has_its_place_for_data(
    monkeypatch: pytest.MonkeyPatch, system: str, variables: dict[str, str], expected: str
) -> None:
    monkeypatch.setattr(sys, "platform", system)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert data_directory() == Path(expected)


async def test_a_premium_model_has_an_endpoint_and_a_key_of_its_own_or_those_of_the_model() -> None:
    endpoint: dict[str, Any] = {"model_url": "http://127.0.0.1/v1", "model": "small", "model_key": "key"}
    made = make_models(ChatSettings(**endpoint, premium_model="large"), lambda *_: None)
    assert [(offer.model.name, offer.info.note) for offer in made.offers] == [("small", "small"), ("large", "large")]
    same = make_models(ChatSettings(**endpoint), lambda *_: None)
    assert same.offers[0].model is not same.offers[1].model
    assert same.offers[1].info.note == "Longer answers of the same model"


async def test_the_local_model_answers_at_two_lengths_or_has_a_larger_one_beside_it(tmp_path: Path) -> None:
    weights = tmp_path / "m.gguf"
    weights.write_bytes(b"GGUF")
    made = make_models(ChatSettings(model=str(weights)), lambda *_: None)
    assert made.offers[0].model is made.offers[1].model
    assert [(offer.pieces, offer.is_local) for offer in made.offers] == [(512, True), (None, True)]
    endpoint: dict[str, Any] = {"premium_model": "large", "premium_model_url": "http://127.0.0.1/v1"}
    made = make_models(ChatSettings(model=str(weights), **endpoint), lambda *_: None)
    assert [(offer.pieces, offer.is_local) for offer in made.offers] == [(None, True), (None, False)]
    assert made.offers[1].model.name == "large"


def test_the_conversation_fits_into_the_window() -> None:
    def budget(system: str = "Be brief.", local: bool = False, **changes: Any) -> int:
        endpoint: dict[str, Any] = {} if local else {"model_url": "http://127.0.0.1/v1", "model": "m"}
        model = ScriptedModel([])
        return paired(ChatSettings(**endpoint, **changes), model, model).usual.budget(system)

    assert budget(local=True) == 2_000
    assert budget() == 12_000
    assert budget(context_characters=5_000, context_tokens=8_192) == 5_000
    assert budget(context_tokens=8_192) == 6_144 * 3 - len("Be brief.")
    assert budget(context_tokens=8_192, answer_tokens=1_000) == 7_192 * 3 - len("Be brief.")
    assert budget(context_tokens=8_192, premium_answer_tokens=100_000) == 4_096 * 3 - len("Be brief.")
    assert budget("x" * 9_000, local=True, context_tokens=1_024) == 200
