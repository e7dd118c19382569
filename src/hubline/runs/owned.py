"""The runs that this server owns in a shared log, those of servers that have gone among them."""

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Protocol

from hubline.runs.log import About, RunServer
from hubline.runs.parts import Body
from hubline.runs.shared_tapes import Followed, Tapes

Living = Iterable[tuple[str, int]]
"""Living runs of a server: ids and fences, those of the moment at which each is asked for."""

Lost = Callable[[str, int], Awaitable[None]]
"""Another server has taken over a run that had this fence."""

Turns = Callable[[str], None]
"""In this room the turn of a run may have come."""


class OwnedStorage(Protocol):
    """What the storage does for the owner of runs. All methods raise BackplaneError."""

    async def settle(self, run_id: str, fence: int) -> None:
        """Nobody needs to take a run over any more; from now on it is kept as every ended run."""

    async def renew(self, runs: Living, lost: Lost, turns: Turns) -> None:
        """Keep what belongs to these runs. Calls `lost` for each that another server owns, and `turns` for rooms."""

    async def spare(self, node: str) -> None:
        """Keep what belongs to the runs of a server that has gone, as if it had renewed it."""

    async def about(self, run_id: str) -> About | None:
        """The description of a run."""


class Appends(Protocol):
    """Writes entries, each once. Without the storage it waits. Both methods raise FencedError, LogGoneError."""

    async def append_behind(self, followed: Followed, bodies: Sequence[Body], fence: int) -> None:
        """Add entries behind what the tape has, and to the tape. One call at a time."""

    async def append(self, run_id: str, bodies: Sequence[Body], fence: int) -> object:
        """Add entries, whatever the last one is."""


class Owned:
    """The runs that this server writes, by their ids: the fence of each, and its tape."""

    def __init__(self, storage: OwnedStorage, tapes: Tapes, server: RunServer | None) -> None:
        self._storage, self._tapes, self._server = storage, tapes, server
        self._described: set[str] = set()
        """Runs whose ends are known to all servers. `on_end` may not have been called."""
        self._told: set[str] = set()
        """Runs for which `on_end` was called. Other servers may not know their ends."""
        self._runs: dict[str, tuple[int, Followed]] = {}
        self.finished: set[str] = set()
        """Those whose ends this server has written."""

    @property
    def runs(self) -> Mapping[str, tuple[int, Followed]]:
        return self._runs

    async def own(self, run_id: str, fence: int) -> None:
        """This server writes the run from now on. Raises LogGoneError, BackplaneError."""
        owned = self._runs.get(run_id)
        followed = owned[1] if owned is not None else await self._tapes.hold(run_id)
        followed.owned = True
        self._runs[run_id] = fence, followed
        if followed.tape is not None and followed.tape.ended is not None:
            self.finished.add(run_id)

    async def disown(self, run_id: str) -> None:
        """This server does not write the run any more."""
        owned = self._runs.pop(run_id, None)
        for runs in (self.finished, self._described, self._told):
            runs.discard(run_id)
        if owned is not None:
            owned[1].owned = False
            await self._tapes.release(owned[1])

    async def described_end(self, run_id: str, fence: int) -> None:
        """All servers know the end of the run. Raises BackplaneError."""
        if run_id in self._runs:
            self._described.add(run_id)
        await self._settle(run_id, fence)

    async def told_end(self, run_id: str, fence: int) -> None:
        """`on_end` was called. Raises BackplaneError."""
        if run_id in self._runs:
            self._told.add(run_id)
        await self._settle(run_id, fence)

    async def _settle(self, run_id: str, fence: int) -> None:
        """After both, no server needs to take the run over, and it is kept as long as every ended run."""
        if run_id in self._described and run_id in self._told:
            await self._storage.settle(run_id, fence)

    async def renew(self) -> None:
        """Renew the living runs in the storage; give up those that another server has. Raises BackplaneError."""
        await self._storage.renew(self._living(), self._lose, self._turns)
        for room in self._server.waiting if self._server is not None else ():
            self._turns(room)  # the news that the turn of the last one has come may be lost

    async def spare(self, node: str) -> None:
        """Keep the runs of a server that has gone. Raises BackplaneError."""
        await self._storage.spare(node)

    def _living(self) -> Living:
        for run_id, (fence, _) in list(self._runs.items()):
            if run_id not in self.finished and self._has(run_id, fence):  # as it is when its turn comes
                yield run_id, fence

    def _has(self, run_id: str, fence: int) -> bool:
        return run_id in self._runs and self._runs[run_id][0] == fence

    async def _lose(self, run_id: str, fence: int) -> None:
        if not self._has(run_id, fence):  # this server has taken it over itself meanwhile
            return
        await self.disown(run_id)
        if self._server is not None:
            self._server.lost(run_id)

    def _turns(self, room: str) -> None:
        if self._server is not None:
            self._server.turns(room)

    async def adopt(self, run_id: str, fence: int) -> bool:
        """The server of a run has gone. False: nobody was told of the run, whose start was not finished.

        Raises the errors of the log and of `RunServer.adopt`.
        """
        about = await self._storage.about(run_id)
        if about is None or self._server is None:
            return about is not None
        await self.own(run_id, fence)
        try:
            await self._tapes.complete(self._runs[run_id][1])  # its followers here may not have heard everything yet
            await self._server.adopt(about, fence)
        except BaseException:
            await self.disown(run_id)  # otherwise it would be renewed, though nobody continues it
            raise
        return True
