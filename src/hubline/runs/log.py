"""Where the entries of runs are kept. The memory log lives as long as the process."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Protocol

from hubline import HublineError
from hubline._mistakes import Mistakes
from hubline.runs.parts import Body
from hubline.runs.tape import Tape


class FencedError(HublineError):
    """An append by somebody who no longer owns the run: `fence` is below the one that claimed it last, `newest`."""

    def __init__(self, run_id: str, fence: int, newest: int) -> None:
        self.run_id, self.fence, self.newest = run_id, fence, newest
        super().__init__(f"run {run_id}: owner {fence} was replaced by owner {newest}")


class LogGoneError(HublineError, LookupError):
    """There is no log of this run: it has expired, or never was."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"there is no log of run {run_id}")


class RunLog(Protocol):
    """Keeps the entries of runs, in order. The conformance suite for one is `hubline.testing.RunLogSuite`.

    A run has one owner at a time, who writes with the number it has claimed the run by, its fence; a greater one takes
    the run over, and from then on whoever writes with a smaller one is refused. Past as many entries as it is made for
    a log drops the older half; what they said is in the `parts` of the tape.
    """

    async def create(self, run_id: str, *, fence: int = 1) -> None:
        """Begin a log, with an epoch that no log has had. Raises ValueError when the run has one."""

    async def claim(self, run_id: str, *, fence: int) -> None:
        """Become the owner. The log goes on, with its epoch and its positions.

        Raises:
            FencedError: `fence` is not greater than that of the owner.
            LogGoneError: there is no such log.
        """

    async def append(self, run_id: str, bodies: Sequence[Body], *, fence: int = 1) -> None:
        """Add entries, all or none of them, with nobody's between them. On return every follower here has them.

        Raises:
            FencedError: somebody else owns the run. Nothing was added.
            LogGoneError: there is no such log.
        """

    def follow(self, run_id: str) -> AbstractAsyncContextManager[Tape]:
        """The entries as a tape, which grows while the block runs; how many follow costs the log nothing.

        Followers on one server share the tape. What it had before is in it at the beginning: entries as far as they
        are kept, parts, open questions, the end. A log that is removed leaves the tape as it is.

        Raises:
            LogGoneError: there is no such log.
        """

    async def remove(self, run_id: str) -> None:
        """Forget the log. Idempotent."""


class MemoryRunLog:
    """A `RunLog` in the memory of this process, with `entries` of each run at most. Raises ConfigurationError."""

    def __init__(self, entries: int = 4_096) -> None:
        mistakes = Mistakes("MemoryRunLog")
        mistakes.whole("entries", entries, above=0)
        mistakes.tell()
        self._entries = entries
        self._logs: dict[str, Tape] = {}
        self._fences: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._logs)

    async def create(self, run_id: str, *, fence: int = 1) -> None:
        """Begin a log. Raises ValueError when the run has one."""
        if run_id in self._logs:
            raise ValueError(f"run {run_id} has a log already")
        self._logs[run_id], self._fences[run_id] = Tape(self._entries), fence

    async def claim(self, run_id: str, *, fence: int) -> None:
        """Become the owner. Raises FencedError, LogGoneError."""
        self._tape(run_id)
        if fence <= self._fences[run_id]:
            raise FencedError(run_id, fence, self._fences[run_id])
        self._fences[run_id] = fence

    async def append(self, run_id: str, bodies: Sequence[Body], *, fence: int = 1) -> None:
        """Add entries. Never waits. Raises FencedError, LogGoneError."""
        tape = self._tape(run_id)
        if fence < self._fences[run_id]:
            raise FencedError(run_id, fence, self._fences[run_id])
        for body in bodies:
            tape.append(body)

    @asynccontextmanager
    async def follow(self, run_id: str) -> AsyncIterator[Tape]:
        """The log's own tape. Raises LogGoneError."""
        yield self._tape(run_id)

    async def remove(self, run_id: str) -> None:
        """Forget the log. Idempotent."""
        self._logs.pop(run_id, None)
        self._fences.pop(run_id, None)

    def _tape(self, run_id: str) -> Tape:
        tape = self._logs.get(run_id)
        if tape is None:
            raise LogGoneError(run_id)
        return tape
