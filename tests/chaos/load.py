"""Answers and messages under way while servers and Redis fail, and what must be true when all has ended."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.chaos.client import Listener, Talker, Viewer, begin, unheard
from tests.chaos.fleet import LEASE, Fleet
from tests.chaos.ledger import accounts, lapses, problems
from tests.valkey import LIMIT, until

VIEWERS = 2
"""Of each run."""


class Load:
    """Runs, each with its viewers, and a room in which somebody talks. Made by `load`."""

    def __init__(self, fleet: Fleet, tasks: asyncio.TaskGroup, listeners: int) -> None:
        self.fleet, self._tasks = fleet, tasks
        self.runs: dict[str, int] = {}
        """Ids, and how many tokens each has."""
        self.viewers: list[Viewer] = []
        self.following: list[asyncio.Task[None]] = []
        self.talker = Talker(fleet, 0.05)
        self.listeners = [Listener(fleet) for _ in range(listeners)]
        self._talking = tasks.create_task(self.talker.talk())
        self._listening = [tasks.create_task(each.listen()) for each in self.listeners]

    async def begin(self, count: int, tokens: int, pace: float) -> None:
        """Start so many runs, and follow them."""
        first = len(self.runs)
        starts = [begin(self.fleet, tokens, pace, f"key {number}") for number in range(first, first + count)]
        for run_id in await asyncio.gather(*starts):
            self.runs[run_id] = tokens
            for _ in range(VIEWERS):
                viewer = Viewer(self.fleet, run_id, tokens)
                self.viewers.append(viewer)
                self.following.append(self._tasks.create_task(viewer.follow()))

    async def catch_up(self) -> None:
        """Return when every viewer has what was paid up to now: nothing waits for the storage or a new owner."""
        paid = {run_id: max(account.paid, default=-1) for run_id, account in accounts(self.fleet.ledger).items()}

        async def caught_up() -> bool:
            behind = [each for each in self.viewers if len(each.page.text.split()) <= paid.get(each.run_id, -1)]
            return all(each.page.end is not None for each in behind)

        try:
            await until(caught_up)
        except TimeoutError as error:
            states = await self.fleet.states()
            raise AssertionError(f"behind what was paid: {self._waiting()}\n{states}") from error

    async def finish(self) -> None:
        """Return when every viewer has seen an end, and every listener hears what is said now that nothing fails.

        Not one last message: who was about to come back when it was said would never hear it.
        """
        await asyncio.wait(self.following, timeout=LIMIT)
        if waiting := self._waiting():
            raise AssertionError(f"without an end: {waiting}\n{await self.fleet.states()}")
        calm = len(self.talker.said)
        for listener in self.listeners:
            try:
                await until(lambda listener=listener: _hears(listener, calm))  # type: ignore[misc]
            except TimeoutError as error:
                lately = f"{self.talker.said[-5:]}\n{listener.sittings[-2:]}"
                raise AssertionError(f"not heard since {calm}\n{lately}\n{await self.fleet.states()}") from error
        self.talker.stop()
        async with asyncio.timeout(LIMIT):
            await self._talking
        try:
            await until(self._told)
        except TimeoutError as error:
            kept = accounts(self.fleet.ledger)
            untold = {run_id: kept[run_id].attempts for run_id in self.runs if not kept[run_id].ends}
            raise AssertionError(f"on_end was not called: {untold}\n{await self.fleet.states()}") from error

    def _waiting(self) -> list[tuple[str, str, list[int]]]:
        """Runs whose viewers have not seen an end: what they have, and the attempts that were made."""
        kept = accounts(self.fleet.ledger)
        viewers = [viewer for viewer in self.viewers if viewer.page.end is None]
        return [(viewer.run_id, viewer.page.text, kept[viewer.run_id].attempts) for viewer in viewers]

    async def called(self) -> bool:
        """Whether the function of each run has been called."""
        kept = accounts(self.fleet.ledger)
        return all(kept[run_id].attempts for run_id in self.runs)

    async def _told(self) -> bool:
        """Whether `on_end` was told of every run; how often is for `problems`."""
        kept = accounts(self.fleet.ledger)
        return all(kept[run_id].ends for run_id in self.runs)

    def leave(self) -> None:
        for task in self._listening:
            task.cancel()

    def problems(self) -> dict[str, list[str]]:
        """What was promised and has not been kept, by run or by listener."""
        kept = accounts(self.fleet.ledger)
        seen: dict[str, list[str]] = {run_id: [] for run_id in self.runs}
        for viewer in self.viewers:
            seen[viewer.run_id].append(viewer.page.text)
        failures = self.fleet.apart, [*self.fleet.failed, *lapses(self.fleet.ledger, LEASE)]
        found = {
            run_id: problems(kept[run_id], tokens, seen[run_id], *failures) for run_id, tokens in self.runs.items()
        }
        found |= {run_id: ["nobody asked for this run"] for run_id in kept if run_id not in self.runs}
        for number, listener in enumerate(self.listeners):
            faults = [fault for sitting in listener.sittings for fault in unheard(sitting, self.talker.said)]
            found[f"listener {number}"] = faults
        return {name: faults for name, faults in found.items() if faults}

    def states(self) -> Counter[str]:
        """How many runs have ended how."""
        kept = accounts(self.fleet.ledger)
        return Counter(state for run_id in self.runs for state, _ in kept[run_id].ends)

    def fewest_attempts(self) -> int:
        """How often the function of each run was called at least."""
        return min(len(account.attempts) for account in accounts(self.fleet.ledger).values())

    def summary(self) -> str:
        kept = accounts(self.fleet.ledger)
        attempts = sum(len(kept[run_id].attempts) for run_id in self.runs)
        cuts = sum(viewer.cuts for viewer in self.viewers)
        sent = sum(said.sent for said in self.talker.said)
        gaps = sum(len(sitting.gaps) for listener in self.listeners for sitting in listener.sittings)
        return (
            f"{len(self.runs)} runs in {attempts} attempts, {len(self.viewers)} viewers cut {cuts} times; "
            f"{sent} of {len(self.talker.said)} messages sent, {gaps} gaps told"
        )


async def _hears(listener: Listener, since: int) -> bool:
    return listener.hears(since)


@asynccontextmanager
async def load(fleet: Fleet, *, listeners: int = 6) -> AsyncIterator[Load]:
    """Running while the block does; then everything is checked."""
    async with asyncio.TaskGroup() as tasks:
        running = Load(fleet, tasks, listeners)
        yield running
        await running.finish()
        running.leave()
    print(running.summary())
    found = running.problems()
    for name, faults in found.items():
        print(f"FOUND {name}: {'; '.join(faults)}")
    assert not found, f"{len(found)} promises were not kept: see the output"
    fleet.check_logs()
