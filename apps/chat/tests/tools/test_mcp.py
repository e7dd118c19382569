"""MCP servers of the SDK, as a process and over HTTP, and the file that names them."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from hubline import ConfigurationError
from hubline_chat.settings import ChatSettings
from hubline_chat.tools import mcp_servers
from hubline_chat.tools.mcp_file import read_servers
from hubline_chat.tools.mcp_servers import McpServers, make_servers
from hubline_chat.tools.tool import Place, RoomTool, ToolError
from tests.ports import free_port

NOTES = Path(__file__).with_name("notes_server.py")
NOWHERE = cast("Place", None)
"""Tools of servers do not ask where they are used."""
SECONDS = 60


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a server of the SDK takes longer than that to be imported."""
    monkeypatch.setattr(mcp_servers, "CONNECT_SECONDS", float(SECONDS))


def written(folder: Path, text: str) -> Path:
    path = folder / "mcp.toml"
    path.write_text(text, "utf-8")
    return path


def file_of_notes(folder: Path, others: str = "") -> Path:
    """Names the server of notes as a process, and others."""
    return written(folder, f'{others}[[servers]]\nname = "notes"\ncommand = [{sys.executable!r}, {str(NOTES)!r}]\n')


@contextmanager
def over_http(port: int) -> Iterator["subprocess.Popen[bytes]"]:
    """The server of notes on a port."""
    process = subprocess.Popen([sys.executable, str(NOTES), str(port)], stderr=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


class Connected:
    """Servers that are connected to, and waiting for their tools."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self.servers: McpServers

    @asynccontextmanager
    async def to(self, path: Path) -> AsyncIterator["Connected"]:
        self.servers = make_servers(ChatSettings(mcp=path), self._changed.set)
        async with self.servers.connected():
            yield self

    async def has(self, *names: str) -> dict[str, RoomTool]:
        """Wait until there are exactly these tools."""
        async with asyncio.timeout(SECONDS):
            while (found := {tool.name: tool for tool in self.servers.tools()}).keys() != set(names):
                self._changed.clear()
                await self._changed.wait()
        return found


async def used(tool: RoomTool, **arguments: Any) -> str:
    async with asyncio.timeout(SECONDS):
        return await tool.use(NOWHERE, arguments)


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("add_note", "Add note"),
        ("addNote", "Add note"),
        ("get-HTTP-status", "Get HTTP status"),
        ("x", "X"),
        ("__", "__"),
    ],
)
def test_a_tool_without_a_title_is_called_by_its_name_in_words(name: str, title: str) -> None:
    assert mcp_servers.in_words(name) == title


async def test_a_process_and_a_server_over_http_give_their_tools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mcp_servers, "PAUSES", (0.05,))
    port = free_port()
    file = f"""
[[servers]]
name = "My notes"
command = [{sys.executable!r}, {str(NOTES)!r}]
tools = ["add_note", "list_notes"]

[[servers]]
name = "web"
url = "http://127.0.0.1:{port}/mcp"
tier = "premium"
ask = "always"
seconds = 60
tools = ["list_notes"]
"""
    mine = ("my_notes_add_note", "my_notes_list_notes")
    async with Connected().to(written(tmp_path, file)) as connected:
        with over_http(port):
            tools = await connected.has(*mine, "web_list_notes")
            add, listed, web = tools["my_notes_add_note"], tools["my_notes_list_notes"], tools["web_list_notes"]
            assert (add.title, add.is_safe, add.server, add.tier) == ("Add a note", False, "My notes", "free")
            assert (listed.is_safe, web.is_safe, web.tier, web.seconds) == (True, False, "premium", 60.0)
            assert add.parameters["properties"]["text"]["type"] == "string"
            assert await used(listed) == "There are no notes."
            assert await used(add, text="tea") == "Added: tea"
            assert await used(listed) == "tea"
            for wrong in ({"text": ""}, {}):
                with pytest.raises(ToolError):
                    await used(add, **wrong)
            assert await used(web) == "There are no notes."
        with pytest.raises(ToolError, match="web"):
            await used(web)
        await connected.has(*mine)
        with over_http(port):  # it is found again, as are its tools
            assert await used((await connected.has(*mine, "web_list_notes"))["web_list_notes"]) == "There are no notes."
        assert await used(listed) == "tea"


ODD = """
from typing import Annotated
from mcp.server import MCPServer
from pydantic import Field
server = MCPServer("odd")

@server.tool(title="\\u202eDelete\\n\\nnothing")
def turned() -> str:
    return "done"

@server.tool()
def long(text: Annotated[str, Field(description="x" * 20_000)]) -> str:
    return "done"

server.run("stdio")
"""


async def test_titles_are_plain_and_a_tool_of_which_models_would_be_told_too_much_is_left_out(tmp_path: Path) -> None:
    program = tmp_path / "odd_server.py"
    program.write_text(ODD, "utf-8")
    file = written(tmp_path, f'[[servers]]\nname = "odd"\ncommand = [{sys.executable!r}, {str(program)!r}]\n')
    async with Connected().to(file) as connected:
        assert (await connected.has("odd_turned"))["odd_turned"].title == "Delete nothing"


async def test_a_use_that_is_given_up_leaves_the_server_usable(tmp_path: Path) -> None:
    async with Connected().to(file_of_notes(tmp_path)) as connected:
        tools = await connected.has("notes_add_note", "notes_list_notes", "notes_sleep")
        assert not tools["notes_sleep"].is_safe  # it says nothing about itself
        sleeping = asyncio.ensure_future(used(tools["notes_sleep"]))
        assert await used(tools["notes_list_notes"]) == "There are no notes."
        sleeping.cancel()
        await asyncio.wait([sleeping])
        assert await used(tools["notes_add_note"], text="tea") == "Added: tea"


async def test_the_first_attempts_can_be_waited_for_whether_they_succeed_or_not(tmp_path: Path) -> None:
    lost = f'[[servers]]\nname = "lost"\nurl = "http://127.0.0.1:{free_port()}/mcp"\n'
    async with Connected().to(file_of_notes(tmp_path, lost)) as connected, asyncio.timeout(SECONDS):
        await connected.servers.tried()
        names = {tool.name for tool in connected.servers.tools()}
        assert names == {"notes_add_note", "notes_list_notes", "notes_sleep"}


GOOD = """
[[servers]]
name = "notes"
url = "http://127.0.0.1:1/mcp"
token_variable = "NOTES_TOKEN"
"""


def test_the_token_is_in_a_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_TOKEN", "secret")
    [server] = read_servers(written(tmp_path, GOOD))
    assert (server.token, server.tier, server.asks_always, server.tools) == ("secret", "free", False, None)


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("url = ", 'command = ["x"]\nurl = ', "either `url` or `command`"),
        ('url = "http://127.0.0.1:1/mcp"', "", "either `url` or `command`"),
        ('url = "http://127.0.0.1:1/mcp"', 'command = ["x"]', "`token_variable` is for a server with a `url`"),
        ("token_variable", "environment = ['A']\ntoken_variable", "`environment` is for a server with a `command`"),
        ("NOTES_TOKEN", "OTHER", "the variable OTHER is not set"),
        ('"notes"', '""', "server 1"),
        ("name", "nam", "server 1"),
        ("[[servers]]", "[[server]]", "'server' is unknown"),
        ("token_variable", 'tier = "gold"\ntoken_variable', "server 1 (notes): tier: invalid enum value 'gold'"),
        ("[[servers]]", GOOD + "[[servers]]", "two servers are called 'notes'"),
    ],
)
def test_mistakes_in_the_file_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str, problem: str
) -> None:
    monkeypatch.setenv("NOTES_TOKEN", "secret")
    with pytest.raises(ConfigurationError) as raised:
        read_servers(written(tmp_path, GOOD.replace(before, after, 1)))
    assert problem in "\n".join(raised.value.problems)


def test_without_the_package_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_TOKEN", "secret")
    monkeypatch.setitem(sys.modules, "mcp", None)
    with pytest.raises(ConfigurationError, match=r"needs the package mcp: pip install 'hubline\[mcp\]'"):
        make_servers(ChatSettings(mcp=written(tmp_path, GOOD)), lambda: None)
