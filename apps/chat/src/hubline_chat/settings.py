"""Settings, from environment variables that begin with `HUBLINE_CHAT_`."""

import ipaddress
import os
import sys
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hubline.limits import Tier
from hubline_chat.contract import TierName

SYSTEM_PROMPT = (
    "You are a helpful assistant in a chat room that several people read. "
    "Answer the last question. Be clear, friendly and brief. Use Markdown for lists and code."
)
WEB = Path(__file__).resolve().parents[2] / "web" / "dist"
UNLIMITED = "unlimited"


def data_directory() -> Path:
    """Where this system keeps the data of a user's programs."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "hubline-chat"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "hubline-chat"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "hubline-chat"


def _or_unlimited(value: Any) -> Any:
    return None if value == UNLIMITED else value


def _listed(value: Any) -> Any:
    """A list as people write it into a variable: with commas or spaces."""
    return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value


Limit = Annotated[Annotated[int, Field(ge=0)] | None, BeforeValidator(_or_unlimited)]
"""A number, or `unlimited`. An empty variable is the default, as everywhere: nobody gives tokens away by mistake."""
Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


class ChatSettings(BaseSettings):
    """Everything that can be set. Without a model's URL, the local model runs."""

    model_config = SettingsConfigDict(env_prefix="HUBLINE_CHAT_", env_ignore_empty=True, populate_by_name=True)

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8000
    """Where to listen; when the port is in use, the next free one is taken."""

    data: Path = Field(default_factory=data_directory)
    """Directory of the SQLite file; it is made."""
    database: SecretStr | None = None
    """`sqlite:///path` or `postgresql://…`; without it, a SQLite file in `data`. There may be a password in it."""
    allowed_origins: Listed = ()
    """Pages of other origins that may use the chat."""
    trusted_proxies: Listed = ()
    """Addresses and networks whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."""

    sign_up: bool = True
    """Whether people may make accounts for themselves."""
    guests: bool | None = None
    """Whether people may come in without an account; by default, where only this machine can come in, and for free."""
    session_seconds: Annotated[int, Field(ge=60)] = 30 * 24 * 3600
    """How long a session lasts after its last use."""
    token_seconds: Annotated[int, Field(ge=5)] = 300
    """How long a token for the hub is valid."""
    admin_name: str = "admin"
    """The administrator who is made at the first start."""

    model_url: Annotated[str | None, Field(pattern="^https?://")] = None
    """An OpenAI-compatible endpoint, such as `http://127.0.0.1:11434/v1`."""
    model: str | None = None
    """The model at that endpoint; without an endpoint, a GGUF file for llama.cpp instead of SmolLM2."""
    model_key: Annotated[
        SecretStr | None, Field(validation_alias=AliasChoices("HUBLINE_CHAT_MODEL_KEY", "OPENAI_API_KEY", "model_key"))
    ] = None
    model_slots: Annotated[int, Field(ge=1, le=64)] = 1
    """Answers made at the same time, each in another room; further ones wait."""

    premium_model_url: Annotated[str | None, Field(pattern="^https?://")] = None
    """Endpoint of the premium model; by default that of the model."""
    premium_model: str | None = None
    """The premium model at its endpoint; without one, premium answers come from the same model and are longer."""
    premium_model_key: SecretStr | None = None
    premium_answer_tokens: Annotated[int | None, Field(ge=1)] = None
    """Longest premium answer; 1,536 for the local model, else as the endpoint likes."""

    guest_tokens: Limit = 5_000
    """What a guest may have of the assistant in a day, in tokens of the model; 0 is nothing."""
    free_tokens: Limit = 20_000
    premium_tokens: Limit = 200_000
    guest_questions: Limit = 1
    """Questions of a guest that are open at the same time."""
    free_questions: Limit = 2
    premium_questions: Limit = 4

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

    @field_validator("trusted_proxies")
    @classmethod
    def _addresses(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ipaddress.ip_network(each)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.premium_model_url is not None and self.premium_model is None:
            raise ValueError("HUBLINE_CHAT_PREMIUM_MODEL_URL is set, so HUBLINE_CHAT_PREMIUM_MODEL must name the model")
        if self.premium_model is not None and (self.premium_model_url or self.model_url) is None:
            raise ValueError(
                "HUBLINE_CHAT_PREMIUM_MODEL is set, so HUBLINE_CHAT_PREMIUM_MODEL_URL must name its endpoint"
            )
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

    @property
    def guests_allowed(self) -> bool:
        """What `guests` says or, without it, whether nobody but the people at this machine can spend anything."""
        return self.guests if self.guests is not None else self.is_local and _is_loopback(self.host)

    @property
    def database_url(self) -> str:
        if self.database is not None:
            return self.database.get_secret_value()
        return f"sqlite:///{self.data.expanduser().resolve() / 'hubline-chat.db'}"

    def tier(self, name: TierName) -> Tier:
        """What the people of a tier may have of the assistant."""
        tokens = {"guest": self.guest_tokens, "free": self.free_tokens, "premium": self.premium_tokens}
        questions = {"guest": self.guest_questions, "free": self.free_questions, "premium": self.premium_questions}
        return Tier(name, tokens_per_day=tokens[name], questions_at_once=questions[name])


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
