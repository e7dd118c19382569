"""Where the entries of runs are kept. The memory log lives as long as the process."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias

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


About: TypeAlias = Mapping[str, Any]
"""What servers know of a run, in JSON values: `id`, `ended` (a bool), the `groups` in whose lists it is (`rooms:…`,
`starters:…`), and whatever the server that owns it adds. The log adds the `position` of the last entry."""


class RunServer(Protocol):
    """What a log that servers share asks of each of them."""

    async def called(self, run_id: str, request: Mapping[str, Any]) -> Any:
        """Another server wants something of a run that this one owns. A HubError, and what is returned, travel."""

    async def adopt(self, about: About, fence: int) -> None:
        """The server of a run has gone. This one owns it now, and writes with this fence."""

    def lost(self, run_id: str) -> None:
        """Another server owns this run now."""

    def changed(self, about: About, group: str | None) -> None:
        """What is known of a run has changed. `group` is the list that is heard; `None` where the run is followed."""


class RunLog(Protocol):
    """Keeps the entries of runs, in order. The conformance suite for one is `hubline.testing.RunLogSuite`.

    A run has one owner at a time, who writes with the number it has claimed the run by, its fence; a greater one takes
    the run over, and from then on whoever writes with a smaller one is refused. Past as many entries as it is made for
    a log drops the older half; what they said is in the `parts` of the tape.
    A log that several servers share also tells each of them what runs there are, carries requests to the server that
    owns a run, and finds out when a server has gone.
    """

    @property
    def shared(self) -> bool:
        """Whether other servers have it too. Where not, what stands below `remove` has nothing to do."""

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

    def join(self, server: RunServer, *, keep: float) -> None:
        """This is the server, and it keeps ended runs for `keep` seconds. Called once, before anything else."""

    async def describe(self, about: About, *, fence: int = 1) -> None:
        """Tell all servers what is known of a run. Raises FencedError, LogGoneError."""

    async def about(self, run_id: str) -> About | None:
        """What is known of a run of any server; `None` when there is none."""

    async def listed(self, group: str) -> Sequence[About]:
        """The runs of a room or of a starter, the oldest first."""

    def hear(self, group: str) -> AbstractAsyncContextManager[None]:
        """While the block runs, the server hears what changes among these."""

    async def call(self, run_id: str, request: Mapping[str, Any]) -> Any:
        """Ask the server that owns a run.

        Raises:
            HubError: what it raised, or that it cannot be reached.
        """

    async def close(self) -> None:
        """Let go of everything but the logs. Idempotent."""


class MemoryRunLog:
    """A `RunLog` in the memory of this process, with `entries` of each run at most. Raises ConfigurationError."""

    def __init__(self, entries: int = 4_096) -> None:
        mistakes = Mistakes("MemoryRunLog")
        mistakes.whole("entries", entries, above=0)
        mistakes.tell()
        self._entries = entries
        self._logs: dict[str, Tape] = {}
        self._fences: dict[str, int] = {}

    @property
    def shared(self) -> bool:
        """No."""
        return False

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

    def join(self, server: RunServer, *, keep: float) -> None:
        """Nothing: there is no other."""

    async def describe(self, about: About, *, fence: int = 1) -> None:
        """Nothing: the server knows."""

    async def about(self, run_id: str) -> About | None:
        """The server knows all there are."""
        return None

    async def listed(self, group: str) -> Sequence[About]:
        """The server knows all there are."""
        return ()

    @asynccontextmanager
    async def hear(self, group: str) -> AsyncIterator[None]:
        """Nothing happens elsewhere."""
        yield

    async def call(self, run_id: str, request: Mapping[str, Any]) -> Any:
        """There is nobody to ask. Raises LogGoneError."""
        raise LogGoneError(run_id)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _tape(self, run_id: str) -> Tape:
        tape = self._logs.get(run_id)
        if tape is None:
            raise LogGoneError(run_id)
        return tape
