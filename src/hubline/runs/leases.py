"""Leases: how servers with a shared log know that one has gone, and who takes its runs over."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Container, Sequence
from typing import Protocol

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.lines import LONGEST_PAUSE
from hubline.errors import BackplaneError
from hubline.runs.calls import Calls
from hubline.runs.log import FencedError, LogGoneError

logger = logging.getLogger("hubline.runs")

UNSURE = 60.0
"""Seconds in which a command may still arrive whose connection was lost. Ours."""

TRIES = 10
"""How often a server tries to take up a run that it owns, before it leaves it to expire. Ours."""

Adopt = Callable[[str, int], Awaitable[None]]
"""Take up a run, with this fence."""

Spare = Callable[[str], Awaitable[None]]
"""Keep the runs that a server without a lease has left. Raises BackplaneError."""


class Members(Protocol):
    """The servers that have or had a lease, as the shared storage knows them. All methods raise BackplaneError."""

    async def renew(self, node: str) -> bool:
        """Set or renew the lease of a server. Returns whether it had lapsed, or there was none."""

    async def give_up(self, node: str) -> None:
        """End the lease of a server at once."""

    async def lives(self, node: str) -> bool:
        """Whether a server has its lease."""

    async def names(self) -> Sequence[str]:
        """Servers that have a lease, or had one and are not forgotten."""

    async def runs_of(self, node: str) -> Sequence[str]:
        """Runs that a server owns, and which nobody has taken over."""

    async def adopt(self, run_id: str, gone: str, node: str) -> int:
        """Make `node` the owner of a run of a server that has gone. The new fence; 0 if another server was faster."""

    async def adopted(self, run_id: str, node: str) -> int:
        """The fence of a run that this server owns, or 0: asked if no answer came to `adopt`."""

    async def disown(self, run_id: str, node: str) -> None:
        """A server does not own the run any more."""

    async def forget(self, node: str) -> None:
        """A server has gone, and its runs are taken over. If it has a lease again, nothing changes."""


class Leases:
    """This server's lease, and what becomes of the runs of servers whose leases have lapsed."""

    def __init__(self, node: str, members: Members, calls: Calls | None, lease: float, clock: Clock) -> None:
        self._node, self._members, self._calls, self._lease, self._clock = node, members, calls, lease, clock
        self._left: dict[str, int] = {}
        """Runs that this server owns and has not taken up, and their fences."""
        self._failures: Counter[str] = Counter()
        """How often each of them could not be taken up, for a reason other than the storage."""
        self._unsure: dict[str, float] = {}
        """Runs that it may own, because no answer came when it asked for them, and until when it asks for each."""
        self._judges_at = 0.0
        """Until then others may have had no chance to renew theirs: the storage was away, or this server frozen."""
        self._has_taken = self._has_failed = False
        self._absent: dict[str, float] = {}
        """Other servers that had no lease at each look, and for how many seconds."""
        self._looked_at = clock.now()
        self._taken_at = -math.inf
        """When this server last asked for its lease and got it."""
        self._left_in_order: set[str] = set()
        """Other servers that have said that they stop: nobody needs to wait whether they come back."""
        self._look_now = asyncio.Event()
        if calls is not None:
            calls.left = self._has_left

    async def take(self) -> bool:
        """Whether it had lapsed. Raises BackplaneError."""
        try:
            return await self._take()
        except BackplaneError:
            self._has_failed = True
            raise

    async def _take(self) -> bool:
        asked_at = self._clock.now()
        lapsed = await self._members.renew(self._node)
        self._taken_at = max(self._taken_at, asked_at)
        if lapsed or self._has_failed:
            self._judge_later(outage=self._has_failed)
            self._has_failed = False
        returned, self._has_taken = lapsed and self._has_taken, True
        if returned and self._calls is not None:
            self._calls.server.returned()
        return lapsed

    async def hold(self) -> None:
        """Take the lease again if it may have lapsed: to be called when this server has become the owner of a run.

        Without a lease others may have forgotten this server, and nobody would take the run over.
        Raises BackplaneError.
        """
        if self._clock.now() - self._taken_at >= self._lease:
            await self.take()

    def _judge_later(self, *, outage: bool) -> None:
        """Others get the time of a lease to renew theirs, and after an outage the time for them to come back.

        Without an outage, what was seen of them still counts: a server whose own lease lapses again and again, because
        it gets too little of the processor, would never judge.
        """
        others_may_still_wait = LONGEST_PAUSE if self._has_taken else 0.0
        self._judges_at = self._clock.now() + self._lease + others_may_still_wait
        if outage:
            self._absent.clear()

    async def keep(self) -> None:
        """Renew the lease, whatever else takes time. Never returns."""
        await self._again_and_again(self.take)

    async def renew(self, own: Callable[[], Awaitable[None]], spare: Spare) -> None:
        """Renew what lives by the lease, and keep what others have left until it is taken over. Never returns.

        However long it takes to take over what many servers have left, no run expires meanwhile.
        """

        async def renewed() -> None:
            await own()
            for node in list(self._absent):
                await spare(node)

        await self._again_and_again(renewed)

    async def watch(self, owned: Container[str], adopt: Adopt) -> None:
        """Look after the other servers and their runs, but for `owned`. Never returns."""

        async def look() -> None:
            await self.take()  # says whether this server has been away itself
            await self._ask_again()
            if not self._leaving:
                await self._go_on(adopt)
                await self._look_after(owned, adopt)
            if self._calls is not None and self._clock.now() >= self._judges_at:
                await self._look_for(self._calls)

        await self._again_and_again(look, self._look_now)

    async def _again_and_again(
        self, what: Callable[[], Awaitable[object]], sooner: asyncio.Event | None = None
    ) -> None:
        while True:
            await self._pause(sooner)
            try:
                await what()
            except BackplaneError as error:
                self._judge_later(outage=True)  # in a cluster the node may be away that has the lease of another server
                logger.warning("the lease of this server could not be renewed: %s", error)
            except Exception:
                logger.exception("looking after the runs of other servers failed")

    async def _pause(self, sooner: asyncio.Event | None) -> None:
        """A third of a lease, or until the event."""
        pause = self._clock.sleep(self._lease * 0.3)
        if sooner is None:
            await pause
            return
        tasks = TaskOwner("hubline.runs")
        told = tasks.start(sooner.wait())
        try:
            await tasks.done_before(told, pause)
        finally:
            told.cancel()
        sooner.clear()

    async def give_up(self) -> None:
        """Let others take over at once what is left, and tell them. Raises BackplaneError."""
        await self._members.give_up(self._node)
        if self._calls is not None:
            for node in await self._members.names():
                if node != self._node:
                    await self._calls.leave(node)

    def _has_left(self, node: str) -> None:
        self._left_in_order.add(node)
        self._look_now.set()

    @property
    def _leaving(self) -> bool:
        return self._calls is not None and self._calls.server.leaving

    async def _look_after(self, owned: Container[str], adopt: Adopt) -> None:
        members, now = self._members, self._clock.now()
        since, self._looked_at = min(now - self._looked_at, self._lease), now
        nodes = await members.names()
        for node in self._absent.keys() - nodes:
            del self._absent[node]
        self._left_in_order.intersection_update(nodes)
        for node in nodes:
            if node == self._node or not await self._has_gone(node, since):
                continue
            for run_id in await members.runs_of(node):
                if self._leaving:
                    return
                if run_id in owned:  # this one took it when the storage could not be told that it had
                    await members.disown(run_id, node)
                else:
                    self._unsure[run_id] = self._clock.now() + UNSURE
                    fence = await members.adopt(run_id, node, self._node)
                    del self._unsure[run_id]
                    if fence:
                        self._left[run_id] = fence
                await self._go_on(adopt)
            await members.forget(node)
            self._absent.pop(node, None)

    async def _has_gone(self, node: str, since: float) -> bool:
        """Whether a server has no lease, and this one may judge. Raises BackplaneError.

        It may judge those that have said that they stop. It may also judge when each look has found none for as long as
        it waits after an outage, whatever happened to its own lease. A look counts for the time `since` the last one,
        one lease at most: more than that may be a time in which this server or the storage was frozen.
        """
        if await self._members.lives(node):
            self._absent.pop(node, None)
            self._left_in_order.discard(node)
            return False
        self._absent[node] = self._absent[node] + since if node in self._absent else 0.0
        may_judge = self._clock.now() >= self._judges_at or node in self._left_in_order
        return may_judge or self._absent[node] >= self._lease + LONGEST_PAUSE

    async def _ask_again(self) -> None:
        """Whether this server owns what it has asked for without an answer. Its owner may be back: it is not asked for.

        It may be taken later still, by a command on its way from a connection that was lost. Raises BackplaneError.
        """
        for run_id, until in list(self._unsure.items()):
            fence = await self._members.adopted(run_id, self._node)
            if fence:
                self._left[run_id] = fence
                del self._unsure[run_id]
            elif self._clock.now() >= until:
                await self._members.disown(run_id, self._node)
                del self._unsure[run_id]

    async def _go_on(self, adopt: Adopt) -> None:
        """Take up what is left; what fails, the next call tries again. Raises BackplaneError."""
        if self._left:
            await self.hold()
        for run_id, fence in list(self._left.items()):
            try:
                await adopt(run_id, fence)
            except BackplaneError:
                raise
            except (FencedError, LogGoneError):  # another server has it by now, or it has expired
                logger.debug("run %s is not this server's any more", run_id)
            except Exception:
                self._failures[run_id] += 1
                logger.exception("run %s could not be taken over, in attempt %d", run_id, self._failures[run_id])
                if self._failures[run_id] < TRIES:
                    continue
            del self._left[run_id], self._failures[run_id]

    async def _look_for(self, calls: Calls) -> None:
        for node in list(calls.callers):
            calls.callers.discard(node)
            lives = True
            try:
                lives = await self._members.lives(node)
            finally:
                if lives:
                    calls.callers.add(node)
            if node not in calls.callers:  # otherwise it is back, and has asked meanwhile
                calls.server.gone(node)
