"""Runs that other servers own, if the log is shared: finding them, watching them, requests to their owners."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from hubline import HubError
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.runs.budgets import Budget
from hubline.runs.info import NO_RUN, UNREACHABLE, Caller, RunInfo, StopAfter
from hubline.runs.log import About, LogGoneError
from hubline.runs.record import Record, Start
from hubline.runs.settings import Settings
from hubline.runs.tape import Entry
from hubline.runs.viewing import Viewer, Watcher

AGAIN = 2.0
"""Seconds before the number of viewers is reported again to an owner that could not be reached. Ours."""

UNKNOWN = -1
"""The number of viewers that an owner has, when it may or may not have the last report."""

UNWATCHED = 30.0
"""Seconds for which a run of another server is followed for a viewer that has not attached yet. Ours."""


def about_of(record: Record) -> dict[str, Any]:
    """The report of a run of this server for other servers."""
    start, info = record.start, record.info()
    return {
        **info.item(),
        "ended": info.ended,
        "groups": [group_of(None, start), *([group_of(record.room)] if record.room is not None else [])],
        "connectionId": start.connection_id,
        "account": start.account,
        "counted": start.counted,
        "request": start.request,
        "keepKeys": record.settings.keep_keys,
        "attempt": record.attempt,
        "handedOver": record.handed_over,
        "takesTurns": record.takes_turns,
        "fence": record.fence,
        "inbox": start.inbox,
        "messages": record.inbox._left() if record.inbox is not None and record.hands_over else [],
        "reserve": start.reserve,
        "stopAfter": start.on_last_viewer.seconds if isinstance(start.on_last_viewer, StopAfter) else None,
        "function": start.name if start.restartable else None,
        "arguments": list(start.arguments) if start.restartable else [],
    }


def group_of(room: str | None, starter: "Start | Caller | None" = None) -> str:
    """The list of runs of a room, or else of a starter."""
    if room is not None or starter is None:
        return f"rooms:{room}"
    start = (
        starter
        if isinstance(starter, Start)
        else Start(_elsewhere, (), starter=starter.user_id, connection_id=starter.connection_id)
    )
    return f"starters:{start.account}"


def start_of(about: About, function: Callable[..., Any] | None = None, budget: Budget | None = None) -> Start:
    """The start of a run, as far as other servers know it."""
    return Start(
        function or _elsewhere,
        tuple(about["arguments"]),
        key=about["key"],
        request=about["request"],
        room=about["room"],
        starter=about["starter"],
        connection_id=about["connectionId"],
        inbox=about["inbox"],
        budget=budget,
        reserve=about["reserve"],
        on_last_viewer=StopAfter(about["stopAfter"]) if about["stopAfter"] is not None else "continue",
    )


class RemoteRecord(Record):
    """A run that another server owns. This server does not write it."""

    def __init__(self, about: About, settings: Settings) -> None:
        super().__init__(
            start_of(about), settings, changed=_nothing, expire=_nothing, break_off=_nothing, lost=_nothing
        )
        self.id = about["id"]
        self.about = about
        self.started_at = moment_of(about["startedAt"]) or self.started_at
        self.opening, self.telling = asyncio.Lock(), asyncio.Lock()
        self.expected = 0
        """Viewers for whom it is being opened."""
        self.told = 0
        """The number of viewers here that was last reported to the owner."""
        self.update(about)

    def update(self, about: About) -> None:
        """The owner has reported a change."""
        if not self.ended.is_set() or self.lacks_its_end:
            self.about, self.state = about, about["state"]
            if about["ended"]:
                self.ended.set()

    @property
    def lacks_its_end(self) -> bool:
        """Whether it has ended, and the description with the time of its end and all of its usage is still to come."""
        return self.ended.is_set() and self.about["endedAt"] is None

    def told_end(self, item: Mapping[str, Any]) -> None:
        """The owner has reported its end."""
        self.update({**self.about, **item, "ended": True})

    def info(self) -> RunInfo:
        about, tape = self.about, self.tape if self.following is not None else None
        return RunInfo(
            id=self.id,
            state=self.state,
            position=tape.position(tape.end) if tape is not None and tape.end else about["position"],
            room=self.room,
            key=self.start.key,
            starter=self.start.starter,
            started_at=moment_of(about["startedAt"]),
            ended_at=moment_of(about["endedAt"]),
            viewers=about["viewers"],
            usage=tuple(about["usage"]),
        )

    async def open(self) -> None:
        """Follow it. Raises the errors of the log."""
        async with self.opening:
            if self.following is None:
                following = self.settings.log.follow(self.id)
                self.tape = await following.__aenter__()
                self.following = following
                self.tape.listeners.append(self._appended)
                if self.tape.ended is not None:
                    self._appended(self.tape.ended)

    async def close(self) -> None:
        """Stop following it. The log belongs to the owner."""
        async with self.opening:
            following, self.following = self.following, None
            if following is not None:
                self.tape.listeners.remove(self._appended)
                await following.__aexit__(None, None, None)

    def _appended(self, entry: Entry) -> None:
        if entry.kind == "end":
            self.state = entry.item["state"]


class Elsewhere:
    """The runs of other servers, as far as this server knows them."""

    def __init__(self, settings: Settings, watchers: set[Watcher]) -> None:
        self._settings, self._watchers = settings, watchers
        self._followed: dict[str, RemoteRecord] = {}
        self.is_closed = False
        """Whether the log is closed: a call would open it again."""

    def __len__(self) -> int:
        return len(self._followed)

    async def find(self, run_id: str) -> RemoteRecord | None:
        """A run of another server; `None` if there is none. Raises HubError if the log does not answer."""
        if not self._settings.log.shared:
            return None
        try:
            about = await self._settings.log.about(run_id)
        except BackplaneError as error:
            followed = self._followed.get(run_id)
            if followed is None:
                raise HubError(UNREACHABLE) from error
            return followed
        return self._known(about) if about is not None else None

    async def listed(self, group: str) -> list[RemoteRecord]:
        """The runs of a room or a starter, those of this server too. Raises HubError."""
        try:
            return [self._known(about) for about in await self._settings.log.listed(group)]
        except BackplaneError as error:
            raise HubError(UNREACHABLE) from error

    @asynccontextmanager
    async def hearing(self, group: str | None) -> AsyncIterator[None]:
        """Report changes of these runs to watchers while the block runs. Raises HubError."""
        if group is None:
            yield
            return
        hearing = self._settings.log.hear(group)
        try:
            await hearing.__aenter__()
        except BackplaneError as error:
            raise HubError(UNREACHABLE) from error
        try:
            yield
        finally:
            await hearing.__aexit__(None, None, None)

    async def open(self, record: RemoteRecord) -> RemoteRecord:
        """Follow it, for a viewer that attaches before anything else happens, or calls this again. Raises HubError."""
        record = self._followed.setdefault(record.id, record)
        record.expected += 1  # others that leave meanwhile do not close it
        try:
            await record.open()
        except (BackplaneError, LogGoneError) as error:
            raise HubError(UNREACHABLE) from error
        finally:
            record.expected -= 1
            if record.following is None and not record.expected and self._followed.get(record.id) is record:
                del self._followed[record.id]
        self._settings.timers.after(UNWATCHED, lambda: self.watched(record))
        return record

    def watched(self, record: RemoteRecord) -> None:
        """The number of its viewers here has changed."""
        if self._settings.log.shared:
            self._settings.tasks.start(self._tell_viewers(record), name="hubline.runs: viewers of another server")

    async def _tell_viewers(self, record: RemoteRecord) -> None:
        async with record.telling:
            count = len(record.viewers)
            if record.told != count and not record.ended.is_set() and not self.is_closed:
                record.told = count
                try:
                    await self._settings.log.call(record.id, {"do": "viewers", "count": count})
                except (HubError, BackplaneError) as error:
                    if str(error) != NO_RUN:  # otherwise its next owner reports itself
                        record.told = UNKNOWN  # it may have arrived all the same
                        self._settings.timers.after(AGAIN, lambda: self.watched(record))
                        return
        if not (record.viewers or record.expected) and self._followed.get(record.id) is record:
            del self._followed[record.id]
            await record.close()

    def adopted(self, record: Record) -> None:
        """This server has taken a run over: those who view it here are viewers of its own run."""
        followed = self._followed.get(record.id)
        if followed is not None:
            _move(followed, record)
            followed.told = UNKNOWN  # a report to the owner before may arrive here
            self.watched(followed)

    async def lost(self, record: Record) -> None:
        """Another server owns a run now: those who view it here are reported to that server."""
        attempt = 0
        while record.viewers and not self.is_closed:
            try:
                found = await self.find(record.id)
                if found is None:
                    return
                found = await self.open(found)
            except HubError:
                await self._settings.clock.sleep(pause(attempt))
                attempt += 1
            else:
                _move(record, found)
                self.watched(found)
                await record.close()
                return

    def told_anew(self) -> None:
        """Owners may have forgotten the viewers here."""
        for record in self._followed.values():
            record.told = UNKNOWN
            self.watched(record)

    async def ask(self, run_id: str, do: str, caller: Caller | None, **more: Any) -> Any:
        """Have the owner of a run do something; where there is no run it takes as long. Raises HubError."""
        by = {"trusted": caller is None, "by": caller.user_id if caller is not None else None}
        try:
            return await self._settings.log.call(run_id, {"do": do, **by, **more})
        except BackplaneError as error:
            raise HubError(UNREACHABLE) from error

    async def complete(self, record: RemoteRecord, caller: Caller | None) -> None:
        """Have the owner tell what the description of an ended run still lacks; without the owner it stays so."""
        if record.lacks_its_end:
            with suppress(HubError):
                record.told_end(await self.ask(record.id, "info", caller))

    def changed(self, about: About, group: str | None) -> None:
        """A run of another server has changed: who views it, or watches this group, is told."""
        if group is None:
            followed = self._followed.get(about["id"])
            if followed is not None:
                self._heard(followed, about)
            return
        record: RemoteRecord | None = None
        for watcher in self._watchers:
            if watcher.group == group:
                record = record or RemoteRecord(about, self._settings)
                watcher.tell(record)

    def _known(self, about: About) -> RemoteRecord:
        followed = self._followed.get(about["id"])
        if followed is None:
            return RemoteRecord(about, self._settings)
        self._heard(followed, about)
        return followed

    def _heard(self, followed: RemoteRecord, about: About) -> None:
        """What is known of a run that is followed, from its news or because somebody has asked before they came."""
        if about["fence"] != followed.about["fence"]:  # another owner may know of no viewers yet
            followed.told = UNKNOWN
            self.watched(followed)
        followed.update(about)


def _move(old: Record, new: Record) -> None:
    for viewer in [each for each in old.viewers if isinstance(each, Viewer)]:
        viewer.move(new)


def moment_of(text: str | None) -> datetime | None:
    """A time as clients see it."""
    return datetime.fromisoformat(text) if text is not None else None


def _nothing(*_: object) -> None:
    """A run of another server is changed there."""


async def _elsewhere() -> None:
    """Stands for a function that only the owner has."""
