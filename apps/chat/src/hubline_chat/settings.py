"""Settings, from environment variables that begin with `HUBLINE_CHAT_`."""

import ipaddress
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from hubline.limits import Tier
from hubline_chat.contract import TierName
from hubline_chat.limits import NAME_LENGTH

SYSTEM_PROMPT = (
    "You are a helpful assistant in a chat room that several people read. "
    "Answer the last question. Be clear, friendly and brief. Use Markdown for lists and code."
)
WEB = Path(__file__).resolve().parents[2] / "web" / "dist"
BUCKET = r"s3://[a-z0-9][a-z0-9.-]+(/.*)?"
UNLIMITED = "unlimited"
ALONE = (
    "model",
    "model_url",
    "premium_model",
    "premium_model_url",
    "premium_answer_tokens",
    "context_tokens",
    "context_characters",
    "answer_tokens",
)
"""Settings of one model, which have no meaning beside a file of models."""
LOCAL_CONTEXT, ENDPOINT_CONTEXT = 2_000, 12_000
"""Characters of a conversation: for the local model, and for an endpoint of which nothing is known."""


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
"""A number, or `unlimited`. An empty variable is the default, so that tokens are not given away by mistake."""
Listed = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]


@dataclass(frozen=True, slots=True)
class OpenIdSettings:
    """The client of an OpenID Connect provider. `name` stands on the button."""

    issuer: str
    client_id: str
    client_secret: SecretStr | None
    name: str


class ChatSettings(BaseSettings):
    """All settings. Without the URL of a model, the local model runs."""

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
    """Whether guests are allowed; by default, if only this machine can connect and the model is free."""
    session_seconds: Annotated[int, Field(ge=60)] = 30 * 24 * 3600
    """How long a session lasts after its last use."""
    token_seconds: Annotated[int, Field(ge=5)] = 300
    """How long a token for the hub is valid."""
    openid_issuer: str | None = None
    """An OpenID Connect provider that signs people in: the issuer as its discovery document spells it."""
    openid_client_id: str | None = None
    openid_client_secret: SecretStr | None = None
    """Providers give none to public clients."""
    openid_name: str = "OpenID Connect"
    """What stands on the button: "Sign in with …"."""
    openid_sign_up: bool = True
    """Whether people whom the provider signs in for the first time get an account."""
    admin_name: str = "admin"
    """The name of the administrator, who is made at the first start."""

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

    model_tools: bool = False
    """Whether the model at the endpoint can use tools: not all can, and those refuse every question with tools."""
    mcp: Path | None = None
    """A file in TOML with the MCP servers whose tools the assistant may use."""
    models: Path | None = None
    """A file in TOML with the models that people can choose, instead of `model` and `premium_model`."""

    guest_tokens: Limit = 5_000
    """A guest's tokens of the model in a day; 0 allows no questions."""
    free_tokens: Limit = 20_000
    premium_tokens: Limit = 200_000
    guest_questions: Limit = 1
    """Questions of a guest that are open at the same time."""
    free_questions: Limit = 2
    premium_questions: Limit = 4

    assistant_name: Annotated[str, Field(max_length=NAME_LENGTH)] = "Assistant"
    system_prompt: str = SYSTEM_PROMPT
    context_tokens: Annotated[int | None, Field(ge=1_024)] = None
    """The model's window; 4,096 for the local model. Without it, an endpoint is told 12,000 characters."""
    context_characters: Annotated[int | None, Field(ge=200)] = None
    """Characters of earlier messages for the model, with the question, instead of what fits into its window."""
    answer_tokens: Annotated[int | None, Field(ge=1)] = None
    """Longest answer; 512 for the local model, else as the endpoint likes."""
    answer_seconds: Annotated[float, Field(gt=0)] = 300.0
    """Time for one answer, after which it is ended."""
    merge_seconds: Annotated[float, Field(ge=0)] = 0.03
    """The first words are sent at once; text within this time after them is sent together."""

    rooms_per_person: Annotated[int, Field(ge=0)] = 20
    """Rooms that one person may have made."""
    history_messages: Annotated[int, Field(ge=100)] = 1_000
    """Messages of each room in memory, at most a million characters of them. The database has all."""
    retention_days: Annotated[int | None, Field(ge=1, le=36_500)] = None
    """Messages are deleted after so many days; by default never."""
    file_megabytes: Annotated[int, Field(ge=0, le=100)] = 10
    """The largest file of a message; 0: no files."""
    person_megabytes: Annotated[int, Field(ge=0)] = 500
    """All files of one person."""
    guest_megabytes: Annotated[int, Field(ge=0)] = 50
    """All files of one guest."""
    files: str | None = None
    """Directory of the files, or `s3://bucket/prefix`; by default `files` beside the database."""
    s3_endpoint: Annotated[str | None, Field(pattern="^https?://")] = None
    """Address of an S3-compatible server; by default Amazon's."""
    s3_region: str | None = None
    s3_key_id: str | None = None
    """By default what the environment has: `AWS_ACCESS_KEY_ID`, or the role of the machine."""
    s3_key: SecretStr | None = None
    model_images: bool = False
    """Whether the model takes images."""
    premium_model_images: bool = False

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
        if self.files is not None and "://" in self.files and not re.fullmatch(BUCKET, self.files):
            raise ValueError(f"HUBLINE_CHAT_FILES is {self.files!r}: it is a directory, or s3://bucket/prefix")
        if (self.s3_key_id is None) != (self.s3_key is None):
            raise ValueError("HUBLINE_CHAT_S3_KEY_ID and HUBLINE_CHAT_S3_KEY belong together")
        alone = [name for name in ALONE if getattr(self, name) is not None]
        if self.models is not None and alone:
            names = ", ".join(f"HUBLINE_CHAT_{name.upper()}" for name in alone)
            raise ValueError(f"HUBLINE_CHAT_MODELS describes the models, so {names} must not be set")
        if (self.openid_issuer is None) != (self.openid_client_id is None):
            raise ValueError("HUBLINE_CHAT_OPENID_ISSUER and HUBLINE_CHAT_OPENID_CLIENT_ID belong together")
        if self.openid_issuer is not None and not is_safe_url(self.openid_issuer):
            raise ValueError(
                f"HUBLINE_CHAT_OPENID_ISSUER is {self.openid_issuer!r}: it is an https address (http on this machine)"
            )
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
    def openid(self) -> OpenIdSettings | None:
        """The provider that signs people in, if there is one."""
        if self.openid_issuer is None or self.openid_client_id is None:
            return None
        return OpenIdSettings(self.openid_issuer, self.openid_client_id, self.openid_client_secret, self.openid_name)

    @property
    def is_local(self) -> bool:
        """Whether the model runs on this machine, in a process of ours."""
        return self.model_url is None and self.models is None

    @property
    def guests_allowed(self) -> bool:
        """The setting `guests`; by default, whether only users of this machine can cause costs."""
        return self.guests if self.guests is not None else self.is_local and _is_loopback(self.host)

    @property
    def database_url(self) -> str:
        if self.database is not None:
            return self.database.get_secret_value()
        return f"sqlite:///{self.data.expanduser().resolve() / 'hubline-chat.db'}"

    @property
    def files_directory(self) -> Path:
        """Where files are, and where uploads arrive when the files are in a bucket."""
        if self.files is not None and not self.files.startswith("s3://"):
            return Path(self.files).expanduser().resolve()
        kind, _, path = self.database_url.partition(":///")
        beside = Path(path).parent if kind == "sqlite" else self.data.expanduser().resolve()
        return beside / "files"

    @property
    def context_of_pair(self) -> int | None:
        """Characters of a question and what was said before it; `None`: what the window has room for."""
        if self.context_characters is not None or self.context_tokens is not None:
            return self.context_characters
        return LOCAL_CONTEXT if self.is_local else ENDPOINT_CONTEXT

    def tier(self, name: TierName) -> Tier:
        """The allowance of the people of a tier for the assistant."""
        tokens = {"guest": self.guest_tokens, "free": self.free_tokens, "premium": self.premium_tokens}
        questions = {"guest": self.guest_questions, "free": self.free_questions, "premium": self.premium_questions}
        return Tier(name, tokens_per_day=tokens[name], questions_at_once=questions[name])


def is_safe_url(url: object) -> bool:
    """Whether nobody between can change what is sent: an https address, or one of this machine."""
    if not isinstance(url, str):
        return False
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname or ""))
    return is_safe and bool(parts.hostname) and "@" not in parts.netloc


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
