"""One run on the server that owns it: what is known of it, and writing to its log."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hubline import HubError
from hubline.runs.asks import Ask, Asks
from hubline.runs.budgets import Budget
from hubline.runs.inbox import Inbox, SteerMessage
from hubline.runs.info import ENDED, FinishedRun, RunInfo, RunState
from hubline.runs.log import FencedError, LogGoneError
from hubline.runs.parts import Body
from hubline.runs.settings import OnLastViewer, Settings
from hubline.runs.tape import Entry, Tape
from hubline.runs.timers import Timer
from hubline.runs.usage import Usage


@dataclass(frozen=True, slots=True)
class Start:
    """What a run was started with."""

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    key: str | None = None
    room: str | None = None
    starter: str | None = None
    connection_id: str | None = None
    inbox: bool = False
    budget: Budget | None = None
    reserve: int = 1
    on_last_viewer: OnLastViewer = "continue"

    @property
    def name(self) -> str:
        """By which another process finds the function."""
        return f"{self.function.__module__}.{self.function.__qualname__}"

    @property
    def restartable(self) -> bool:
        """Whether another server may call the function again."""
        return getattr(self.function, "__hubline_run_attempts__", 0) > 0

    @property
    def account(self) -> str:
        """Whose keys and limits count: the user's; of a stranger, those of the connection."""
        return f"user {self.starter}" if self.starter is not None else f"connection {self.connection_id}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a run ends, decided before its function has ended."""

    state: RunState
    error: str | None = None


class Record:
    """Everything about one run. `changed` is called at each change of its state, `lost` when another server owns it."""

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
        self.id = secrets.token_urlsafe(16)
        self.start, self.settings, self.room = start, settings, start.room
        self.state: RunState = "queued"
        self.started_at: datetime = settings.now()
        self.ended_at: datetime | None = None
        self.usage = Usage()
        self.asks = Asks(self.waits_changed)
        self.inbox = Inbox(self._steered, self._reads) if start.inbox else None
        self.viewers: set[object] = set()
        self.attempt = 0
        self.place = 0
        """In the queue of its room, as viewers were told."""
        self.fence = 1
        self.task: asyncio.Task[None] | None = None
        self.begun = False
        """Whether its task has: one that is cancelled before would end without a word."""
        self.verdict: Verdict | None = None
        self.parked: Ask | None = None
        """The question whose answer calls the function again."""
        self.reserved = 0
        """Tokens that are set aside and not yet used."""
        self.warned = False
        self.error: str | None = None
        self.ended = asyncio.Event()
        self.info_at_end: RunInfo | None = None
        """The answer to everybody who stopped it and waited for its end (R13)."""
        self.stored = asyncio.Event()
        """`on_end` has been told."""
        self.last_entry = settings.clock.now()
        self.timers: dict[str, Timer] = {}
        self.expiry: Timer | None = None
        self.following: AbstractAsyncContextManager[Tape] | None = None
        self.tape: Tape
        self._changed, self._reading = changed, 0
        self._ending = False
        self.is_lost = False
        """Whether another server owns it now."""

    async def open(self) -> None:
        """Make the log. Raises what the log raises."""
        log = self.settings.log
        await log.create(self.id, fence=self.fence)
        await self.follow()

    async def follow(self) -> None:
        """Have the tape. Raises what the log raises."""
        following = self.settings.log.follow(self.id)
        self.tape = await following.__aenter__()
        self.following = following

    async def close(self) -> None:
        """Forget the log; one that another server owns is only followed no longer."""
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
        try:
            await self.settings.log.append(self.id, (body,), fence=self.fence)
        except FencedError:
            self._lost(self)
            raise

    async def write_end(self, state: RunState, error: str | None) -> None:
        """The last entry. Call it once."""
        self.set_end(state, error, told=False)
        body = {
            "kind": "end",
            "state": state,
            "error": error,
            "usage": list(self.usage.entries()),
            "unread": list(self.unread),
        }
        try:
            await self.settings.log.append(self.id, (body,), fence=self.fence)
        except FencedError:
            self._lost(self)
            raise
        except LogGoneError:
            self.tape.append(body)  # for those who view it here
            raise
        finally:
            if not self.is_lost:
                self.ended.set()
                self._changed(self)

    def set_end(self, state: RunState, error: str | None, *, told: bool = True) -> None:
        """It ends so. `told` when the end is in the log."""
        self._ending = True
        self.state, self.error = state, error
        self.ended_at = self.settings.now()
        self._cancel_timers()
        if told:
            self.ended.set()
            self._changed(self)

    def lose(self) -> None:
        """Another server owns it now: nothing more is written here, and what is over there is over here."""
        self._ending = self.is_lost = True
        self._cancel_timers()
        self.tape.listeners.append(self._written_elsewhere)
        if self.tape.ended is not None:
            self._written_elsewhere(self.tape.ended)

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
        return self.inbox._unread() if self.inbox is not None else ()

    @property
    def waits_for_person(self) -> bool:
        return self._reading > 0 or self.asks.open

    def set_state(self, state: RunState) -> None:
        if state != self.state and not self._ending:
            self.state = state
            self._changed(self)

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
        parts = self.tape.parts
        return FinishedRun(self.info(), parts.items(), parts.text(), self.error, self.unread)

    def after(self, name: str, seconds: float, call: Callable[[], None]) -> None:
        """Have something done later, unless the run has ended by then. The same name again replaces it."""
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
