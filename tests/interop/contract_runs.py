"""The runs hub of the contract server: answers of every kind, started by name.

Settings by environment: RUNS_KEEP_MS, RUNS_KEEP_KEYS_MS, RUNS_LOG_ENTRIES, RUNS_RESYNC, RUNS_DRAIN_MS, RUNS_SILENCE_MS.
RUNS_REDIS=host:port is the log of several servers, RUNS_LEASE_MS their leases.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from hubline import HubError
from hubline.runs import (
    AskExpired,
    Caller,
    FinishedRun,
    MemoryBudget,
    MemoryRunLog,
    Run,
    RunInfo,
    RunLimits,
    RunLog,
    Runs,
    RunsHub,
    StopAfter,
)

POLICIES = ("concurrent", "queue", "latest", "reject", "interrupt")


class Journal:
    """What was executed and what has ended, for tests to ask."""

    def __init__(self) -> None:
        self.executions: Counter[tuple[str, str]] = Counter()
        self.ends: Counter[str] = Counter()
        self.texts: dict[str, str] = {}
        self.shared: set[str] = set()

    async def on_end(self, run: FinishedRun) -> None:
        self.ends[run.info.id] += 1
        self.texts[run.info.id] = run.text

    async def allow(self, action: str, run: RunInfo, caller: Caller) -> bool:
        if action in ("attach", "info") and run.id in self.shared:
            return True
        return run.starter is None or run.starter == caller.user_id


async def pause(milliseconds: int) -> None:
    await asyncio.sleep(milliseconds / 1000)


def named(answer: bool, by: str | None) -> str:
    return f"{'yes' if answer else 'no'} by {by or 'nobody'}"


class Answers:
    """The functions, over what they write down."""

    def __init__(self, journal: Journal) -> None:
        self.journal = journal

    async def count(self, run: Run, n: int, every_ms: int, who: str, key: str | None) -> None:
        if key is not None:
            self.journal.executions[who, key] += 1
        for number in range(n):
            await run.text(f"{number} ")
            await pause(every_ms)

    async def restartable(self, run: Run, n: int, every_ms: int, who: str, key: str | None) -> None:
        if key is not None:
            self.journal.executions[who, key] += 1
        written = "".join(part["text"] for part in run.parts if part["kind"] == "text").split()
        for number in range(int(written[-1]) + 1 if written else 0, n):
            await run.text(f"{number} ")
            await pause(every_ms)

    async def text(self, run: Run, text: str, piece_length: int, every_ms: int) -> None:
        for start in range(0, len(text), piece_length):
            await run.text(text[start : start + piece_length])
            await pause(every_ms)

    async def failing(self, run: Run, n: int, message: str | None) -> None:
        for number in range(n):
            await run.text(f"{number} ")
        if message is None:
            raise RuntimeError("secret detail")
        raise HubError(message)

    async def asking(self, run: Run, expires_ms: int) -> None:
        try:
            answer = await run.ask("Continue?", schema=bool, expires=expires_ms / 1000)
        except AskExpired:
            await run.text("expired")
        else:
            await run.text(named(answer, run.answered_by))

    async def status(self, run: Run, ms: int) -> None:
        await run.status("thinking")
        await pause(ms)
        await run.data("source", {"title": "a"})
        await run.text("done")

    async def parts(self, run: Run, n: int, every_ms: int) -> None:
        for number in range(n):
            await run.reasoning(f"r{number} ")
            await run.text(f"t{number} ")
            await run.data("source", {"n": number})
            await pause(every_ms)
        part = await run.data("progress", 1)
        await run.data("progress", 2, part=part)

    async def retracting(self, run: Run, n: int) -> None:
        for number in range(n):
            await run.text(f"{number} ")
        await run.retract()
        await run.text("clean")

    async def steered(self, run: Run, n: int) -> None:
        for _ in range(n):
            message = await run.inbox.take()
            await run.text(f"{message.value} ")

    async def charging(self, run: Run, n: int) -> None:
        for number in range(n):
            await run.text(f"{number} ")
            await run.charge(1, provider="p", model="m")

    async def stubborn(self, run: Run, n: int) -> None:
        for number in range(n):
            await run.text(f"{number} ")
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                if run.ended:
                    raise

    async def silent(self, run: Run, ms: int) -> None:
        await run.text("a")
        await pause(ms)
        await run.text("b")


async def parked(run: Run, expires_ms: int) -> None:
    """Ends while it waits, and is called again."""
    if not run.parts:
        await run.text("before ")
    try:
        answer = await run.ask("Continue?", schema=bool, expires=expires_ms / 1000, key="go", park=True)
    except AskExpired:
        await run.text("expired")
        return
    await run.text(named(answer, run.answered_by))
    run.usage(attempt=run.attempt)


class ContractRuns(RunsHub):
    """A method for each kind of answer; all return the id of the run."""

    journal: Journal
    answers: Answers

    def _run_merge(self) -> float | None:
        merge = self.context.scope.query.get("merge")
        return int(merge) / 1000 if merge is not None else None

    @property
    def _who(self) -> str:
        return self.context.user_id or self.context.connection_id

    async def _start(self, function: Any, *arguments: Any, room: str | None = None, **options: Any) -> str:
        policy = (room or "").partition(":")[0]
        options["on_busy"] = policy if policy in POLICIES else "concurrent"
        return (await self.runs.start(function, *arguments, room=room, **options)).id

    async def start_count(self, n: int, every_ms: int, key: str | None = None, room: str | None = None) -> str:
        return await self._start(self.answers.count, n, every_ms, self._who, key, key=key, room=room)

    async def start_text(self, text: str, piece_length: int, every_ms: int) -> str:
        return await self._start(self.answers.text, text, piece_length, every_ms)

    async def start_failing(self, n: int) -> str:
        return await self._start(self.answers.failing, n, None)

    async def start_failing_hub(self, n: int, message: str) -> str:
        return await self._start(self.answers.failing, n, message)

    async def start_asking(self, expires_ms: int) -> str:
        return await self._start(self.answers.asking, expires_ms)

    async def start_parked(self, expires_ms: int) -> str:
        return await self._start(parked, expires_ms)

    async def start_status(self, ms: int) -> str:
        return await self._start(self.answers.status, ms)

    async def start_parts(self, n: int, every_ms: int) -> str:
        return await self._start(self.answers.parts, n, every_ms)

    async def start_retracting(self, n: int) -> str:
        return await self._start(self.answers.retracting, n)

    async def start_steered(self, n: int) -> str:
        return await self._start(self.answers.steered, n, inbox=True)

    async def start_charging(self, n: int, budget: int) -> str:
        return await self._start(self.answers.charging, n, budget=MemoryBudget(budget))

    async def start_stubborn(self, n: int) -> str:
        return await self._start(self.answers.stubborn, n)

    async def start_silent(self, ms: int) -> str:
        return await self._start(self.answers.silent, ms)

    async def start_watched(self, n: int, every_ms: int, stop_after_ms: int) -> str:
        rule = StopAfter(stop_after_ms / 1000)
        return await self._start(self.answers.count, n, every_ms, self._who, None, on_last_viewer=rule)

    async def start_shared_room(self, n: int, every_ms: int, room: str) -> str:
        run_id = await self._start(self.answers.count, n, every_ms, self._who, None, room=room)
        self.journal.shared.add(run_id)
        return run_id

    async def start_restartable(self, n: int, every_ms: int, key: str | None = None) -> str:
        return await self._start(self.answers.restartable, n, every_ms, self._who, key, key=key)

    async def executions(self, key: str) -> int:
        return self.journal.executions[self._who, key]

    async def ends(self, run_id: str) -> dict[str, Any]:
        return {"count": self.journal.ends[run_id], "text": self.journal.texts.get(run_id)}


def run_log(environment: Mapping[str, str]) -> RunLog:
    """The log that the environment names."""
    entries, address = int(environment.get("RUNS_LOG_ENTRIES", "4096")), environment.get("RUNS_REDIS")
    if not address:
        return MemoryRunLog(entries)
    from hubline.runs.redis_log import RedisRunLog  # it takes as long to import as all the rest

    lease = float(environment.get("RUNS_LEASE_MS", "10000")) / 1000
    return RedisRunLog(f"redis://{address}", entries=entries, lease=lease)


def runs_hub(environment: Mapping[str, str]) -> tuple[type[RunsHub], Runs]:
    """The hub, with runs of its own, as the environment asks for."""
    journal = Journal()
    answers = Answers(journal)

    def seconds(name: str, default: float) -> float:
        return float(environment[name]) / 1000 if name in environment else default

    runs = Runs(
        allow=journal.allow,
        on_end=journal.on_end,
        merge=0,
        keep=seconds("RUNS_KEEP_MS", 300),
        keep_keys=seconds("RUNS_KEEP_KEYS_MS", 86_400),
        log=run_log(environment),
        resync=int(environment.get("RUNS_RESYNC", "65536")),
        drain=seconds("RUNS_DRAIN_MS", 20),
        limits=RunLimits(silence=seconds("RUNS_SILENCE_MS", 300)),
        detailed_errors=environment.get("DETAILED") == "1",
    )
    runs.function(parked)
    runs.function(restartable=True)(answers.restartable)

    class Configured(ContractRuns, runs=runs): ...

    Configured.journal, Configured.answers = journal, answers
    return Configured, runs
