"""The file of models, `HUBLINE_CHAT_MODELS`: one table in TOML for each model that people can choose."""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from hubline import ConfigurationError
from hubline.models import OpenAIModel
from hubline_chat.catalogue import Catalogue, Offer
from hubline_chat.contract_models import Access, Model

MOST = 50
"""Models of one file."""
CURRENCY = "USD"
CONTEXT = 12_000
"""Characters of a conversation for a model whose window is not known."""

_Id = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,39}$")]
_Name = Annotated[str, Meta(min_length=1, max_length=40)]
_Price = Annotated[float, Meta(ge=0)]
T = TypeVar("T")


class Table(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One `[[models]]`. Its key is in an environment variable, so that it is not in a file that people share."""

    id: _Id
    name: _Name
    model: Annotated[str, Meta(min_length=1)]
    url: Annotated[str, Meta(pattern="^https?://")]
    key_variable: str | None = None
    tier: Access = "guest"
    context: Annotated[int, Meta(ge=1_024)] | None = None
    answer_tokens: Annotated[int, Meta(ge=1)] | None = None
    input_price: _Price | None = None
    output_price: _Price | None = None
    images: bool = False
    tools: bool = False


def read_models(path: Path) -> Catalogue:
    """The models of a file.

    Raises:
        ConfigurationError: the file cannot be read, or lists every table that is not valid.
    """
    content = read_toml(path, "HUBLINE_CHAT_MODELS")
    currency, listed = content.pop("currency", CURRENCY), content.pop("models", None)
    problems = [f"{path.name}: {name!r} is unknown; there are `currency` and tables `[[models]]`" for name in content]
    if not isinstance(currency, str) or not re.fullmatch("[A-Z]{3}", currency):
        problems.append(f"{path.name}: currency is {currency!r}: write its code of three letters, such as EUR")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST:
        problems.append(f"{path.name} needs 1 to {MOST} tables [[models]]")
        listed = []
    tables = converted(path, "model", listed, Table, problems)
    for number, table in enumerate(tables, 1):
        if any(each.id == table.id for each in tables[: number - 1]):
            problems.append(f"{path.name}: two models have the id {table.id!r}")
        if any(each.name.casefold() == table.name.casefold() for each in tables[: number - 1]):
            problems.append(f"{path.name}: two models are called {table.name!r}")
        if table.key_variable is not None and not os.environ.get(table.key_variable):
            problems.append(f"{path.name}: the key of {table.id!r} should be in {table.key_variable}, which is not set")
    if problems:
        raise ConfigurationError(problems)
    return Catalogue([_offer(table) for table in tables], currency)


def read_toml(path: Path, variable: str) -> dict[str, Any]:
    """A file that a variable names. Raises ConfigurationError when it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError([f"{variable} is {str(path)!r}: {error.strerror}"]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([f"{path.name} is not valid TOML: {error}"]) from error


def converted(path: Path, what: str, listed: list[Any], kind: type[T], problems: list[str]) -> list[T]:
    """The tables that are valid; the mistakes of the others become `problems`."""
    found = []
    for number, each in enumerate(listed, 1):
        try:
            found.append(msgspec.convert(each, kind))
        except msgspec.ValidationError as error:
            name = each.get("id") or each.get("name") if isinstance(each, dict) else None
            where = f" ({name})" if isinstance(name, str) else ""
            problems.append(f"{path.name}, {what} {number}{where}: {_sentence(str(error))}")
    return found


def _sentence(error: str) -> str:
    """`Expected `int`, got `str` - at `$.context`` with the name first."""
    reason, _, place = error.replace(" | null", "").partition(" - at `$.")
    return f"{place.rstrip('`')}: {reason[:1].lower()}{reason[1:]}" if place else f"{reason[:1].lower()}{reason[1:]}"


def _offer(table: Table) -> Offer:
    key = os.environ[table.key_variable] if table.key_variable is not None else None
    model = OpenAIModel(table.model, base_url=table.url, api_key=key, name=table.name, max_tokens=table.answer_tokens)
    info = Model(
        table.id,
        table.name,
        table.tier,
        table.model if table.model != table.name else None,
        table.context,
        table.input_price,
        table.output_price,
        table.images,
        table.tools,
    )
    characters = None if table.context is not None else CONTEXT
    return Offer(info, model, characters, table.answer_tokens, tool_model=model if table.tools else None)
