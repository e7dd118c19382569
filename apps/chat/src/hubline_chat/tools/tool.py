"""What a tool of the assistant is, whoever provides it."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from hubline.models import Tool
from hubline_chat.contract_models import Access
from hubline_chat.room import Room
from hubline_chat.store import User

Arguments = dict[str, Any]


class ToolError(Exception):
    """A tool could not do what it was asked, for this reason, which people and the model read."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tool is used: the room of the question, and who asked it."""

    room: Room
    user: User
    before: int
    """The number of the question."""


@dataclass(frozen=True, slots=True)
class RoomTool:
    """A tool as it is offered in rooms.

    `title`: what people read. `is_safe`: it only reads, so nobody is asked before it is used. `seconds`: for one use.
    `use` returns the result as text, or raises ToolError.
    """

    name: str
    title: str
    description: str
    parameters: Mapping[str, Any]
    use: Callable[[Place, Arguments], Awaitable[str]]
    is_safe: bool = False
    tier: Access = "guest"
    server: str | None = None
    """The MCP server that provides it; `None` for those of the chat."""
    seconds: float = 30.0

    @property
    def offer(self) -> Tool:
        """As models are told of it."""
        return Tool(self.name, self.description, self.parameters)


def texts(**described: str) -> Mapping[str, Any]:
    """JSON Schema of arguments that are all texts, and all needed."""
    properties = {name: {"type": "string", "description": text} for name, text in described.items()}
    return {"type": "object", "properties": properties, "required": [*described], "additionalProperties": False}


def text_in(arguments: Arguments, name: str) -> str:
    """A text among the arguments. Raises ToolError."""
    found = arguments.get(name)
    if not isinstance(found, str) or not found.strip():
        raise ToolError(f"The argument {name} is missing: it must be a text.")
    return found
