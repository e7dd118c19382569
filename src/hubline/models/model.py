"""The interface of a chat model: it takes messages and yields the pieces of an answer."""

from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Literal, Protocol, runtime_checkable

from hubline.errors import HublineError


@dataclass(frozen=True, slots=True)
class Image:
    """An image in a conversation."""

    type: str
    """Its media type, such as `image/jpeg`."""
    data: bytes
    """The encoded image."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A function that a model may ask for. The application runs it, and tells the model its result."""

    name: str
    """Letters, digits, `_` and `-`, at most 64: what OpenAI allows."""
    description: str
    """For the model: what it does, and when to use it."""
    parameters: Mapping[str, Any]
    """JSON Schema of its arguments, an object."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model asks for a tool."""

    id: str
    """Names the call in the message with its result. Unique in one answer of the model."""
    name: str
    """The tool. Models also ask for tools that do not exist."""
    arguments: str
    """JSON as the model wrote it, which may not be valid."""


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant", "tool"]
    """Who speaks."""
    content: str
    """The text; of a tool, its result."""
    tool_calls: Sequence[ToolCall] = ()
    """Of the assistant: the tools that it asked for. Each must be followed by a message with its result."""
    tool_call_id: str | None = None
    """Of a tool: the call to which this is the result."""
    images: Sequence[Image] = ()
    """Of the user: images beside the text, for models that take them; others refuse the conversation."""


@dataclass(frozen=True, slots=True)
class Usage:
    """The cost of an answer, in tokens of its model."""

    input_tokens: int
    """Tokens of the conversation that the model read."""
    output_tokens: int
    """Tokens of the answer."""


class StopReason(Enum):
    """The reason why a model ended its answer."""

    END = "end"
    """The answer is complete."""
    LENGTH = "length"
    """The answer reached the limit of tokens, the model's or the request's."""
    FILTERED = "filtered"
    """Its provider withheld the rest."""
    TOOLS = "tools"
    """It waits for the results of its tool calls."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of an answer. `stop` and `usage` come at most once, at the end, with or without text."""

    text: str = ""
    """The text to append to the answer; may be empty."""
    usage: Usage | None = None
    """The cost of the answer, if the model reports it."""
    stop: StopReason | None = None
    """Why the answer ended; `None` if it has not ended."""
    reasoning: str = ""
    """Text to append to the reasoning of the model; it precedes `text` of the same delta."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Tools that the model asks for, each whole; they follow `text`."""


class Fault(Enum):
    """The kinds of failures of a model, for code that decides what to do."""

    UNREACHABLE = "unreachable"
    """The endpoint cannot be reached, or the local model is not running."""
    TIMEOUT = "timeout"
    """Nothing came within the time limit."""
    REFUSED = "refused"
    """The key was not accepted, or does not allow this."""
    BUSY = "busy"
    """Too many requests, or the credit is used up."""
    TOO_LONG = "too long"
    """The conversation does not fit into the model's context."""
    BROKEN = "broken"
    """The answer broke off, or the model failed in a way it did not explain."""


class ModelError(HublineError):
    """A model could not answer, or its answer is incomplete.

    The text names the model and what happened. It has no keys and no addresses, so it can be shown to people.
    """

    def __init__(self, model: str, fault: Fault, text: str) -> None:
        self.model, self.fault = model, fault
        super().__init__(f"{model} {text}")


class ChatModel(Protocol):
    """Answers conversations. An answer is a stream of pieces."""

    @property
    def name(self) -> str:
        """A name that can be shown to people."""

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Delta, None]:
        """Yield the answer to `messages`, piece by piece.

        Nothing happens before the first `anext()`. To stop the model, close the generator (`aclose()`) or cancel the
        task that reads it. Use `contextlib.aclosing`, because leaving an `async for` does not close the generator.

        Raises:
            ModelError: the model could not answer, or its answer is incomplete. The pieces before it are valid.
        """
        ...


@runtime_checkable
class ToolModel(ChatModel, Protocol):
    """A chat model that can ask for tools: `isinstance(model, ToolModel)`.

    The application runs the tools of an answer, adds the answer and a message of the role `tool` for each call to the
    conversation, and asks again.
    """

    takes_tools: Literal[True]
    """Tells these models from others at run time."""

    def stream(self, messages: Sequence[Message], *, tools: Sequence[Tool] = ()) -> AsyncGenerator[Delta, None]:
        """As `ChatModel.stream`; the model may ask for `tools`.

        Raises:
            ModelError: the model could not answer, or its answer is incomplete. The pieces before it are valid.
        """
        ...
