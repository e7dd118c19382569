"""The contract between the page and the server: the types, and the methods that the server calls on the page.

Answers are runs: pages attach to them by the methods of `hubline.runs.RunsHub`.

Fields are sent in camelCase. `apps/chat/web/src/connection/contract.ts` is the same in TypeScript.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Literal

from hubline_chat.attached import FILE_WEIGHT, REACTION_WEIGHT, File, Quote, Reaction, excerpt
from hubline_chat.contract_models import Model, ToolOffer, ToolUse

Kind = Literal["person", "assistant", "system"]
Role = Literal["admin", "member", "guest"]
TierName = Literal["guest", "free", "premium"]
RoomState = Literal["open", "private", "gone"]


@dataclass(frozen=True, slots=True)
class Person:
    """An author of messages."""

    id: str
    name: str
    kind: Kind = "person"


@dataclass(frozen=True, slots=True)
class Me(Person):
    """The person whose page this is."""

    role: Role = "guest"
    tier: TierName = "guest"


@dataclass(frozen=True, slots=True)
class RoomMember:
    """A person who can see a private room, present or not. `devices`: those that are connected, in whatever room."""

    id: str
    name: str
    is_owner: bool = False
    devices: int = 0


@dataclass(frozen=True, slots=True)
class Room:
    """A room in the list. `last_seq` is the number of its newest message, 0 before the first.

    Only private rooms have `members`: everybody can see the others.
    """

    id: str
    name: str
    topic: str
    people: int
    last_seq: int
    is_private: bool = False
    members: list[RoomMember] = field(default_factory=list)
    asks: bool = False
    """A plain message is a question to the assistant here."""
    owners: list[str] = field(default_factory=list)
    """Ids of those who may change, archive and delete it; administrators may too."""
    is_archived: bool = False
    """It can be read, and nothing new can be written."""
    retention_days: int | None = None
    """Its messages are deleted after so many days, or after those of the server if these are fewer."""
    last_at: datetime | None = None
    """When something was said last; of a silent room that a person made, when it was made."""
    is_conversation: bool = False
    """A private conversation of one person with the assistant."""
    is_pair: bool = False
    """A conversation of two people. Each sees it under the name of the other; when one is gone, it is archived."""
    model: str | None = None
    """The id of the model that was chosen for it. Whoever may not use that one asks the first they may."""


@dataclass(frozen=True, slots=True)
class Budget:
    """A person's allowance for the assistant today. `None` is no limit.

    `cost`: what today's answers have cost, in the currency of the models; `None` where no model has a price.
    """

    tokens_per_day: int | None
    left: int | None
    resets_at: datetime
    questions_at_once: int | None
    cost: float | None = None


class AnswerState(StrEnum):
    RUNNING = "running"
    """Its progress is sent to pages that attach to its run."""
    COMPLETED = "completed"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    LIMITED = "limited"
    """It reached the day's budget before its end."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The state of an answer of the assistant.

    `run_id`: the run to attach to while it is running; the message has the stored part of the text. `elapsed`: seconds
    from its begin until this was sent, or until its end. `error`: a sentence about the missing part, also for an answer
    that a limit ended.
    """

    state: AnswerState
    asked_by: Person
    question_id: str
    run_id: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str | None = None
    elapsed: float = 0.0
    model: str = "standard"
    """The id of the model."""
    reasoning: str = ""
    """The reasoning of the model."""
    can_go_on: bool = False
    """Of a completed answer: a limit of length cut it, and it can be continued like one that did not complete."""
    tokens: int | None = None
    """What it has cost, once it has ended: tokens with those of the conversation, and money if there is a price."""
    told: int | None = None
    """How many of its tokens were what the model was told: the question, and the conversation before it."""
    cost: float | None = None
    tools: list[ToolUse] = field(default_factory=list)
    """Those that were used, in their order."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message of a room. `seq` numbers the messages of a room from 1; 0 marks a note that is not stored."""

    id: str
    room_id: str
    seq: int
    kind: Kind
    author: Person
    text: str
    sent_at: datetime
    client_message_id: str | None = None
    answer: Answer | None = None
    edited_at: datetime | None = None
    is_deleted: bool = False
    """Only its place is left: it has no text and no answer."""
    versions: int = 1
    """Of an answer: how often it was made, with the present version. Pages fetch the earlier ones."""
    files: list[File] = field(default_factory=list)
    quote: Quote | None = None
    """The message that it replies to."""
    reactions: list[Reaction] = field(default_factory=list)
    reacted_at: datetime | None = None

    @property
    def is_running(self) -> bool:
        """Whether this is an answer that has not ended."""
        return self.answer is not None and self.answer.state is AnswerState.RUNNING

    @property
    def weight(self) -> int:
        """Its size in memory and on the way to pages, about, in characters."""
        reacted = sum(len(each.people) for each in self.reactions)
        answer = self.answer
        used = 0 if answer is None else len(answer.reasoning) + sum(use.size for use in answer.tools)
        return len(self.text) + used + FILE_WEIGHT * len(self.files) + REACTION_WEIGHT * reacted

    @property
    def changed_at(self) -> datetime:
        """When it was last said, edited, deleted, reacted to, or begun or ended to be answered."""
        times: list[datetime | None] = [self.edited_at, self.reacted_at]
        if self.answer is not None:
            times += [self.answer.started_at, self.answer.ended_at]
        return max([self.sent_at, *(time for time in times if time is not None)])

    @property
    def as_quote(self) -> Quote:
        """What a reply shows of it."""
        if self.is_deleted:
            return Quote(self.seq, is_deleted=True)
        return Quote(self.seq, self.id, self.author.id, self.author.name, excerpt(self.text, self.files))

    def at(self, now: datetime) -> "Message":
        """The same with the `elapsed` time of a running answer brought up to date."""
        answer = self.answer
        if answer is None or answer.started_at is None or not self.is_running:
            return self
        return replace(self, answer=replace(answer, elapsed=(now - answer.started_at).total_seconds()))


@dataclass(frozen=True, slots=True)
class Version:
    """An earlier version of an answer. `number` counts from 1."""

    message_id: str
    number: int
    text: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Assistant:
    """`model`: the name of the usual one. `models`: those that can be chosen; their prices are in `currency`."""

    name: str
    model: str
    state: Literal["starting", "ready", "failed"]
    detail: str | None = None
    models: list[Model] = field(default_factory=list)
    currency: str = "USD"
    tools: list[ToolOffer] = field(default_factory=list)
    """What models that take tools may use."""


@dataclass(frozen=True, slots=True)
class Server:
    """`instance` changes when the server restarts: answers that were running then have ended.

    `retention_days`: messages are deleted after this number of days; `None`: never. `file_bytes`: the largest file;
    0: no files can be sent.
    """

    version: str
    instance: str
    retention_days: int | None = None
    file_bytes: int = 0


@dataclass(frozen=True, slots=True)
class Read:
    """How far the person has read a room: up to the message `seq`, 0 for nothing.

    `mentions`: numbers of later messages that mention the person, in order.
    """

    room_id: str
    seq: int
    mentions: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Entered:
    me: Me
    rooms: list[Room]
    reads: list[Read]
    assistant: Assistant
    budget: Budget
    server: Server


@dataclass(frozen=True, slots=True)
class Opened:
    """`reset`: the messages are not a continuation of what the page had; `has_more`: older ones can be loaded.

    `changed`: earlier messages that have changed since the page heard of them last. `cleared_before`: messages with
    lower numbers were deleted. `prompt`: what the room tells the assistant before everything else.
    """

    room: Room
    messages: list[Message]
    has_more: bool
    reset: bool
    changed: list[Message] = field(default_factory=list)
    cleared_before: int = 0
    prompt: str = ""


@dataclass(frozen=True, slots=True)
class Earlier:
    messages: list[Message]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Around:
    """The messages around one of them. `has_more`: there are older ones; `has_later`: there are newer ones."""

    messages: list[Message]
    has_more: bool
    has_later: bool


@dataclass(frozen=True, slots=True)
class Later:
    """The messages after a number. `has_more`: there are newer ones."""

    messages: list[Message]
    has_more: bool


@dataclass(frozen=True, slots=True)
class Found:
    """A message that was found. Every second part of `excerpt` is a hit.

    `files`: the names of those of its files that have a hit, each in parts like `excerpt`.
    """

    message_id: str
    room_id: str
    seq: int
    author: Person
    sent_at: datetime
    excerpt: list[str]
    files: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The newest first."""

    found: list[Found]
    has_more: bool
