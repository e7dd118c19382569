"""An MCP server of the SDK, as a process or over HTTP: notes that can be read, written and waited for."""

import asyncio
import sys

from mcp.server import MCPServer
from mcp.types import ToolAnnotations

notes: list[str] = []
server = MCPServer("notes")


@server.tool(title="List notes", annotations=ToolAnnotations(read_only_hint=True))
def list_notes() -> str:
    """All notes."""
    return "\n".join(notes) or "There are no notes."


@server.tool(title="Add a note", annotations=ToolAnnotations(read_only_hint=False))
def add_note(text: str) -> str:
    """Add a note."""
    if not text:
        raise ValueError("a note needs a text")
    notes.append(text)
    return f"Added: {text}"


@server.tool()
async def sleep() -> str:
    """Waits for ever."""
    await asyncio.Event().wait()
    return "never"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run("stdio")
