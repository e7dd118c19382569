"""The storage for the entries of runs. The memory log lives as long as the process."""

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol, TypeAlias

from hubline import HublineError
from hubline._mistakes import Mistakes
from hubline.runs.parts import Body
from hubline.runs.registry import RunRegistry
from hubline.runs.tape import Tape


class FencedError(HublineError):
    """An append by a former owner of the run: its `fence` is below that of the present owner, `newest`."""

    def __init__(self, run_id: str, fence: int, newest: int) -> None:
        self.run_id, self.fence, self.newest = run_id, fence, newest
        super().__init__(f"run {run_id}: owner {fence} was replaced by owner {newest}")


class LogGoneError(HublineError, LookupError):
    """There is no log of this run: it has expired, or never existed."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        super().__init__(f"there is no log of run {run_id}")


About: TypeAlias = Mapping[str, Any]
"""The description of a run for all servers, in JSON values: `id`, `ended` (a bool), the `groups` in whose lists it is
(`rooms:…`, `starters:…`), and further fields of its owner. The log adds the `position` of the last entry."""


class RunServer(Protocol):
    """The interface of a server for a log that servers share."""

    async def called(self, run_id: str, request: Mapping[str, Any], node: str) -> Any:
        """A request of another server, `node`, for a run of this one. The result, or a HubError, is sent back."""

    def gone(self, node: str) -> None:
        """A server that has sent requests has gone."""

    def returned(self) -> None:
        """Other servers considered this server gone; it is back."""

    async def adopt(self, about: About, fence: int) -> None:
        """The server of a run has gone, perhaps before it called `on_end`. This one owns it now, with this fence."""

    @property
    def leaving(self) -> bool:
        """Whether the server is about to stop. Then it adopts nothing."""

    @property
    def waiting(self) -> Collection[str]:
        """The rooms in which runs of this server wait for their turns."""

    def lost(self, run_id: str) -> None:
        """Another server owns this run now."""

    def away(self, run_id: str) -> None:
        """An append of this run cannot be written at present. The log continues to try."""

    def turns(self, room: str) -> None:
        """A room with runs of this server has changed: see the registry."""

    def changed(self, about: About, group: str | None) -> None:
        """The description of a run has changed. `group` is its watched list; `None` if the run itself is followed."""


class RunLog(Protocol):
    """Keeps the entries of runs, in order. The conformance suite for one is `hubline.testing.RunLogSuite`.

    A run has one owner at a time, which claims the run with a number, its fence, and writes with it. A greater fence
    takes the run over; from then on writes with a smaller one are refused. Beyond its capacity a log drops the older
    half of the entries; their content is in the `parts` of the tape.
    A log that several servers share also lists the runs of all servers, carries requests to the owner of a run, and
    detects that a server has gone.
    """

    @property
    def shared(self) -> bool:
        """Whether other servers share it. If not, the methods below `remove` do nothing."""

    @property
    def registry(self) -> RunRegistry | None:
        """The keys and rooms of the servers that share it; `None` for a single server."""

    async def create(self, run_id: str, *, fence: int = 1) -> None:
        """Begin a log, with a new epoch. Raises ValueError if the run already has a log."""

    async def claim(self, run_id: str, *, fence: int) -> None:
        """Become the owner. The log keeps its epoch and its positions.

        Raises:
            FencedError: `fence` is not greater than that of the owner.
            LogGoneError: there is no such log.
        """

    async def append(self, run_id: str, bodies: Sequence[Body], *, fence: int = 1) -> None:
        """Add entries, all or none of them, without others in between. On return every follower here has them.

        Raises:
            FencedError: another server owns the run. Nothing was added.
            LogGoneError: there is no such log.
        """

    def follow(self, run_id: str) -> AbstractAsyncContextManager[Tape]:
        """The entries as a tape, which grows while the block runs; further followers cost the log nothing.

        Followers on one server share the tape. It begins with the existing content: the kept entries, parts, open
        questions, the end. Removing the log does not change the tape.

        Raises:
            LogGoneError: there is no such log.
        """

    async def remove(self, run_id: str) -> None:
        """Forget the log. Idempotent."""

    def join(self, server: RunServer, *, keep: float) -> None:
        """Set the server, which keeps ended runs for `keep` seconds. Called once, before all other methods."""

    async def describe(self, about: About, *, fence: int = 1) -> None:
        """Publish the description of a run to all servers. An ended run leaves its room; the time of its key begins.

        The `registry` needs `account`, `key`, `room` and, for the time of the key in seconds, `keepKeys`.

        Raises:
            FencedError: another server owns the run.
            LogGoneError: there is no such log.
        """

    async def settle(self, run_id: str, *, fence: int = 1) -> None:
        """`on_end` was told of the end of a run. Until then another server takes it over when this one has gone."""

    async def owns(self, run_id: str, *, fence: int = 1) -> bool:
        """Whether no other server has taken a run over. Raises LogGoneError, BackplaneError."""

    async def about(self, run_id: str) -> About | None:
        """The description of a run of any server; `None` if there is none."""

    async def listed(self, group: str) -> Sequence[About]:
        """The runs of a room or of a starter, the oldest first."""

    def hear(self, group: str) -> AbstractAsyncContextManager[None]:
        """While the block runs, the server gets the changes of these runs."""

    async def call(self, run_id: str, request: Mapping[str, Any]) -> Any:
        """Send a request to the server that owns a run.

        Raises:
            HubError: the error of that server, or it cannot be reached.
        """

    async def close(self) -> None:
        """Close everything except the logs. Idempotent."""


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

    @property
    def registry(self) -> RunRegistry | None:
        """None."""
        return None

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

    async def settle(self, run_id: str, *, fence: int = 1) -> None:
        """Nothing: there is no other."""

    async def owns(self, run_id: str, *, fence: int = 1) -> bool:
        """Whether no greater fence has claimed it. Raises LogGoneError."""
        self._tape(run_id)
        return self._fences[run_id] <= fence

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
        """There is no other server. Raises LogGoneError."""
        raise LogGoneError(run_id)

    async def close(self) -> None:
        """There is nothing to close."""

    def _tape(self, run_id: str) -> Tape:
        tape = self._logs.get(run_id)
        if tape is None:
            raise LogGoneError(run_id)
        return tape
