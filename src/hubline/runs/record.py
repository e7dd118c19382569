"""One run on the server that owns it: its state, and writing to its log."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubline import HubError
from hubline.runs.asks import Ask, Asks
from hubline.runs.backlog import Backlog
from hubline.runs.budgets import Budget
from hubline.runs.inbox import Inbox, SteerMessage
from hubline.runs.info import ENDED, FinishedRun, RunInfo, RunState
from hubline.runs.log import FencedError, LogGoneError
from hubline.runs.parts import Body, Parts
from hubline.runs.settings import OnLastViewer, Settings
from hubline.runs.tape import Entry, Item, Tape
from hubline.runs.timers import Timer
from hubline.runs.usage import Usage


def name_of(function: Callable[..., Any]) -> str:
    """The name of a function for other processes; one for all `functools.partial`s and the like, which have none."""
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


class KeyTakenError(Exception):
    """Making a run took so long that another run has its key by now."""


@dataclass(frozen=True, slots=True)
class Start:
    """The arguments of the start of a run."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    key: str | None = None
    request: str = ""
    """With a key: the fingerprint of the request."""
    room: str | None = None
    starter: str | None = None
    connection_id: str | None = None
    inbox: bool = False
    budget: Budget | None = None
    reserve: int = 1
    on_last_viewer: OnLastViewer = "continue"

    @property
    def name(self) -> str:
        """The name by which another process finds the function."""
        return name_of(self.function)

    @property
    def restartable(self) -> bool:
        """Whether another server may call the function again."""
        return getattr(self.function, "__hubline_run_attempts__", 0) > 0

    @property
    def counted(self) -> bool:
        """Whether all servers together limit the runs of its starter: not those that the application itself starts."""
        return self.starter is not None or self.connection_id is not None

    @property
    def account(self) -> str:
        """The account of keys and limits: the user, or for an anonymous user the connection."""
        return f"user {self.starter}" if self.starter is not None else f"connection {self.connection_id}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ends, decided before its function has ended."""

    state: RunState
    error: str | None = None


class Record:
    """Everything about one run. `changed` is called at each change of its state, `lost` when another server owns it."""

    hands_over = False
    """Whether this server is about to leave it to another one, with the messages that were not read."""

    def __init__(
        self,
        start: Start,
        settings: Settings,
        *,
        changed: "Callable[[Record], None]",
        expire: "Callable[[Record, Ask], None]",
        break_off: "Callable[[Record, RunState, str | None], None]",
        lost: "Callable[[Record], None]",
    ) -> None:
        self._expire, self._break_off, self._lost = expire, break_off, lost
        self.id, self.start, self.settings, self.room = secrets.token_urlsafe(16), start, settings, start.room
        self.state: RunState = "queued"
        self.started_at: datetime = settings.now()
        self.ended_at: datetime | None = None
        self.usage = Usage()
        self.asks = Asks(self.waits_changed)
        self.inbox = Inbox(self._steered, self._reads) if start.inbox else None
        self.viewers: set[object] = set()
        self.attempt = self.attempt_told = 0
        """Calls of the function, and how many of them other servers have been told of, or are being told."""
        self.is_counted = False
        """Whether other servers know of this attempt: not before that the function is called."""
        self.handed_over = 0
        """Calls that have ended in good order and left the run to another one: at a shutdown, or parked."""
        self.place = 0
        """The place in the queue of its room that was reported to viewers."""
        self.takes_turns: bool | None = None
        """Whether it waits for its turn in its room; `None` if this server does not keep the order of the room."""
        self.fence = 1
        self.task: asyncio.Task[None] | None = None
        self.begun = False
        """Whether its task has begun: a task that is cancelled before would end without a report."""
        self.verdict: Verdict | None = None
        self.parked: Ask | None = None
        """The question whose answer calls the function again."""
        self.reserved = 0
        """Tokens that are reserved and not yet used."""
        self.warned = self._ending = False
        self.error: str | None = None
        self.ended = asyncio.Event()
        self.left = asyncio.Event()
        """It has ended, or another server owns it: a server that stops need not wait for it."""
        self.info_at_end: RunInfo | None = None
        """The answer to all callers that stopped it and waited for its end (R13)."""
        self.stored = asyncio.Event()
        """`on_end` has been called."""
        self.last_entry = settings.clock.now()
        self.timers: dict[str, Timer] = {}
        self.expiry: Timer | None = None
        self.following: AbstractAsyncContextManager[Tape] | None = None
        self.tape: Tape
        self.backlog: Backlog | None = None
        """Where servers share the log."""
        self._changed, self._reading = changed, 0
        self._unread: tuple[str, ...] = ()
        self.is_lost = False
        """Whether another server owns it now."""

    async def open(self) -> None:
        """Make the log. Raises the errors of the log."""
        log = self.settings.log
        await log.create(self.id, fence=self.fence)
        await self.follow()

    async def follow(self) -> None:
        """Get the tape. Raises the errors of the log."""
        following = self.settings.log.follow(self.id)
        self.tape = await following.__aenter__()
        self.following = following
        if self.settings.log.shared:
            self.backlog = Backlog(self.id, self.fence, self.tape, self.settings, lambda: self._lost(self))

    async def close(self) -> None:
        """Remove the log; if another server owns it, only stop following it."""
        following, self.following = self.following, None
        if following is not None:
            await following.__aexit__(None, None, None)
        if not self.is_lost:
            await self.settings.log.remove(self.id)

    async def write(self, body: Body) -> None:
        """Add an entry. Raises HubError once the run has ended."""
        if self._ending:
            raise HubError(ENDED)
        self.last_entry = self.settings.clock.now()
        if self.backlog is not None:
            await self.backlog.write(body)
            return
        try:
            await self.settings.log.append(self.id, (body,), fence=self.fence)
        except FencedError:
            self._lost(self)
            raise

    async def write_end(self, state: RunState, error: str | None) -> None:
        """The last entry. Call it once."""
        self.set_end(state, error)
        body = {
            "kind": "end",
            "state": state,
            "error": error,
            "usage": list(self.usage.entries()),
            "unread": list(self.unread),
        }
        try:
            if self.backlog is not None:
                await self.backlog.write(body, last=True)
            else:
                await self.settings.log.append(self.id, (body,), fence=self.fence)
        except FencedError:
            self._lost(self)
            raise
        except LogGoneError:
            for left in (body,) if self.backlog is None else self.backlog.left:
                self.tape.append(left)  # for those who view it here, and for `on_end`
            raise
        finally:
            if not self.is_lost:
                self._has_ended()

    def set_end(self, state: RunState, error: str | None) -> None:
        """It ends with this verdict."""
        self._ending = True
        self.state, self.error = state, error
        self.ended_at = self.settings.now()
        self._cancel_timers()

    def take_end(self, end: Item, ended_at: datetime | None) -> None:
        """It has ended so, says the log."""
        self.set_end(end["state"], end["error"])
        self.ended_at = ended_at or self.ended_at
        self.usage = Usage()
        for used in end["usage"]:
            self.usage.add(used)
        self._unread = tuple(end["unread"])
        self._has_ended()

    def taken_over(self) -> None:
        """Redis says that another server owns it now."""
        self._lost(self)

    def lose(self) -> None:
        """Another server owns it now: nothing more is written here, and its end there is its end here."""
        self._ending = self.is_lost = True
        self.left.set()
        self._cancel_timers()
        self.tape.listeners.append(self._written_elsewhere)
        if self.tape.ended is not None:
            self._written_elsewhere(self.tape.ended)

    def _has_ended(self) -> None:
        self.ended.set()
        self.left.set()
        self._changed(self)

    def _written_elsewhere(self, entry: Entry) -> None:
        if entry.kind == "end":
            self.state, self.error = entry.item["state"], entry.item["error"]
            self.ended.set()

    def _cancel_timers(self) -> None:
        self.asks.close()
        for timer in self.timers.values():
            timer.cancel()
        self.timers.clear()

    @property
    def is_over(self) -> bool:
        """Whether its end is being written, or has been."""
        return self._ending

    @property
    def unread(self) -> tuple[str, ...]:
        return self.inbox._unread() if self.inbox is not None and not self._unread else self._unread

    @property
    def waits_for_person(self) -> bool:
        return self._reading > 0 or self.asks.open

    def set_state(self, state: RunState) -> None:
        if state != self.state and not self._ending:
            self.state = state
            self._changed(self)

    @property
    def parts(self) -> Parts:
        """The parts that were written and not retracted."""
        return self.backlog.parts if self.backlog is not None else self.tape.parts

    @property
    def waits_for_log(self) -> bool:
        """Whether the log cannot be reached at present."""
        return self.backlog is not None and self.backlog.is_away

    def info(self) -> RunInfo:
        tape = self.tape
        return RunInfo(
            id=self.id,
            state=self.state,
            position=tape.position(tape.end) if tape.end else None,
            room=self.room,
            key=self.start.key,
            starter=self.start.starter,
            started_at=self.started_at,
            ended_at=self.ended_at,
            viewers=len(self.viewers),
            usage=self.usage.entries(),
        )

    def finished(self) -> FinishedRun:
        parts = self.parts
        return FinishedRun(self.info(), parts.items(), parts.text(), self.error, self.unread)

    def after(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Make a call later, unless the run has ended by then. The same name again replaces it."""
        self.cancel(name)
        self.timers[name] = self.settings.timers.after(seconds, call)

    def break_off(self, state: RunState, error: str | None) -> None:
        """End it from within: its function is cancelled."""
        self._break_off(self, state, error)

    def expire(self, ask: Ask) -> None:
        """Nobody has answered in time."""
        self._expire(self, ask)

    def cancel(self, name: str) -> None:
        timer = self.timers.pop(name, None)
        if timer is not None:
            timer.cancel()

    def waits_changed(self) -> None:
        if self.state in ("running", "waiting"):
            self.last_entry = self.settings.clock.now()
            self.set_state("waiting" if self.asks.open else "running")

    def _reads(self, change: int) -> None:
        self._reading += change
        self.last_entry = self.settings.clock.now()

    def _steered(self, message: SteerMessage) -> Awaitable[None]:
        return self.write({"kind": "steered", "steerId": message.id, "by": message.by, "value": message.value})
