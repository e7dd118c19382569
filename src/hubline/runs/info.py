"""The information about a run, the caller who asks for it, and the rules for it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

from hubline import HubError, Identity
from hubline._mistakes import Mistakes

RunState: TypeAlias = Literal[
    "queued", "running", "waiting", "completed", "stopped", "failed", "interrupted", "limited"
]
"""`waiting`: for a person. The last five states are ends."""

OnBusy: TypeAlias = Literal["concurrent", "queue", "latest", "reject", "interrupt"]
"""What a start does in a room with a run in progress."""

Action: TypeAlias = Literal["attach", "stop", "answer", "steer", "info"]
"""What a caller wants to do with a run."""

NO_RUN = "The run does not exist."
"""The error for a run that does not exist, and for one that the caller may not see."""
ENDED = "The run has ended."
UNREACHABLE = "The run cannot be reached at present. Try again in a moment."
"""The error if another server owns it, and that server or the shared log does not answer."""


@dataclass(frozen=True, slots=True)
class StopAfter:
    """Stop a run that has had no viewer for this number of seconds. Raises ConfigurationError."""

    seconds: float
    """From the moment the last viewer left, or from the start if there was none."""

    def __post_init__(self) -> None:
        mistakes = Mistakes("StopAfter")
        mistakes.number("seconds", self.seconds, least=0)
        mistakes.tell()


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller of an operation on a run."""

    user_id: str | None = None
    """As `context.user_id`; `None` for an anonymous user."""
    connection_id: str | None = None
    """The connection of a hub; `None` over plain HTTP."""
    identity: Identity | None = None
    """The identity of the user."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The state of a run at one time."""

    id: str
    """128 random bits. The id of a run that an anonymous user started is enough to use it."""
    state: RunState
    """Its state."""
    position: str | None = None
    """The position of the last entry; `None` before the first."""
    room: str | None = None
    """Where it was started."""
    key: str | None = None
    """The key that the starter chose for the request."""
    starter: str | None = None
    """User id; `None` for an anonymous user, and for the application itself."""
    started_at: datetime | None = None
    """In UTC."""
    ended_at: datetime | None = None
    """In UTC; `None` while it goes on."""
    viewers: int = 0
    """Streams that watch it."""
    usage: tuple[Mapping[str, Any], ...] = ()
    """One entry for each model that was used, as the function has reported it."""

    @property
    def ended(self) -> bool:
        """Whether the run has ended."""
        return self.state not in ("queued", "running", "waiting")

    def item(self) -> dict[str, Any]:
        """The form for clients."""
        return {
            "id": self.id,
            "state": self.state,
            "position": self.position,
            "room": self.room,
            "key": self.key,
            "starter": self.starter,
            "startedAt": moment(self.started_at),
            "endedAt": moment(self.ended_at),
            "viewers": self.viewers,
            "usage": [dict(each) for each in self.usage],
        }


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that has ended, as `on_end` gets it."""

    info: RunInfo
    """The final state."""
    parts: list[dict[str, Any]]
    """Everything that was written and not retracted, as in a snapshot."""
    text: str
    """The text parts joined."""
    error: str | None
    """The text for viewers about a failure or a limit."""
    unread: tuple[str, ...]
    """Ids of messages that the function never read."""


class AskExpired(HubError):
    """A question of a run was not answered in time."""

    def __init__(self, prompt: str) -> None:
        self.prompt = prompt
        super().__init__("The question has expired.")


def moment(at: datetime | None) -> str | None:
    """ISO 8601 in UTC, with milliseconds."""
    return None if at is None else at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def starter_only(action: Action, run: RunInfo, caller: Caller) -> bool:
    """The default rule: a user's run for that user, an anonymous user's run for everyone who knows its id."""
    return run.starter is None or run.starter == caller.user_id
