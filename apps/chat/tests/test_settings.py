"""Settings from the environment, and the model they lead to."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from hubline import ConfigurationError
from hubline.models import LocalModel, OpenAIModel
from hubline_chat import models
from hubline_chat.models import make_models
from hubline_chat.settings import ChatSettings


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
    monkeypatch.setenv("HUBLINE_CHAT_MODEL_KEY", "secret")
    settings = ChatSettings()
    model = make_models(settings, lambda *_: None).standard
    assert isinstance(model, OpenAIModel)
    assert (model.name, settings.is_local) == ("llama3", False)
    assert "secret" not in repr(settings)


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
    model = make_models(ChatSettings(model=str(weights)), lambda *_: None).standard
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
