"""Settings, from environment variables that begin with `HUBLINE_CHAT_`."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

SYSTEM_PROMPT = (
    "You are a helpful assistant in a chat room that several people read. "
    "Answer the last question. Be clear, friendly and brief. Use Markdown for lists and code."
)
WEB = Path(__file__).resolve().parents[2] / "web" / "dist"


class ChatSettings(BaseSettings):
    """Everything that can be set. Without a model's URL, the local model runs."""

    model_config = SettingsConfigDict(env_prefix="HUBLINE_CHAT_", env_ignore_empty=True, populate_by_name=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Where to listen; when the port is in use, the next free one is taken."""

    model_url: Annotated[str | None, Field(pattern="^https?://")] = None
    """An OpenAI-compatible endpoint, such as `http://127.0.0.1:11434/v1`."""
    model: str | None = None
    """The model at that endpoint; without an endpoint, a GGUF file for llama.cpp instead of SmolLM2."""
    model_key: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("HUBLINE_CHAT_MODEL_KEY", "OPENAI_API_KEY", "model_key"))
    ] = None
    model_slots: Annotated[int, Field(ge=1, le=64)] = 1
    """Answers made at the same time; further questions wait."""

    assistant_name: str = "Assistant"
    system_prompt: str = SYSTEM_PROMPT
    context_characters: Annotated[int | None, Field(ge=200)] = None
    """Earlier messages that the model is told, with the question; 2,000 for the local model, else 12,000."""
    answer_tokens: Annotated[int | None, Field(ge=1)] = None
    """Longest answer; 512 for the local model, else as the endpoint likes."""
    answer_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Time for one answer, after which it is cut."""
    merge_seconds: Annotated[float, Field(ge=0)] = 0.03
    """The first words go out at once; what comes within this time after them is sent together."""

    history_messages: Annotated[int, Field(ge=100)] = 1_000
    """Messages kept per room."""
    web: Path = WEB
    """The built front end."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.model_url is not None and self.model is None:
            raise ValueError("HUBLINE_CHAT_MODEL_URL is set, so HUBLINE_CHAT_MODEL must name the model")
        if self.model_url is None and self.model is not None and not Path(self.model).is_file():
            raise ValueError(
                f"HUBLINE_CHAT_MODEL is {self.model!r}: without HUBLINE_CHAT_MODEL_URL it must be a GGUF file"
            )
        return self

    @property
    def is_local(self) -> bool:
        """Whether the model runs on this machine, in a process of ours."""
        return self.model_url is None
