"""What a `Runs` is set to, in one place for all that serve it."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.runs.info import Action, Caller, FinishedRun, OnBusy, RunInfo, StopAfter
from hubline.runs.log import RunLog
from hubline.runs.timers import Timers

Allow: TypeAlias = Callable[[Action, RunInfo, Caller], Awaitable[bool]]
OnEnd: TypeAlias = Callable[[FinishedRun], Awaitable[None]]
OnLastViewer: TypeAlias = Literal["continue"] | StopAfter


@dataclass(frozen=True, slots=True)
class RunLimits:
    """What runs may have. Each breach is a clear error of the start, or the end of the run."""

    per_starter: int = 16
    """Runs of one starter that have not ended; of strangers, those of one connection."""
    per_server: int = 10_000
    """Runs that have not ended."""
    text: int = 1_048_576
    """Bytes that the parts of a run may have at once, values included. Then it ends `limited`, with what fits."""
    entry: int = 65_536
    """Bytes of one value, in JSON. Longer text is written as several entries."""
    silence: float | None = 300.0
    """Seconds that a running function may write nothing. Waiting for its turn or for a person does not count."""
    length: float | None = None
    """Seconds that a run may take in all. Then it ends `limited`."""
    waiting: int = 32
    """Runs that may wait for their turn in one room."""
    clean_up: float = 5.0
    """Seconds that a stopped function has for its `finally` blocks; then it is abandoned."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that `Runs(…)` was given, and what it owns."""

    clock: Clock
    now: Callable[[], datetime]
    timers: Timers
    tasks: TaskOwner
    functions: TaskOwner
    """Those that run the application's functions."""
    log: RunLog
    limits: RunLimits
    allow: Allow
    on_end: OnEnd | None
    on_busy: OnBusy
    on_last_viewer: OnLastViewer
    keep: float
    keep_count: int
    keep_keys: float
    merge: float
    resync: int
    drain: float
    detailed_errors: bool
