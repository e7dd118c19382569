"""What a chat model is: messages in, pieces of an answer out."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal, Protocol

from hubline.errors import HublineError


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    """Who speaks."""
    content: str
    """What is said, as plain text."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer cost, in tokens of the model that gave it."""

    input_tokens: int
    """Tokens of the conversation that the model read."""
    output_tokens: int
    """Tokens of the answer."""


class StopReason(Enum):
    """Why a model ended its answer."""

    END = "end"
    """It had said everything."""
    LENGTH = "length"
    """It reached the limit of tokens, its own or the one it was given."""
    FILTERED = "filtered"
    """Its provider withheld the rest."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The next piece of an answer. `stop` and `usage` come at most once, at the end, with or without text."""

    text: str = ""
    """What to append to the answer; may be empty."""
    usage: Usage | None = None
    """What the answer cost, where the model tells."""
    stop: StopReason | None = None
    """Why the answer ended; `None` while it goes on."""
    reasoning: str = ""
    """What to append to what the model thinks on its way to the answer; comes before `text` of the same piece."""


class Fault(Enum):
    """What went wrong with a model, for those who decide by it."""

    UNREACHABLE = "unreachable"
    """The endpoint cannot be reached, or the local model is not running."""
    TIMEOUT = "timeout"
    """Nothing came within the time limit."""
    REFUSED = "refused"
    """The key was not accepted, or does not allow this."""
    BUSY = "busy"
    """Too many requests, or nothing left to pay with."""
    TOO_LONG = "too long"
    """The conversation does not fit into the model's context."""
    BROKEN = "broken"
    """The answer broke off, or the model failed in a way it did not explain."""


class ModelError(HublineError):
    """A model could not answer, or not to the end.

    The text names the model and what happened. It holds no keys and no addresses, so it can be shown to people.
    """

    def __init__(self, model: str, fault: Fault, text: str) -> None:
        self.model, self.fault = model, fault
        super().__init__(f"{model} {text}")


class ChatModel(Protocol):
    """Answers conversations, piece by piece."""

    @property
    def name(self) -> str:
        """What people may see."""

    def stream(self, messages: Sequence[Message]) -> AsyncGenerator[Delta, None]:
        """The answer to `messages`, as it is made.

        Nothing happens before the first `anext()`. Closing the generator (`aclose()`, or cancelling who reads it) stops
        the model; use `contextlib.aclosing`, because leaving an `async for` does not close it.

        Raises:
            ModelError: the model could not answer, or broke off; what was yielded before stays valid.
        """
        ...
