"""What travels between the page and the server: the types, and what the server calls on the page.

Answers travel as runs: pages attach to them by the methods of `hubline.runs.RunsHub`.

Fields travel in camelCase. `apps/chat/web/src/connection/contract.ts` is the same in TypeScript.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal, Protocol

Kind = Literal["person", "assistant", "system"]
Role = Literal["admin", "member", "guest"]
TierName = Literal["guest", "free", "premium"]
ModelName = Literal["standard", "premium"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who writes. `devices`: open tabs in the room this was listed for; 0 for the assistant."""

    id: str
    name: str
    kind: Kind = "person"
    devices: int = 0


@dataclass(frozen=True, slots=True)
class Me(Person):
    """The person whose page this is."""

    role: Role = "guest"
    tier: TierName = "guest"


@dataclass(frozen=True, slots=True)
class RoomMember:
    """Somebody who can see a private room, here or not."""

    id: str
    name: str
    is_owner: bool = False


@dataclass(frozen=True, slots=True)
class Room:
    """A room in the list. `last_seq` is the number of its newest message, 0 before the first.

    `members` are told of private rooms only: everybody can see the others.
    """

    id: str
    name: str
    topic: str
    people: int
    last_seq: int
    is_private: bool = False
    members: list[RoomMember] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Budget:
    """What somebody may have of the assistant today. `None` is no limit."""

    tokens_per_day: int | None
    left: int | None
    resets_at: datetime
    questions_at_once: int | None


class AnswerState(StrEnum):
    RUNNING = "running"
    """How far it is, is told to those who attach to its run."""
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LIMITED = "limited"
    """The day's budget was reached in the middle of it."""


@dataclass(frozen=True, slots=True)
class Answer:
    """How an answer of the assistant stands.

    `run_id`: what to attach to while it is running; the text of the message is what was stored of it. `elapsed`:
    seconds since it was begun, when this was sent; of an ended answer the whole time. `error`: a sentence about what is
    missing, also of an answer that was cut by a limit.
    """

    state: AnswerState
    asked_by: Person
    question_id: str
    run_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    elapsed: float = 0.0
    model: ModelName = "standard"
    reasoning: str = ""
    """What the model thought on its way."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a room. `seq` numbers the messages of a room from 1; 0 marks a note that is in no history."""

    id: str
    room_id: str
    seq: int
    kind: Kind
    author: Person
    text: str
    sent_at: datetime
    client_message_id: str | None = None
    answer: Answer | None = None

    @property
    def is_running(self) -> bool:
        """Whether this is an answer that is not at its end."""
        return self.answer is not None and self.answer.state is AnswerState.RUNNING

    def at(self, now: datetime) -> "Message":
        """The same with the `elapsed` time of a running answer brought up to date."""
        answer = self.answer
        if answer is None or answer.started_at is None or not self.is_running:
            return self
        return replace(self, answer=replace(answer, elapsed=(now - answer.started_at).total_seconds()))


@dataclass(frozen=True, slots=True)
class Assistant:
    """`premium_model`: `None` when premium questions go to the same model, which then answers at greater length."""

    name: str
    model: str
    state: Literal["starting", "ready", "failed"]
    detail: str | None = None
    premium_model: str | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """`instance` changes when the server starts anew: answers that were running then are at their end."""

    version: str
    instance: str


@dataclass(frozen=True, slots=True)
class Entered:
    me: Me
    rooms: list[Room]
    assistant: Assistant
    budget: Budget
    server: Server


@dataclass(frozen=True, slots=True)
class Joined:
    """`reset`: the messages are not a continuation of what the page had; `has_more`: older ones can be loaded."""

    room: Room
    people: list[Person]
    messages: list[Message]
    has_more: bool
    reset: bool


@dataclass(frozen=True, slots=True)
class Earlier:
    messages: list[Message]
    has_more: bool


class ChatClient(Protocol):
    """The page, as the server calls it."""

    async def receive_message(self, message: Message) -> None: ...

    async def message_changed(self, message: Message) -> None:
        """A message has another form: an answer is at its end, or goes on after one."""

    async def history_cleared(self, room_id: str, before_seq: int) -> None:
        """What was said before that number is gone for good."""

    async def people_changed(self, room_id: str, people: list[Person]) -> None: ...

    async def rooms_changed(self, rooms: list[Room]) -> None: ...

    async def typing_changed(self, room_id: str, names: list[str]) -> None: ...

    async def assistant_changed(self, assistant: Assistant) -> None: ...

    async def budget_changed(self, budget: Budget) -> None: ...

    async def account_changed(self, me: Me) -> None:
        """The person's role or tier is another one now."""

    async def room_gone(self, room_id: str, sentence: str) -> None:
        """A private room is out of reach: the person was removed from it, or it was deleted."""
