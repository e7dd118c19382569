"""The part of the contract that is about the models of the assistant."""

from dataclasses import dataclass
from typing import Any, Literal

Access = Literal["guest", "free", "premium", "admin"]
"""Who may use a model: everybody, people with an account, those with a premium account, administrators."""


ToolState = Literal[
    "input-available",
    "approval-requested",
    "approval-responded",
    "output-available",
    "output-denied",
    "output-error",
]
"""As the AI SDK names them: it will be used, waits for a person, is being used after that, and three ends."""


@dataclass(frozen=True, slots=True)
class ToolUse:
    """A tool that was used for an answer. `at`: characters of the answer's text before it.

    The same fields are in the parts of the run while it goes on, but for `at`, which their order tells.
    """

    tool_call_id: str
    name: str
    state: ToolState
    input: Any = None
    """The arguments: an object or, when they are not valid, the text that the model wrote."""
    output: str | None = None
    error_text: str | None = None
    """Why it failed."""
    timed_out: bool = False
    """It failed, because it took too long or nobody decided."""
    title: str | None = None
    server: str | None = None
    """The MCP server that has it."""
    decided_by: str | None = None
    """The name of the person who agreed or declined."""
    round: int = 0
    """Those of one round were asked for at once."""
    at: int = 0

    @property
    def size(self) -> int:
        """Its characters, roughly."""
        return len(str(self.input)) + len(self.output or "") + len(self.error_text or "")


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """A tool that the assistant may use. `asks`: people are asked before."""

    title: str
    server: str | None = None
    asks: bool = False
    tier: Access = "guest"


@dataclass(frozen=True, slots=True)
class Model:
    """A model that people can choose. `note` says more about it. Prices are for a million tokens."""

    id: str
    name: str
    tier: Access = "guest"
    note: str | None = None
    context_tokens: int | None = None
    """Its window, if it is known."""
    input_price: float | None = None
    output_price: float | None = None
    takes_images: bool = False
    takes_tools: bool = False
