"""Connections to MCP servers, and their tools. The package `mcp` is needed only where a server is configured."""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from hubline import ConfigurationError
from hubline_chat.limits import one_line
from hubline_chat.settings import ChatSettings
from hubline_chat.tools.mcp_file import McpServer, read_servers
from hubline_chat.tools.tool import Arguments, Place, RoomTool, ToolError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from mcp import Client
    from mcp.types import CallToolResult
    from mcp.types import Tool as McpTool

logger = logging.getLogger("hubline_chat")

CONNECT_SECONDS = 20.0
"""For connecting, and for reading the list of tools."""
PAUSES = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds before the next attempt to connect."""
REFRESH_SECONDS = 300.0
"""Seconds after which the list of tools is read anew, which also shows whether the server is there."""
TOOLS = 100
"""Tools of one server."""
DESCRIPTION, TITLE, PARAMETERS = 2_000, 80, 16_000
"""Characters of a description, of a title, and of the schema of the arguments: models are told it in each question."""
_NAME_LENGTH = 64


class McpConnection:
    """One server: connected to as long as `run` runs, and again whenever the connection is lost."""

    def __init__(self, server: McpServer, changed: Callable[[], None]) -> None:
        self.server, self.tools = server, list[RoomTool]()
        self._changed = changed
        self._client: Client | None = None
        self.tried = asyncio.Event()
        """Set when the first attempt to connect has ended, whether its tools were found or not."""
        self._doubted = asyncio.Event()
        """Set when a call failed in a way in which lost servers fail."""
        self._failures = 0

    async def run(self) -> None:
        """Stay connected until cancelled."""
        while True:
            try:
                await self._stay()
            except Exception as error:  # also groups of them: the SDK runs several tasks
                level = logging.DEBUG if self._failures else logging.WARNING
                logger.log(level, "the MCP server %s cannot be reached: %s", self.server.name, _reason(error))
            finally:
                self._client = None
                self._offer([])
            pause = PAUSES[min(self._failures, len(PAUSES) - 1)]
            self._failures += 1
            await asyncio.sleep(pause)

    async def _stay(self) -> None:
        """Connect, and end with an exception when the server is lost."""
        async with AsyncExitStack() as stack:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await stack.enter_async_context(_client(self.server))
                found = await _listed(client)
            self._client, self._failures = client, 0
            logger.info("the MCP server %s is connected, with %d tools", self.server.name, len(found))
            while True:
                self._offer([self._tool(each) for each in found if self._is_usable(each)])
                self._doubted.clear()
                with suppress(TimeoutError):
                    async with asyncio.timeout(REFRESH_SECONDS):
                        await self._doubted.wait()
                async with asyncio.timeout(CONNECT_SECONDS):
                    found = await _listed(client)

    def _offer(self, tools: list[RoomTool]) -> None:
        self.tried.set()
        before = [(tool.name, tool.title, tool.is_safe) for tool in self.tools]
        self.tools = tools
        if [(tool.name, tool.title, tool.is_safe) for tool in tools] != before:
            self._changed()

    def _is_usable(self, tool: "McpTool") -> bool:
        if self.server.tools is not None and tool.name not in self.server.tools:
            return False
        size = len(json.dumps(tool.input_schema))
        if size > PARAMETERS:
            logger.warning("%r of the MCP server %s is too long to be offered", tool.name[:80], self.server.name)
        return size <= PARAMETERS

    def _tool(self, tool: "McpTool") -> RoomTool:
        server, about = self.server, tool.annotations

        async def use(place: Place, arguments: Arguments) -> str:
            return await self._call(tool.name, arguments)

        title = tool.title or (about.title if about is not None else None) or in_words(tool.name)
        return RoomTool(
            f"{server.prefix}_{re.sub(r'[^A-Za-z0-9_-]', '_', tool.name)}"[:_NAME_LENGTH],
            one_line(title)[:TITLE] or "tool",
            (tool.description or tool.title or tool.name)[:DESCRIPTION],
            tool.input_schema,
            use,
            # Only a server that says so: what says nothing may write.
            is_safe=about is not None and about.read_only_hint is True and not server.asks_always,
            tier=server.tier,
            server=server.name,
            seconds=server.seconds,
        )

    async def _call(self, name: str, arguments: Arguments) -> str:
        from mcp import MCPError

        if self._client is None:
            raise ToolError(f"{self.server.name} cannot be reached at the moment.")
        try:
            result = await self._client.call_tool(name, arguments)
        except MCPError as error:
            self._doubted.set()
            raise ToolError(f"{self.server.name}: {error.message}") from error
        except Exception as error:
            self._doubted.set()
            logger.warning("the MCP server %s failed: %s", self.server.name, _reason(error))
            raise ToolError(f"{self.server.name} was lost while this was being done.") from error
        text = _text(result)
        if result.is_error:
            raise ToolError(text or "It failed without a reason.")
        return text


class McpServers:
    """All configured servers. `changed` is called when other tools are there."""

    def __init__(self, servers: Iterable[McpServer], changed: Callable[[], None]) -> None:
        self.connections = [McpConnection(server, changed) for server in servers]

    async def tried(self) -> None:
        """Wait until each server was connected to or has failed once, which takes `CONNECT_SECONDS` at most."""
        for each in self.connections:
            await each.tried.wait()

    def tools(self) -> Sequence[RoomTool]:
        """Those that are there now, each name once."""
        return [*{tool.name: tool for each in self.connections for tool in each.tools}.values()]

    @asynccontextmanager
    async def connected(self) -> "AsyncIterator[None]":
        """Connect to all of them in the background."""
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each.run()) for each in self.connections]
            try:
                yield
            finally:
                for task in tasks:
                    task.cancel()


def make_servers(settings: ChatSettings, changed: Callable[[], None]) -> McpServers:
    """The servers of the settings.

    Raises:
        ConfigurationError: the file is not valid, or `mcp` is not installed.
    """
    if settings.mcp is None:
        return McpServers([], changed)
    servers = read_servers(settings.mcp)
    try:
        import mcp  # noqa: F401
    except ImportError as error:
        raise ConfigurationError(["HUBLINE_CHAT_MCP needs the package mcp: pip install 'hubline[mcp]'"]) from error
    return McpServers(servers, changed)


def in_words(name: str) -> str:
    """The name of a tool that has no title: of "add_note" and "addNote" it is "Add note"."""
    words = re.split(r"[\W_]+", re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", name).strip("_-. "))
    plain = " ".join(word if len(word) > 1 and word.isupper() else word.lower() for word in words if word)
    return plain[:1].upper() + plain[1:] or name


@asynccontextmanager
async def _client(server: McpServer) -> "AsyncIterator[Client]":
    import httpx2
    from mcp import Client, StdioServerParameters
    from mcp.client.streamable_http import streamable_http_client

    if server.url is None:
        command, *arguments = server.command
        async with Client(StdioServerParameters(command=command, args=arguments, env=server.environment)) as client:
            yield client
        return
    headers = {"authorization": f"Bearer {server.token}"} if server.token is not None else None
    limits = httpx2.Timeout(CONNECT_SECONDS, read=max(server.seconds, REFRESH_SECONDS))
    async with (
        httpx2.AsyncClient(headers=headers, timeout=limits) as http,
        Client(streamable_http_client(server.url, http_client=http)) as client,
    ):
        yield client


async def _listed(client: "Client") -> "list[McpTool]":
    found: list[McpTool] = []
    cursor = None
    while len(found) < TOOLS:
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        found += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return found[:TOOLS]


def _text(result: "CallToolResult") -> str:
    """What a result says, for models that read text."""
    return "\n\n".join(text for block in result.content if (text := _block(block)))


def _block(block: Any) -> str:
    if block.type == "text":
        return str(block.text)
    if block.type == "resource":
        return str(getattr(block.resource, "text", None) or f"[file {block.resource.uri}]")
    return f"[link {block.uri}]" if block.type == "resource_link" else f"[{block.type}]"


def _reason(error: BaseException) -> str:
    """The first cause of a group of errors, without its addresses."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
