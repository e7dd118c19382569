"""What is the same for every run log that servers share, whatever the storage: Redis or a database."""

import asyncio
import json
import secrets
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, NamedTuple, Protocol
from weakref import WeakValueDictionary

from hubline import HubError
from hubline._clock import Clock, MonotonicClock
from hubline._tasks import TaskOwner
from hubline.errors import BackplaneError
from hubline.runs.calls import Calls
from hubline.runs.info import NO_RUN
from hubline.runs.leases import Leases, Members
from hubline.runs.log import About, LogGoneError, RunServer
from hubline.runs.missed import Missed
from hubline.runs.names import list_channel
from hubline.runs.news import News
from hubline.runs.owned import Appends, Owned, OwnedStorage
from hubline.runs.parts import Body
from hubline.runs.registry import RunRegistry
from hubline.runs.shared_tapes import Following, Tapes
from hubline.runs.tape import Tape

LIFE = 60
"""Leases for which the storage keeps a living run that is not renewed. Ours: an outage of ten minutes."""


class SharedRegistry(RunRegistry, Protocol):
    """A registry that goes by the descriptions of runs."""

    async def ended(self, about: About) -> None:
        """A run has ended: its key stays as long as the run. Raises BackplaneError."""


class Parts(NamedTuple):
    """What works on a storage for one server."""

    members: Members
    owned: OwnedStorage
    appends: Appends


class SharedRunLog(ABC):
    """A `RunLog` for several servers. A subclass sets `_registry` and calls `_begin_anew` when it is made."""

    _registry: SharedRegistry

    def __init__(self, where: str, *, entries: int, lease: float, clock: Clock | None) -> None:
        self._where = where
        self._entries, self._lease, self._clock = max(2, entries), lease, clock or MonotonicClock()
        self._server: RunServer | None = None
        self._keep = 300.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changing = asyncio.Lock()
        """Held while it connects, or closes."""

    def _begin_anew(self) -> None:
        self.node = secrets.token_urlsafe(9)
        self._tasks = TaskOwner(f"hubline.runs in {self._where}")
        self._tapes = Tapes(self._entries, self._load, self._subscribe, self._unsubscribe, self._tasks, self._clock)
        self._groups: Counter[str] = Counter()
        self._joining: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._calls = Calls(self.node, self._tell, self._server, self._tasks) if self._server is not None else None
        members, owned, self._appends = self._parts()
        self._owned = Owned(owned, self._tapes, self._server)
        self._leases = Leases(self.node, members, self._calls, self._lease, self._clock)
        self._news = News(self.node, self._calls, self._tapes, self._server, self._clock)
        self._removing: set[str] = set()
        """Logs that are to be removed when the storage is there again."""
        asking = self._about, self._listed
        self._missed = Missed(self._server, self._tapes, self._groups, *asking, self._tasks, self._clock)
        self._open = False

    @property
    def shared(self) -> bool:
        """Yes."""
        return True

    @property
    def registry(self) -> RunRegistry:
        """Keys and rooms in the storage."""
        return self._registry

    def join(self, server: RunServer, *, keep: float) -> None:
        """Set the server. Its runs are kept for `keep` seconds after their ends, also when it is gone."""
        self._server, self._keep = server, keep
        self._begin_anew()

    async def create(self, run_id: str, *, fence: int = 1) -> None:
        """Begin a log. Raises ValueError if the run has one, BackplaneError without the storage."""
        await self._connect()
        if not await self._create(run_id, secrets.token_urlsafe(6), fence):
            raise ValueError(f"run {run_id} has a log already")
        await self._leases.hold()
        await self._owned.own(run_id, fence)

    async def claim(self, run_id: str, *, fence: int) -> None:
        """Become the owner. Raises FencedError, LogGoneError, BackplaneError."""
        await self._connect()
        await self._claim(run_id, fence)
        await self._leases.hold()
        await self._owned.own(run_id, fence)

    async def append(self, run_id: str, bodies: Sequence[Body], *, fence: int = 1) -> None:
        """Add entries. Without the storage it waits. Raises FencedError, LogGoneError."""
        await self._connect()
        owned = self._owned.runs.get(run_id)
        if owned is None:
            await self._appends.append(run_id, bodies, fence)
            return
        followed = owned[1]
        async with followed.writing:
            await self._appends.append_behind(followed, bodies, fence)
            if any(body["kind"] == "end" for body in bodies):
                self._owned.finished.add(run_id)

    def follow(self, run_id: str) -> AbstractAsyncContextManager[Tape]:
        """The entries as a tape. Raises LogGoneError, BackplaneError."""
        return Following(self._tapes_at_hand, run_id)

    async def remove(self, run_id: str) -> None:
        """Forget the log. Idempotent. Without the storage it is removed later."""
        await self._owned.disown(run_id)
        self._removing.add(run_id)
        with suppress(BackplaneError):
            await self._connect()
            await self._surely_remove(run_id)
        await self._tapes.forget(run_id)

    async def describe(self, about: About, *, fence: int = 1) -> None:
        """Publish the description of a run to all servers. Raises FencedError, LogGoneError, BackplaneError."""
        await self._connect()
        text, ended = json.dumps(about), about["ended"]
        if ended:
            await self._registry.ended(about)
        life = self._life + (round(self._keep * 1000) if ended else 0)  # time for another server to tell `on_end`
        await self._describe(about, text, fence, life)
        if ended:
            await self._owned.described_end(about["id"], fence)
        await self._list(about, text, life)

    async def settle(self, run_id: str, *, fence: int = 1) -> None:
        """`on_end` was called for a run. Raises BackplaneError."""
        await self._connect()
        await self._owned.told_end(run_id, fence)

    async def owns(self, run_id: str, *, fence: int = 1) -> bool:
        """Whether no other server has taken a run over. Raises LogGoneError, BackplaneError."""
        await self._connect()
        newest = await self._fence(run_id)
        if newest is None:
            raise LogGoneError(run_id)
        return newest <= fence

    async def about(self, run_id: str) -> About | None:
        """The description of a run. Raises BackplaneError."""
        await self._connect()
        return await self._about(run_id)

    async def listed(self, group: str) -> Sequence[About]:
        """The runs of a room or of a starter, the oldest first. Raises BackplaneError."""
        await self._connect()
        return sorted(await self._listed(group), key=lambda about: about["startedAt"] or "")

    @asynccontextmanager
    async def hear(self, group: str) -> AsyncIterator[None]:
        """While the block runs, the server receives the changes of these runs. Raises BackplaneError."""
        await self._connect()
        self._groups[group] += 1
        try:
            async with self._joining.setdefault(group, asyncio.Lock()):  # one that fails leaves it to the next
                await self._subscribe(list_channel(group))
            yield
        finally:
            self._groups[group] -= 1
            if not self._groups[group]:
                del self._groups[group]
                await self._unsubscribe(list_channel(group))

    async def call(self, run_id: str, request: Mapping[str, Any]) -> Any:
        """Send a request to the server that owns a run. Raises HubError."""
        await self._connect()
        node = await self._owner(run_id)
        if self._calls is None:
            raise HubError(NO_RUN)
        # where there is none, the answer takes as long
        return await self._ask(self._calls, self.node if node is None else node, run_id, request)

    async def close(self) -> None:
        """Close the connections. Other servers take over the runs that have not ended. Further calls connect again."""
        if not self._open:
            return
        async with self._changing:  # who calls meanwhile connects after it
            if not self._open:
                return
            self._open = False
            await self._tasks.cancel()  # nothing renews the lease any more
            with suppress(BackplaneError):
                await self._leases.give_up()
            await self._close()
            self._begin_anew()

    @property
    def _life(self) -> int:
        """Milliseconds for which the storage keeps a living run that is not renewed."""
        return round(self._lease * LIFE * 1000)

    @property
    def _kept(self) -> int:
        """Milliseconds for which the storage keeps a run that has ended and needs no server any more."""
        return round(self._keep * 1000) + 1

    async def _connect(self) -> None:
        """Connect, once. Raises BackplaneError: the storage cannot be reached, and there was no connection yet."""
        loop = asyncio.get_running_loop()
        if self._open and self._loop is loop:
            return
        if self._open:
            self._forget()
            self._begin_anew()
        if self._loop is not loop:
            self._loop, self._changing = loop, asyncio.Lock()
        async with self._changing:
            if self._open:
                return
            await self._reach()
            try:
                await self._start()
                await self._leases.take()
            except BaseException:
                await self._close()
                self._begin_anew()
                raise
            self._open = True
            self._tasks.start(self._leases.keep(), name="hubline.runs: the lease")
            self._start_tasks()
            self._tasks.start(self._leases.renew(self._renew, self._owned.spare), name="hubline.runs: the runs")
            watching = self._leases.watch(self._owned.runs, self._adopt)
            self._tasks.start(watching, name="hubline.runs: other servers")

    async def _tapes_at_hand(self) -> Tapes:
        await self._connect()
        return self._tapes

    async def _renew(self) -> None:
        """Renew what this server has. Raises BackplaneError."""
        await self._owned.renew()
        for run_id in list(self._removing):
            await self._surely_remove(run_id)

    async def _surely_remove(self, run_id: str) -> None:
        await self._remove(run_id)
        self._removing.discard(run_id)

    async def _adopt(self, run_id: str, fence: int) -> None:
        if not await self._owned.adopt(run_id, fence):
            await self._remove(run_id)  # otherwise it would hold its key, its place and its starter for ever

    async def _ask(self, calls: Calls, node: str, run_id: str, request: Mapping[str, Any]) -> Any:
        return await calls.call(node, run_id, request)

    # What a storage does. Where nothing else is said, each raises BackplaneError.

    @abstractmethod
    def _parts(self) -> Parts:
        """Make the connections for the server `node`, without opening them, and what works on them."""

    async def _reach(self) -> None:  # noqa: B027 - a storage may need nothing before `_start`
        """Before `_start`. If it raises, nothing is open, and the server keeps its name."""

    @abstractmethod
    async def _start(self) -> None:
        """Open the connections. If it raises, `_close` is called."""

    @abstractmethod
    def _start_tasks(self) -> None:
        """Start what else runs while the log is open."""

    @abstractmethod
    async def _close(self) -> None:
        """Close the connections, those that were opened. Raises nothing."""

    def _forget(self) -> None:  # noqa: B027 - a storage may have nothing to give up
        """Give up connections and tasks of an event loop that has gone. Raises nothing."""

    @abstractmethod
    async def _create(self, run_id: str, epoch: str, fence: int) -> bool:
        """Begin a log of this server. False if the run has one."""

    @abstractmethod
    async def _claim(self, run_id: str, fence: int) -> None:
        """Make this server the owner. Also raises FencedError, LogGoneError."""

    @abstractmethod
    async def _remove(self, run_id: str) -> None:
        """Forget a run, and tell its followers."""

    @abstractmethod
    async def _describe(self, about: About, text: str, fence: int, life: int) -> None:
        """Store and publish a description, which is `text` in JSON, and keep the run for `life` ms.

        Also raises FencedError, LogGoneError.
        """

    async def _list(self, about: About, text: str, life: int) -> None:  # noqa: B027 - `_describe` may do it
        """Put a run into the lists of its groups, after `_describe`, and publish it there."""

    @abstractmethod
    async def _fence(self, run_id: str) -> int | None:
        """The fence of the owner of a run; `None` if there is no log."""

    @abstractmethod
    async def _owner(self, run_id: str) -> str | None:
        """The server that owns a run; `None` if there is no log."""

    @abstractmethod
    async def _about(self, run_id: str) -> About | None:
        """The description of a run."""

    @abstractmethod
    async def _listed(self, group: str) -> Sequence[About]:
        """The descriptions of the runs of a group, in no order."""

    @abstractmethod
    async def _load(self, run_id: str, after: int) -> Any:
        """See `Load` of the tapes."""

    @abstractmethod
    async def _subscribe(self, channel: str) -> None:
        """From the return on, this server hears what is published there."""

    @abstractmethod
    async def _unsubscribe(self, channel: str) -> None:
        """It need not hear it any more."""

    @abstractmethod
    async def _tell(self, node: str, message: Mapping[str, Any]) -> int:
        """Send a message to a server. Returns how many have heard it."""
