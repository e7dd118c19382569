"""Runs that other servers own, where the log is shared: finding them, watching them, asking their owners."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from hubline import HubError
from hubline._tasks import wake_up
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.runs.info import UNREACHABLE, Caller, RunInfo
from hubline.runs.log import About, FencedError, LogGoneError
from hubline.runs.record import Record, Start
from hubline.runs.settings import Settings
from hubline.runs.tape import Entry
from hubline.runs.viewing import Watcher

UNWATCHED = 30.0
"""Seconds that a run of another server is followed for somebody who asked for it and does not come. Ours."""

SETTLING = 1.0
"""Seconds for the last words to other servers, at a shutdown. Ours."""


def about_of(record: Record) -> dict[str, Any]:
    """What other servers are told of a run of this one."""
    start, info = record.start, record.info()
    return {
        **info.item(),
        "ended": info.ended,
        "groups": [group_of(None, start), *([group_of(record.room)] if record.room is not None else [])],
        "connectionId": start.connection_id,
        "attempt": record.attempt,
        "fence": record.fence,
        "inbox": start.inbox,
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


def start_of(about: About, function: Callable[..., Any] | None = None) -> Start:
    """What a run was started with, as far as other servers know."""
    return Start(
        function or _elsewhere,
        tuple(about["arguments"]),
        key=about["key"],
        room=about["room"],
        starter=about["starter"],
        connection_id=about["connectionId"],
        inbox=about["inbox"],
    )


class RemoteRecord(Record):
    """A run that another server owns. Nothing is written here."""

    def __init__(self, about: About, settings: Settings) -> None:
        super().__init__(
            start_of(about), settings, changed=_nothing, expire=_nothing, break_off=_nothing, lost=_nothing
        )
        self.id = about["id"]
        self.about = about
        self.started_at = moment_of(about["startedAt"]) or self.started_at
        self.opening, self.telling = asyncio.Lock(), asyncio.Lock()
        self.told = 0
        """Viewers here, as the owner knows."""
        self.update(about)

    def update(self, about: About) -> None:
        """The owner says something new."""
        if not self.ended.is_set():
            self.about, self.state = about, about["state"]
            if about["ended"]:
                self.ended.set()

    def told_end(self, item: Mapping[str, Any]) -> None:
        """The owner says how it has ended."""
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
        """Follow it. Raises what the log raises."""
        async with self.opening:
            if self.following is None:
                following = self.settings.log.follow(self.id)
                self.tape = await following.__aenter__()
                self.following = following
                self.tape.listeners.append(self._appended)
                if self.tape.ended is not None:
                    self._appended(self.tape.ended)

    async def close(self) -> None:
        """Follow it no longer. The log is the owner's."""
        async with self.opening:
            following, self.following = self.following, None
            if following is not None:
                self.tape.listeners.remove(self._appended)
                await following.__aexit__(None, None, None)

    def _appended(self, entry: Entry) -> None:
        if entry.kind == "end":
            self.state = entry.item["state"]


class Elsewhere:
    """What this server knows of the runs of others."""

    def __init__(self, settings: Settings, watchers: set[Watcher]) -> None:
        self._settings, self._watchers, self._name = settings, watchers, secrets.token_urlsafe(9)
        self._followed: dict[str, RemoteRecord] = {}
        self._sharing: dict[Record, bool] = {}
        """Runs of this server that others are being told of, and whether they have changed since."""
        self._settled: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._followed)

    async def find(self, run_id: str) -> RemoteRecord | None:
        """A run of another server; None when there is none. Raises HubError when nobody can tell."""
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
        """Watchers are told of changes of these runs while the block runs. Raises HubError."""
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
        """Follow it, for somebody who will view it. Raises HubError."""
        record = self._followed.setdefault(record.id, record)
        try:
            await record.open()
        except (BackplaneError, LogGoneError) as error:
            self._followed.pop(record.id, None)
            raise HubError(UNREACHABLE) from error
        self._settings.timers.after(UNWATCHED, lambda: self.watched(record))
        return record

    def watched(self, record: RemoteRecord) -> None:
        """The number of its viewers here has changed."""
        if self._settings.log.shared:
            self._settings.tasks.start(self._tell_viewers(record), name="hubline.runs: viewers of another server")

    async def _tell_viewers(self, record: RemoteRecord) -> None:
        async with record.telling:
            count = len(record.viewers)
            if record.told != count and not record.ended.is_set():
                record.told = count
                with suppress(HubError, BackplaneError):  # the next change says it
                    await self._settings.log.call(record.id, {"do": "viewers", "from": self._name, "count": count})
        if not record.viewers and self._followed.get(record.id) is record:
            del self._followed[record.id]
            await record.close()

    async def ask(self, record: RemoteRecord, do: str, caller: Caller | None, **more: Any) -> Any:
        """Have its owner do something. Raises HubError."""
        by = {"trusted": caller is None, "by": caller.user_id if caller is not None else None}
        try:
            return await self._settings.log.call(record.id, {"do": do, **by, **more})
        except BackplaneError as error:
            raise HubError(UNREACHABLE) from error

    def share(self, record: Record) -> None:
        """Tell other servers what has become of a run of this one; of several changes, the newest."""
        if self._settings.log.shared and not record.is_lost:
            if record not in self._sharing:
                self._settings.tasks.start(self._share(record), name="hubline.runs: telling other servers")
            self._sharing[record] = True

    async def tell(self, record: Record) -> None:
        """Let other servers know that a run exists. Raises what the log raises."""
        if self._settings.log.shared:
            await self._settings.log.describe(about_of(record), fence=record.fence)

    async def settled(self) -> None:
        """Return when others have been told everything, or cannot be within a second."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLING):
                while self._sharing:
                    self._settled = asyncio.get_running_loop().create_future()
                    await self._settled

    async def _share(self, record: Record) -> None:
        try:
            while self._sharing[record]:
                self._sharing[record] = False
                await self._describe(record)
        except (FencedError, LogGoneError):
            pass  # whoever owns it now tells
        finally:
            del self._sharing[record]
            wake_up(self._settled)

    async def _describe(self, record: Record) -> None:
        attempt = 0
        while True:
            try:
                await self._settings.log.describe(about_of(record), fence=record.fence)
                return
            except BackplaneError:
                await self._settings.clock.sleep(pause(attempt))
                attempt += 1

    def changed(self, about: About, group: str | None) -> None:
        """A run of another server has changed: who views it, or watches this group, is told."""
        if group is None:
            followed = self._followed.get(about["id"])
            if followed is not None:
                if about["fence"] != followed.about["fence"]:  # another owner knows of no viewers yet
                    followed.told = 0
                    self.watched(followed)
                followed.update(about)
            return
        record: RemoteRecord | None = None
        for watcher in self._watchers:
            if watcher.group == group:
                record = record or RemoteRecord(about, self._settings)
                watcher.tell(record)

    def _known(self, about: About) -> RemoteRecord:
        followed = self._followed.get(about["id"])
        if followed is not None:
            followed.update(about)
            return followed
        return RemoteRecord(about, self._settings)


def moment_of(text: str | None) -> datetime | None:
    """A time as clients see it."""
    return datetime.fromisoformat(text) if text is not None else None


def _nothing(*_: object) -> None:
    """A run of another server is changed there."""


async def _elsewhere() -> None:
    """Stands for a function that only the owner has."""
