"""The file of MCP servers, `HUBLINE_CHAT_MCP`: one table in TOML for each."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from hubline import ConfigurationError
from hubline_chat.contract_models import Access
from hubline_chat.model_file import converted, read_toml

MOST = 20
"""Servers of one file."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9 _-]{0,29}$"


class Table(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One `[[servers]]`. Secrets are in environment variables, so that they are not in a file that people share."""

    name: Annotated[str, Meta(pattern=NAME)]
    url: Annotated[str, Meta(pattern="^https?://")] | None = None
    token_variable: str | None = None
    command: Annotated[list[str], Meta(min_length=1)] | None = None
    environment: list[str] = []
    tier: Access = "free"
    ask: Literal["writes", "always"] = "writes"
    tools: list[str] | None = None
    seconds: Annotated[float, Meta(gt=0, le=600)] = 30.0


@dataclass(frozen=True, slots=True)
class McpServer:
    """A server to connect to: by streamable HTTP at its `url`, or as a process with this `command`.

    `asks_always`: people are asked also before what only reads. `tools`: the only ones that are offered.
    """

    name: str
    url: str | None
    token: str | None
    command: tuple[str, ...]
    environment: dict[str, str]
    tier: Access
    asks_always: bool
    tools: frozenset[str] | None
    seconds: float

    @property
    def prefix(self) -> str:
        """Begins the names of its tools for models."""
        return re.sub(r"[^a-z0-9]+", "_", self.name.lower()).strip("_")


def read_servers(path: Path) -> list[McpServer]:
    """The servers of a file.

    Raises:
        ConfigurationError: the file cannot be read, or lists every table that is not valid.
    """
    content = read_toml(path, "HUBLINE_CHAT_MCP")
    listed = content.pop("servers", None)
    problems = [f"{path.name}: {name!r} is unknown; there are tables `[[servers]]`" for name in content]
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST:
        problems.append(f"{path.name} needs 1 to {MOST} tables [[servers]]")
        listed = []
    tables = converted(path, "server", listed, Table, problems)
    for table in tables:
        where = f"{path.name}, {table.name}:"
        if (table.url is None) == (table.command is None):
            problems.append(f"{where} either `url` or `command` says where it is")
        if table.token_variable is not None and table.url is None:
            problems.append(f"{where} `token_variable` is for a server with a `url`")
        if table.environment and table.command is None:
            problems.append(f"{where} `environment` is for a server with a `command`")
        named = [*table.environment, *([table.token_variable] if table.token_variable else [])]
        problems += [f"{where} the variable {name} is not set" for name in named if not os.environ.get(name)]
    servers = [_server(table) for table in tables]
    for number, server in enumerate(servers):
        if any(each.prefix == server.prefix for each in servers[:number]):
            problems.append(f"{path.name}: two servers are called {server.name!r}")
    if problems:
        raise ConfigurationError(problems)
    return servers


def _server(table: Table) -> McpServer:
    return McpServer(
        table.name,
        table.url,
        os.environ.get(table.token_variable) if table.token_variable is not None else None,
        tuple(table.command or ()),
        {name: os.environ.get(name, "") for name in table.environment},
        table.tier,
        table.ask == "always",
        frozenset(table.tools) if table.tools is not None else None,
        table.seconds,
    )
