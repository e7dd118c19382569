"""`Runs`: the answers of an application that outlive connections."""

import asyncio
import functools
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any, TypeVar, overload

from starlette.routing import Route

from hubline import Encoded, HubError
from hubline._clock import Clock
from hubline.auth.identity import Authenticate
from hubline.runs.asks import reply
from hubline.runs.budgets import Budget
from hubline.runs.elsewhere import RemoteRecord, group_of
from hubline.runs.http.routes import routes
from hubline.runs.http.serving import HttpKeeper
from hubline.runs.inbox import message
from hubline.runs.info import NO_RUN, Caller, OnBusy, RunInfo
from hubline.runs.log import RunLog
from hubline.runs.record import Start, name_of
from hubline.runs.settings import Allow, OnEnd, OnLastViewer, RunLimits, settings
from hubline.runs.sharing import Server, put
from hubline.runs.starting import StartedRun, started
from hubline.runs.viewing import Asked, Items, Watcher
from hubline.runs.worker_budgets import WorkerBudgets

Function = TypeVar("Function", bound=Callable[..., Any])

logger = logging.getLogger("hubline.runs")


class Runs(HttpKeeper):
    """Starts runs, keeps them, and lets clients attach. One object for an application; `RunsHub` offers it to clients.

    `allow` decides about rights; without it, only the user that started a run has them. If it raises, the error is
    logged and the call refused. `on_end` is called with each finished run before it expires: once, and again if it
    raises or, with a shared log, if its server goes while it runs. A start may replace `on_busy` and `on_last_viewer`.
    `log` keeps the entries, by default in memory with `log_entries` of each run; in `hubline run --workers`, in a
    temporary file that the workers share. Ended runs stay for `keep` seconds, at most `keep_count` of them; keys for
    `keep_keys` seconds. Deltas are merged for `merge` seconds; with 0 each is sent. A viewer that is behind by more
    than `resync` bytes gets a snapshot. At a shutdown, running functions have `drain` seconds.
    `HubApp(on_drain=runs.drain)` begins that in time, if half of its `drain_timeout` is as long. `authenticate`
    determines the sender of a request over plain HTTP. Without it, the app of the runs' hub does, with its origins and
    the hub's policies, and without a hub, `AuthenticationMiddleware`.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self,
        *,
        allow: Allow | None = None,
        authenticate: Authenticate | None = None,
        on_end: OnEnd | None = None,
        on_busy: OnBusy = "concurrent",
        on_last_viewer: OnLastViewer = "continue",
        log: RunLog | None = None,
        log_entries: int = 4_096,
        limits: RunLimits | None = None,
        keep: float = 300.0,
        keep_count: int = 10_000,
        keep_keys: float = 86_400.0,
        merge: float = 0.03,
        resync: int = 65_536,
        drain: float = 20.0,
        detailed_errors: bool = False,
        clock: Clock | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        checked = settings(
            log=log,
            log_entries=log_entries,
            limits=limits,
            allow=allow,
            authenticate=authenticate,
            clock=clock,
            now=now,
            on_end=on_end,
            on_busy=on_busy,
            on_last_viewer=on_last_viewer,
            keep=keep,
            keep_count=keep_count,
            keep_keys=keep_keys,
            merge=merge,
            resync=resync,
            drain=drain,
            detailed_errors=detailed_errors,
        )
        super().__init__(checked, authenticate)
        self._worker_budgets = WorkerBudgets()
        checked.log.join(Server(self), keep=keep)

    @overload
    def function(self, function: Function) -> Function: ...

    @overload
    def function(
        self, *, restartable: bool = False, max_attempts: int = 3, budget: Budget | None = None
    ) -> Callable[[Function], Function]: ...

    def function(
        self,
        function: Any = None,
        *,
        restartable: bool = False,
        max_attempts: int = 3,
        budget: Budget | None = None,
    ) -> Any:
        """Register a function, so that it can be parked: another call of it must do the same with the same arguments.

        With `restartable`, and a log that servers share, another server calls it again when its own has gone, at most
        `max_attempts` times in all: `run.parts` has the written parts, and the function continues after them, or calls
        `retract()`. All servers must register it, and its arguments must be JSON values. `budget` is the default for
        its runs, also for those that are taken over: one for all servers, such as
        `hubline.runs.redis_budget.RedisBudget`.

        Raises:
            ValueError: another process cannot find it by a name, as with a lambda or an inner function.
        """
        if function is None:
            return functools.partial(self.function, restartable=restartable, max_attempts=max_attempts, budget=budget)
        if "<" in function.__qualname__:
            raise ValueError(f"{function.__qualname__} cannot be found by its name: define it in a module")
        target = getattr(function, "__func__", function)  # of a method
        target.__hubline_run_function__ = True
        if restartable:
            target.__hubline_run_attempts__ = max_attempts
        name = name_of(function)
        self._functions[name] = function
        if budget is not None:
            self._budgets[name] = budget
            self._worker_budgets.declared(budget, name)
        return function

    async def start(
        self,
        function: Callable[..., Any],
        /,
        *arguments: Any,
        key: str | None = None,
        room: str | None = None,
        starter: str | Caller | None = None,
        on_busy: OnBusy | None = None,
        on_last_viewer: OnLastViewer | None = None,
        inbox: bool = False,
        budget: Budget | None = None,
        reserve: int = 1,
    ) -> StartedRun:
        """Begin an answer; returns as soon as it exists. It does not depend on its caller.

        `function` is called with a `Run` and the arguments, in a task of its own. It may be a coroutine function, an
        async generator that yields text or items, or a plain generator or function, which run in worker threads.
        `starter` is a user id. A repeated `key` of the same starter joins the existing run. `reserve` tokens of
        `budget` are reserved.

        Raises:
            HubError: the key was used for another request, the room is busy, a limit is reached, the budget is used up,
                or the server is about to stop.
        """
        self._enter_loop()
        who = starter if isinstance(starter, Caller) else Caller(starter)
        self._worker_budgets.used(budget)
        start = Start(
            function,
            arguments,
            key=key,
            room=room,
            starter=who.user_id,
            connection_id=who.connection_id,
            inbox=inbox,
            budget=budget or self._budgets.get(name_of(function)),
            reserve=reserve,
            on_last_viewer=on_last_viewer or self._settings.on_last_viewer,
        )
        return await started(self, self.stop, start, on_busy)

    async def attach(
        self, run_id: str, after: object = None, *, caller: Caller | None = None, merge: float | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The items of a run after the position `after`; all of them if that is `None`. runs.md §2 has the kinds.

        Without a `caller`, rights are not checked. Closing the iterator only detaches. Items are shared with other
        viewers: do not change them.

        Raises:
            HubError: there is no such run, or the caller may not see it, or no longer.
        """
        async with aclosing(self.attach_encoded(run_id, after, caller=caller, merge=merge)) as items:
            async for item in items:
                yield item.value

    def attach_encoded(
        self, run_id: str, after: object = None, *, caller: Caller | None = None, merge: float | None = None
    ) -> AsyncGenerator[Encoded[dict[str, Any]], None]:
        """The same for the clients of a hub, to return from a stream method of your own, as `RunsHub` does.

        Each item is encoded once per codec, for any number of viewers; its `value` is the item.
        """
        asked = Asked(lambda: self._find(run_id, "attach", caller), after, caller, merge)
        return Items(self._viewing, asked)

    @property
    def http(self) -> list[Route]:
        """Routes for plain HTTP, to mount at any path: `Mount("/runs", routes=runs.http)`. runs.md §8."""
        return routes(self)

    async def stop(self, run_id: str, *, caller: Caller | None = None) -> RunInfo:
        """End a run and wait for its end. The written content stays. Raises HubError."""
        record = await self._find(run_id, "stop", caller)
        if isinstance(record, RemoteRecord):
            await self._elsewhere.complete(record, caller)
        if record.ended.is_set():
            return record.info_at_end or record.info()
        if isinstance(record, RemoteRecord):
            record.told_end(await self._elsewhere.ask(run_id, "stop", caller))
            return record.info()
        self._stop(record)
        await record.left.wait()
        if record.is_lost:  # another server has it by now, and may be calling its function again
            return await self.stop(run_id, caller=caller)
        record.info_at_end = record.info_at_end or record.info()
        return record.info_at_end

    async def answer(self, run_id: str, ask_id: str, value: Any, *, caller: Caller | None = None) -> None:
        """Answer a question of a run.

        Raises:
            HubError: it was answered before, has expired, or the value does not fit.
        """
        self._enter_loop()
        record = self._records.get(run_id)
        who = record.asks.who_may(ask_id) if record is not None else None
        if record is None or who is None:
            may = record is not None and await self._may("answer", record, caller)
        else:
            may = caller is None or caller.user_id in who
        if record is not None and may and not record.is_lost:
            await self._answer(record, ask_id, value, caller)
            return
        if not self._settings.log.shared:
            if record is None:
                await self._find(run_id, "answer", caller)
            raise HubError(NO_RUN)
        found = await self._elsewhere.find(run_id)
        if record is None:
            info = found.info() if found is not None else RunInfo(run_id, "completed")
            may = await self._allows("answer", info, caller)
        # the owner knows who may answer; an unknown run, or one not for this caller, takes as long
        await self._elsewhere.ask(run_id, "answer", caller, ask=ask_id, value=reply(value), may=may)

    async def steer(self, run_id: str, value: Any, *, caller: Caller | None = None) -> str:
        """Send a message to a running answer; returns its id.

        Raises:
            HubError: the run has ended or takes no messages, too many wait, or this one is too large.
        """
        record = await self._find(run_id, "steer", caller)
        if isinstance(record, RemoteRecord):
            return str(await self._elsewhere.ask(run_id, "steer", caller, value=message(value)))
        return put(record, value, caller.user_id if caller is not None else None)

    async def info(self, run_id: str, *, caller: Caller | None = None) -> RunInfo:
        """The state of a run. Raises HubError."""
        record = await self._find(run_id, "info", caller)
        if isinstance(record, RemoteRecord):
            await self._elsewhere.complete(record, caller)
        return record.info()

    async def room_runs(self, room: str, *, caller: Caller | None = None) -> list[RunInfo]:
        """The runs of a room that still exist, as far as the caller may see them; the oldest first."""
        self._enter_loop()
        own = [record for record in self._records.values() if record.room == room]
        records = await self._with_others(own, group_of(room))
        return [record.info() for record in records if await self._may("info", record, caller)]

    async def watch(self, room: str | None = None, *, caller: Caller | None = None) -> AsyncIterator[Any]:
        """The runs of a room, or else those that the caller started, then each change of their states. Never ends."""
        self._enter_loop()
        watcher = Watcher(room, caller)
        if self._settings.log.shared and (room is not None or caller is not None):
            watcher.group = group_of(room, caller)
        self._watchers.add(watcher)
        try:
            async with self._elsewhere.hearing(watcher.group), aclosing(self._watch(watcher, caller)) as items:
                async for item in items:
                    yield item
        finally:
            self._watchers.discard(watcher)

    async def _watch(self, watcher: Watcher, caller: Caller | None) -> AsyncGenerator[Any, None]:
        own = [record for record in self._records.values() if watcher.wants(record)]
        records = await self._with_others(own, watcher.group)
        infos = [record.info() for record in records]
        pairs = zip(records, infos, strict=True)
        seen = [info.item() for record, info in pairs if await self._may("info", record, caller)]
        yield {"kind": "runs", "runs": seen}
        async for record, info in watcher.changes():
            if await self._may("info", record, watcher.caller):
                yield {"kind": "run", "info": info}

    async def recheck(self, user_id: str | None) -> None:
        """A user's rights have changed: streams of runs that the user may no longer see end."""
        self._rechecks += 1
        viewers = [each for each in self._viewing.viewers if each.caller and each.caller.user_id == user_id]
        await self._recheck(viewers)

    async def renewed(self, caller: Caller) -> None:
        """A connection has a new identity: its streams continue if this identity may see them."""
        self._rechecks += 1
        viewers = [
            each for each in self._viewing.viewers if each.caller and each.caller.connection_id == caller.connection_id
        ]
        for viewer in viewers:
            viewer.caller = caller
        for watcher in self._watchers:
            if watcher.caller and watcher.caller.connection_id == caller.connection_id:
                watcher.caller = caller
        await self._recheck(viewers)

    async def drain(self) -> None:
        """End all runs, because the server stops: no new starts, `drain` seconds for running ones, then `interrupted`.

        Returns when viewers have been sent the ends. A second call waits for the same moment.
        """
        self._enter_loop()
        if self._drained is None:
            self._execution.draining = True
            self._drained = self._settings.tasks.start(self._drain())
        await asyncio.shield(self._drained)

    def statistics(self) -> dict[str, int]:
        """The present numbers."""
        return {
            "runs": len(self._records),
            "active": len(self._records) - len(self._ended),
            "viewers": len(self._viewing.viewers),
            "watchers": len(self._watchers),
            "keys": len(self._keys),
            "rooms": len(self._rooms),
            "tasks": len(self._settings.tasks) + len(self._settings.functions),
            "timers": len(self._settings.timers),
        }
