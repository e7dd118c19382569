"""Keeps the runs: starts them, checks rights, and removes them when they expire."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from hubline import HubError
from hubline.runs.budgets import Budget
from hubline.runs.elsewhere import Elsewhere, RemoteRecord
from hubline.runs.execution import Execution
from hubline.runs.info import ENDED, NO_RUN, Action, Caller, OnBusy, RunInfo
from hubline.runs.keys import Keys
from hubline.runs.making import Making
from hubline.runs.policies import too_many
from hubline.runs.record import Record, Start
from hubline.runs.rooms import Rooms
from hubline.runs.settings import Settings
from hubline.runs.telling import Telling
from hubline.runs.turns import Turns
from hubline.runs.viewing import Viewer, Viewing, Watcher
from hubline.runs.within import within

logger = logging.getLogger("hubline.runs")

LAST_WORDS = 1.0
"""Seconds at a shutdown to send viewers the `end` of their runs; `on_end` has five times that. Ours."""


class Keeper:
    """The runs of one server."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._loop: asyncio.AbstractEventLoop | None = None
        self._functions: dict[str, Callable[..., Any]] = {}
        """Those that may be called again, by their names."""
        self._budgets: dict[str, Budget] = {}
        """Of those of them that have one."""
        self._begin_anew()

    def _begin_anew(self) -> None:
        settings = self._settings
        self._records: dict[str, Record] = {}
        self._ended: OrderedDict[str, Record] = OrderedDict()
        """In the order of their ends."""
        self._active: dict[str, int] = {}
        """Runs that have not ended, those that are being made among them, by account."""
        self._unfinished = 0
        """All of them."""
        self._rechecks = 0
        """How often rights have changed."""
        self._keys = Keys(settings.keep_keys)
        self._telling = Telling(settings)
        self._execution = Execution(settings, self._telling, self._gone, self._parked, self._resume)
        self._rooms = Rooms(settings.limits.waiting, self._execution.begin)
        registry = settings.log.registry
        self._turns = Turns(registry, settings, self._execution, self._records) if registry is not None else None
        """Instead of `_keys` and `_rooms`, where servers share them."""
        self._making = Making(self._turns, self._rooms, self._telling, self._execution)
        self._viewing = Viewing(settings, self._watched)
        self._watchers: set[Watcher] = set()
        self._elsewhere = Elsewhere(settings, self._watchers)
        self._drained: asyncio.Task[None] | None = None

    def _enter_loop(self) -> None:
        """Runs belong to an event loop: in another one, when the former does not run any more, there are none."""
        loop = asyncio.get_running_loop()
        if loop is self._loop or (self._loop is not None and self._loop.is_running()):
            return
        if self._loop is not None:
            lost = list(self._records)
            for owner in (self._settings.tasks, self._settings.functions):
                owner.forget()
            self._telling.forget()
            self._settings.timers.forget()
            self._begin_anew()
            for run_id in lost:
                self._settings.tasks.start(self._settings.log.remove(run_id))
        self._loop = loop

    async def _create(self, start: Start, on_busy: OnBusy | None, run_id: str | None) -> Record:
        """Make a run and begin it, or let it wait. Raises HubError with the reason why not."""
        settings, limits, account = self._settings, self._settings.limits, start.account
        policy = on_busy or settings.on_busy
        self._making.refuse_at_the_end()
        if self._active.get(account, 0) >= limits.per_starter:
            raise HubError(too_many(limits.per_starter))
        if self._unfinished >= limits.per_server:
            raise HubError("The server has as many runs as it can take. Try again later.")
        self._count(account)  # before anything is waited for
        record = self._record(start)
        record.id = run_id or record.id
        try:
            standing = await self._making.make(record, policy)
        except BaseException:
            self._leave(account)
            raise
        self._records[record.id] = record
        if self._turns is None:
            await self._enter(record, policy)
        else:
            self._turns.take(record, standing)
            self._tell(record)
            self._execution.watched(record)
        return record

    def _record(self, start: Start) -> Record:
        return Record(
            start,
            self._settings,
            changed=self._tell,
            expire=self._execution.expire,
            break_off=self._execution.break_off,
            lost=self._lost,
        )

    async def _enter(self, record: Record, policy: OnBusy) -> None:
        for other in self._rooms.enter(record, policy):
            self._execution.break_off(other, "stopped")
        if record.state == "queued":
            self._tell(record)
            if policy in ("queue", "latest"):
                await self._tell_places(record.room)
        self._execution.watched(record)

    def _parked(self, record: Record) -> None:
        """Its function has ended until a person answers: the next one's turn has come."""
        record.handed_over += 1
        self._telling.share(record)
        if self._execution.draining and self._goes_on_elsewhere(record):
            self._lost(record)
        elif self._turns is not None:
            self._turns.park(record)
        else:
            self._rooms.park(record)
            self._settings.tasks.start(self._tell_places(record.room))

    def _resume(self, record: Record) -> None:
        """Its question is decided: its function is called again when its turn comes."""
        if self._turns is not None:
            self._turns.resume(record)
            return
        self._rooms.resume(record)
        if self._rooms.waits(record):
            record.place = 0
            record.set_state("queued")
            self._settings.tasks.start(self._tell_places(record.room))

    async def _tell_places(self, room: str | None) -> None:
        for place, waiting in enumerate(self._rooms.places(room), 1):
            if waiting.place != place and not waiting.is_over:
                waiting.place = place
                await waiting.write({"kind": "status", "status": "queued", "place": place})

    def _tell(self, record: Record) -> None:
        for watcher in self._watchers:
            if watcher.wants(record):
                watcher.tell(record)
        self._telling.share(record)

    def _watched(self, record: Record) -> None:
        """The number of its viewers on this server has changed."""
        if isinstance(record, RemoteRecord):
            self._elsewhere.watched(record)
        elif not record.is_lost:
            self._execution.watched(record)
        elif not record.viewers:
            self._settings.tasks.start(record.close())

    def _lost(self, record: Record) -> None:
        """Another server owns the run now. Its viewers here continue with the entries of that server."""
        if record.is_lost or self._records.get(record.id) is not record:
            return
        if not self._execution.draining:
            logger.warning("run %s is another server's from now on", record.id)
        if not record.ended.is_set():
            self._leave(record.start.account)
        self._execution.lose(record)
        self._rooms.leave(record)
        self._ended.pop(record.id, None)
        if record.expiry is not None:
            record.expiry.cancel()
        del self._records[record.id]
        self._settings.tasks.start(self._execution.give_back(record))
        record.viewers = {each for each in record.viewers if isinstance(each, Viewer)}  # others tell the new owner
        if record.viewers and not self._execution.draining:
            self._settings.tasks.start(self._elsewhere.lost(record), name="hubline.runs: viewers of a lost run")
        self._watched(record)

    def _gone(self, record: Record) -> None:
        """A run has ended."""
        settings, start = self._settings, record.start
        self._leave(start.account)
        if start.key is not None and self._turns is None:
            self._keys.ended(start.account, start.key, settings.clock.now())
        room = record.room
        self._rooms.leave(record)
        if room is not None and self._rooms.places(room):
            settings.tasks.start(self._tell_places(room))
        self._ended[record.id] = record
        while len(self._ended) > settings.keep_count:
            _, oldest = self._ended.popitem(last=False)
            self._forget(oldest)
        record.expiry = settings.timers.after(settings.keep, lambda: self._forget(record))

    def _count(self, account: str) -> None:
        self._active[account] = self._active.get(account, 0) + 1
        self._unfinished += 1

    def _leave(self, account: str) -> None:
        self._unfinished -= 1
        left = self._active.pop(account) - 1
        if left:
            self._active[account] = left

    def _forget(self, record: Record) -> None:
        """It has expired: clients cannot see it any more. It is removed when `on_end` has been called."""
        if self._records.pop(record.id, None) is not None:
            self._ended.pop(record.id, None)
            if record.expiry is not None:
                record.expiry.cancel()
            self._settings.tasks.start(self._remove(record))

    async def _remove(self, record: Record) -> None:
        await record.stored.wait()
        if self._execution.draining and self._settings.log.shared:
            return  # other servers have it until it expires
        await record.close()

    async def _may(self, action: Action, record: Record, caller: Caller | None) -> bool:
        return await self._allows(action, record.info(), caller)

    async def _allows(self, action: Action, run: RunInfo, caller: Caller | None) -> bool:
        """The result of the rule. If it raises, it refuses, because its failure must not reveal whose run it is."""
        if caller is None:
            return True
        try:
            return await self._settings.allow(action, run, caller)
        except Exception:
            logger.exception("`allow` failed for %r, which is a refusal", action)
            return False

    async def _find(self, run_id: str, action: Action, caller: Caller | None) -> Record:
        """The run, if the caller may. Raises HubError, with the text and the time of a run that does not exist."""
        self._enter_loop()
        rechecks, record = self._rechecks, self._records.get(run_id)
        if record is None:
            record = await self._elsewhere.find(run_id)
        run = record.info() if record is not None else RunInfo(run_id, "completed")
        if not await self._allows(action, run, caller) or record is None:
            if run_id in self._records:
                await self._elsewhere.find(run_id)  # it takes as long as for a run that does not exist
            raise HubError(NO_RUN)
        if record.is_lost:  # while the rule was asked
            return await self._find(run_id, action, caller)
        if action == "attach" and isinstance(record, RemoteRecord):
            record = await self._elsewhere.open(record)
        if action == "attach" and rechecks != self._rechecks:  # which have not seen this one
            return await self._find(run_id, action, caller)
        return record

    async def _answer(self, record: Record, ask_id: str, value: Any, caller: Caller | None) -> None:
        """Answer a question of a run of this server. Raises HubError."""
        ask = record.asks.check(ask_id, caller)
        if record.is_over:
            raise HubError(ENDED)
        await self._execution.settle(record, ask, "answered", value, caller.user_id if caller is not None else None)

    async def _with_others(self, own: list[Record], group: str | None) -> list[Record]:
        """These and those of other servers, the oldest first. Raises HubError."""
        if group is None or not self._settings.log.shared:
            return own
        others = [each for each in await self._elsewhere.listed(group) if each.id not in self._records]
        return sorted([*own, *others], key=lambda each: each.started_at)

    async def _recheck(self, viewers: Iterable[Viewer]) -> None:
        for viewer in list(viewers):
            if not await self._may("attach", viewer.record, viewer.caller):
                viewer.refuse()

    def _stop(self, record: Record) -> None:
        self._execution.break_off(record, "stopped")

    async def _drain(self) -> None:
        settings = self._settings
        active = [record for record in self._records.values() if not record.is_over]
        for record in active:
            waits = record.task is None or record.parked is not None
            if waits and not self._goes_on_elsewhere(record):
                self._execution.break_off(record, "interrupted")
            elif record.task is None and record.verdict is None:
                self._lost(record)  # it waits for its turn, or for a person, on another server
        await within(settings.clock, settings.drain, [record.left for record in active])
        await self._hand_over([each for each in active if self._goes_on_elsewhere(each) and not each.is_over])
        for record in active:
            self._execution.break_off(record, "interrupted")
        active = [record for record in active if not record.is_lost]
        await within(settings.clock, settings.limits.clean_up + LAST_WORDS, [record.ended for record in active])
        await within(settings.clock, LAST_WORDS, [self._viewing.emptied()])
        await within(
            settings.clock, 5 * LAST_WORDS, [record.stored for record in self._records.values() if record.is_over]
        )
        await settings.functions.cancel()
        await self._telling.finish()
        self._elsewhere.is_closed = True  # its viewers leave later, and the lease ends with the log
        await settings.log.close()

    def _goes_on_elsewhere(self, record: Record) -> bool:
        """Whether another server calls its function when this one stops: not if it was stopped, and is cleaning up."""
        shared = self._turns is not None and self._settings.hands_over()
        return shared and record.start.restartable and record.verdict is None

    async def _hand_over(self, records: list[Record]) -> None:
        """Other servers go on with these."""
        await self._telling.hand_over(records)
        if left := [record for record in records if not record.is_over and record.verdict is None]:
            logger.info("%d runs are left to other servers", len(left))
        for record in left:
            self._lost(record)
