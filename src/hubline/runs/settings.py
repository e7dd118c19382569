"""The settings of a `Runs`, in one place for all its modules."""

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias, get_args

from hubline import _worker
from hubline._clock import Clock, MonotonicClock
from hubline._mistakes import Mistakes
from hubline._tasks import TaskOwner
from hubline.runs.info import Action, Caller, FinishedRun, OnBusy, RunInfo, StopAfter, starter_only
from hubline.runs.log import MemoryRunLog, RunLog
from hubline.runs.timers import Timers

logger = logging.getLogger("hubline.runs")

ONE_WORKER = (
    "the log of Runs is in the memory of each worker: a client that comes to another worker than its run's does not "
    "find the run. Without `log=MemoryRunLog(…)` the workers share a log in SQLite, if Python has it"
)

Allow: TypeAlias = Callable[[Action, RunInfo, Caller], Awaitable[bool]]
OnEnd: TypeAlias = Callable[[FinishedRun], Awaitable[None]]
OnLastViewer: TypeAlias = Literal["continue"] | StopAfter


@dataclass(frozen=True, slots=True)
class RunLimits:
    """Limits of runs. Exceeding one is an error of the start, or ends the run.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    per_starter: int = 16
    """Runs of one starter that have not ended; for anonymous users, those of one connection. Servers that share a log
    count them together, except for runs that the application starts without a starter."""
    per_server: int = 10_000
    """Runs of this server that have not ended, whatever log it has."""
    text: int = 1_048_576
    """Bytes of all parts of a run, values included. Beyond it, the run ends `limited`, with the content that fits."""
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

    def __post_init__(self) -> None:
        mistakes = Mistakes("RunLimits")
        for name in ("per_starter", "per_server", "text", "entry"):
            mistakes.whole(name, getattr(self, name), above=0)
        for name in ("silence", "length"):
            mistakes.number(name, getattr(self, name), above=0, optional=True)
        mistakes.whole("waiting", self.waiting, least=0)
        mistakes.number("clean_up", self.clean_up, least=0)
        mistakes.tell()


@dataclass(frozen=True, slots=True)
class Settings:
    """The arguments of `Runs(…)`, and the objects that it owns."""

    clock: Clock
    now: Callable[[], datetime]
    timers: Timers
    tasks: TaskOwner
    functions: TaskOwner
    """The tasks that run the application's functions."""
    log: RunLog
    hands_over: Callable[[], bool]
    """Whether another server will continue the runs that this one leaves in a shared log when it stops."""
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


def settings(
    *,
    log: Any,
    log_entries: Any,
    limits: Any,
    allow: Any,
    authenticate: Any,
    clock: Any,
    now: Any,
    **others: Any,
) -> Settings:
    """The arguments of `Runs(…)`, of any type: the type hints are those of `Runs`.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """
    mistakes = Mistakes("Runs")
    mistakes.has("log", log, "a log, as `MemoryRunLog()`", *_LOG, optional=True)
    mistakes.whole("log_entries", log_entries, above=0)
    mistakes.instance("limits", limits, RunLimits, optional=True)
    mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
    functions = {"allow": allow, "authenticate": authenticate, "on_end": others["on_end"], "now": now}
    for name, function in functions.items():
        mistakes.function(name, function, optional=True)
    mistakes.one_of("on_busy", others["on_busy"], get_args(OnBusy))
    rule = others["on_last_viewer"]
    right = isinstance(rule, StopAfter) or rule == "continue"
    mistakes.fits("on_last_viewer", rule, right, "'continue' or `StopAfter(seconds)`")
    for name in ("keep", "keep_keys", "merge", "drain"):
        mistakes.number(name, others[name], least=0)
    for name in ("keep_count", "resync"):
        mistakes.whole(name, others[name], least=0)
    mistakes.flag("detailed_errors", others["detailed_errors"])
    mistakes.tell()
    clock, tasks = clock or MonotonicClock(), TaskOwner("hubline.runs")
    return Settings(
        clock=clock,
        now=now or _utc_now,
        timers=Timers(clock, tasks),
        tasks=tasks,
        functions=TaskOwner("hubline.runs"),
        log=_checked(_default_log(log_entries) if log is None else log),
        hands_over=_has_successor if log is None else _always,
        limits=limits or RunLimits(),
        allow=allow or starter_only,
        **others,
    )


_LOG = ("create", "claim", "append", "follow", "remove")


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _default_log(entries: int) -> RunLog:
    """In memory; the workers of `hubline run --workers` share a file that lives as long as their parent."""
    if _worker.current is not None:
        with suppress(ImportError):  # a Python that was built without SQLite
            from hubline.runs.sqlite_log import SQLiteRunLog

            return SQLiteRunLog(_worker.current.new_log(), entries=entries, temporary=True)
    return MemoryRunLog(entries)


def _checked(log: RunLog) -> RunLog:
    """Warn of a log that workers should share and do not."""
    worker = _worker.current
    if worker is not None and worker.number == 0 and not log.shared:  # said once, not by each worker
        logger.warning(ONE_WORKER)
    return log


def _has_successor() -> bool:
    """When all workers stop, their log is removed, so each ends its own runs."""
    return _worker.leaves_to_a_successor


def _always() -> bool:
    return True
