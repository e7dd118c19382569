"""`Runs`: answers that outlive connections, as an application has them."""

import asyncio
import functools
import secrets
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from datetime import datetime
from typing import Any, TypeVar, overload

from starlette.routing import Route

from hubline import Encoded
from hubline._clock import Clock
from hubline.auth.identity import Authenticate
from hubline.runs.budgets import Budget
from hubline.runs.elsewhere import RemoteRecord, group_of
from hubline.runs.http.routes import routes
from hubline.runs.http.serving import HttpKeeper
from hubline.runs.info import Caller, OnBusy, RunInfo
from hubline.runs.keeping import StartedRun
from hubline.runs.log import RunLog
from hubline.runs.record import Start
from hubline.runs.settings import Allow, OnEnd, OnLastViewer, RunLimits, settings
from hubline.runs.sharing import Server, put
from hubline.runs.values import fingerprint, plain
from hubline.runs.viewing import Asked, Items, Watcher

Function = TypeVar("Function", bound=Callable[..., Any])


class Runs(HttpKeeper):
    """Starts runs, keeps them, and lets clients attach. One object for an application; `RunsHub` offers it to clients.

    `allow` says who may do what; without it, the user that started a run. One that raises is logged and means no.
    `on_end` is told of each finished run, once, before it expires. `on_busy` and `on_last_viewer` hold unless a start
    says otherwise. `log` keeps the entries, in memory by default with `log_entries` of each run. Ended runs stay for
    `keep` seconds, `keep_count` of them; keys for `keep_keys` seconds. `merge` seconds are what deltas are gathered
    for, and 0 sends each; a viewer that is behind by more than `resync` bytes is sent a snapshot. Running functions get
    `drain` seconds at a shutdown, which `HubApp(on_drain=runs.drain)` begins in time, if half of its `drain_timeout` is
    as long. `authenticate` says who sends a request over plain HTTP; without it that is for the app whose hub these
    runs have, with its origins and the hub's policies, and without a hub for the application's
    `AuthenticationMiddleware`.

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
        checked.log.join(Server(self), keep=keep)

    @overload
    def function(self, function: Function) -> Function: ...

    @overload
    def function(self, *, restartable: bool, max_attempts: int = 3) -> Callable[[Function], Function]: ...

    def function(self, function: Any = None, *, restartable: bool = False, max_attempts: int = 3) -> Any:
        """Register a function, so that it can be parked: another call of it must do the same with the same arguments.

        With `restartable`, and a log that servers share, another server calls it again when its own has gone, until it
        has been called `max_attempts` times: `run.parts` is what was written, and it goes on from there, or says
        `retract()`. All servers register it, and its arguments are JSON values.

        Raises:
            ValueError: it has no name by which another process would find it, as a lambda or an inner function.
        """
        if function is None:
            return functools.partial(self.function, restartable=restartable, max_attempts=max_attempts)
        if "<" in function.__qualname__:
            raise ValueError(f"{function.__qualname__} cannot be found by its name: define it in a module")
        target = getattr(function, "__func__", function)  # of a method
        target.__hubline_run_function__ = True
        if restartable:
            target.__hubline_run_attempts__ = max_attempts
        self._functions[f"{function.__module__}.{function.__qualname__}"] = function
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
        """Begin an answer; returns as soon as it exists, whatever becomes of the caller.

        `function` is called with a `Run` and the arguments, in a task of its own. It may be a coroutine function, an
        async generator that yields text or items, or a plain generator or function, which run in worker threads.
        `starter` is a user id. The same `key` of the same starter joins the run that there was. `reserve` tokens of
        `budget` are set aside.

        Raises:
            HubError: the key was used for another request, the room is busy, a limit is reached, nothing is left of the
                budget, or the server is about to stop.
        """
        self._enter_loop()
        who = starter if isinstance(starter, Caller) else Caller(starter)
        start = Start(
            function,
            arguments,
            key=key,
            room=room,
            starter=who.user_id,
            connection_id=who.connection_id,
            inbox=inbox,
            budget=budget,
            reserve=reserve,
            on_last_viewer=on_last_viewer or self._settings.on_last_viewer,
        )
        if key is None:
            return self._handle(await self._create(start, on_busy, None))
        name = f"{function.__module__}.{function.__qualname__}"
        request, run_id = fingerprint(name, room, *arguments), secrets.token_urlsafe(16)
        while True:
            claimed = self._keys.claim(start.account, key, run_id, request, self._settings.clock.now())
            if claimed.run_id == run_id:
                break
            if await asyncio.shield(claimed.created):
                return StartedRun(claimed.run_id, self._records.get(claimed.run_id), self._stop)
        try:
            record = await self._create(start, on_busy, run_id)
        except BaseException:
            self._keys.give_up(start.account, key)
            claimed.created.set_result(False)
            raise
        claimed.created.set_result(True)
        return self._handle(record)

    async def attach(
        self, run_id: str, after: object = None, *, caller: Caller | None = None, merge: float | None = None
    ) -> AsyncGenerator[dict[str, Any], None]:
        """The items of a run behind the position `after`; all of them when that is `None`. runs.md §2 has the kinds.

        Without a `caller`, as the application itself. Closing the iterator only detaches. Items are shared with other
        viewers: nobody may change them.

        Raises:
            HubError: there is no such run, or the caller may not see it, or no longer.
        """
        async with aclosing(self.attach_encoded(run_id, after, caller=caller, merge=merge)) as items:
            async for item in items:
                yield item.value

    def attach_encoded(
        self, run_id: str, after: object = None, *, caller: Caller | None = None, merge: float | None = None
    ) -> AsyncGenerator[Encoded[dict[str, Any]], None]:
        """The same for the clients of a hub: what a stream method of your own returns, as `RunsHub` does.

        Each item is encoded once per codec, however many viewers are sent it; its `value` is the item.
        """
        asked = Asked(lambda: self._find(run_id, "attach", caller), after, caller, merge)
        return Items(self._viewing, asked)

    @property
    def http(self) -> list[Route]:
        """Routes for plain HTTP, to mount wherever it suits: `Mount("/runs", routes=runs.http)`. runs.md §8."""
        return routes(self)

    async def stop(self, run_id: str, *, caller: Caller | None = None) -> RunInfo:
        """End a run and wait until it has. What was written stays. Raises HubError."""
        record = await self._find(run_id, "stop", caller)
        if record.ended.is_set():
            return record.info()
        if isinstance(record, RemoteRecord):
            record.told_end(await self._elsewhere.ask(record, "stop", caller))
            return record.info()
        self._stop(record)
        await record.ended.wait()
        record.info_at_end = record.info_at_end or record.info()
        return record.info_at_end

    async def answer(self, run_id: str, ask_id: str, value: Any, *, caller: Caller | None = None) -> None:
        """Answer a question of a run.

        Raises:
            HubError: it was answered before, has expired, or the value does not fit.
        """
        self._enter_loop()
        record = self._records.get(run_id)
        if record is None:
            record = await self._elsewhere.find(run_id)
        if isinstance(record, RemoteRecord):  # its owner knows whom it has asked
            may = await self._may("answer", record, caller)
            await self._elsewhere.ask(record, "answer", caller, ask=ask_id, value=value, may=may)
            return
        if record is None or record.asks.who_may(ask_id) is None:
            record = await self._find(run_id, "answer", caller)
        await self._answer(record, ask_id, value, caller)

    async def steer(self, run_id: str, value: Any, *, caller: Caller | None = None) -> str:
        """Send a message into a running answer; returns its id.

        Raises:
            HubError: the run has ended or takes no messages, too many wait, or this one is too large.
        """
        record = await self._find(run_id, "steer", caller)
        if isinstance(record, RemoteRecord):
            return str(await self._elsewhere.ask(record, "steer", caller, value=plain(value)))
        return put(record, value, caller.user_id if caller is not None else None)

    async def info(self, run_id: str, *, caller: Caller | None = None) -> RunInfo:
        """What is known of a run. Raises HubError."""
        return (await self._find(run_id, "info", caller)).info()

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
        viewers = [each for each in self._viewing.viewers if each.caller and each.caller.user_id == user_id]
        await self._recheck(viewers)

    async def renewed(self, caller: Caller) -> None:
        """A connection has another identity: its streams go on as far as that one may see them."""
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
        """End everything, because the server stops: no new starts, `drain` seconds for what runs, then `interrupted`.

        Returns when viewers have been sent the ends. Calling it again waits for the same moment.
        """
        self._enter_loop()
        if self._drained is None:
            self._execution.draining = True
            self._drained = self._settings.tasks.start(self._drain())
        await asyncio.shield(self._drained)

    def statistics(self) -> dict[str, int]:
        """Counts of the moment."""
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
