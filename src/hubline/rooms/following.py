"""The rooms that a server follows, and what its connections in them are sent."""

import asyncio
import contextvars
import json
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakValueDictionary

from hubline._clock import Clock
from hubline._tasks import TaskOwner, ends_its_task
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.rooms.feed import Change, Feed, Gap, Message, News, OnPresence, position
from hubline.rooms.store import Presence, RoomStore
from hubline.server.clients import Send
from hubline.server.recipients import Unawaited
from hubline.wire.messages import Invocation
from hubline.wire.packet import SerializedMessage

logger = logging.getLogger("hubline.rooms")

MESSAGE, PRESENCE, SIGNAL = "RoomMessage", "RoomPresence", "RoomSignal"
GAP, CLOSED = "RoomGap", "RoomClosed"
"""What is called on clients, each with the name of the room and one value."""


@dataclass(slots=True, eq=False)
class Local:
    """A connection of this server in a room."""

    connection_id: str
    send: Send
    """Of its hub."""
    watches: bool
    """Whether it is told of members."""
    epoch: str = ""
    after: int = 0
    """The newest message that it was given."""
    changes: int = 0
    """The number of the newest change of members that it was given."""
    heard: list[News] | None = field(default_factory=list)
    """What has happened while it joins; then `None`."""


class Followed:
    """A room with connections or agents of this server. Its news are sent by one task, in their order."""

    def __init__(
        self,
        room: str,
        store: RoomStore,
        missed: int,
        tasks: TaskOwner,
        clock: Clock,
        on_presence: OnPresence | None,
        changes: int,
    ) -> None:
        """Changes of members are numbered from the one after `changes`."""
        self.room, self._store, self._missed, self._tasks, self._clock = room, store, missed, tasks, clock
        self._on_presence = on_presence
        self.feed = Feed(self._tell, changes)
        self.locals: dict[str, Local] = {}
        self.holders = 0
        self._loading = asyncio.Lock()
        self._news: list[News] = []
        self._pump: asyncio.Task[None] | None = None
        self._behind = False
        self._catching_up: asyncio.Task[None] | None = None

    def message(self, epoch: str, seq: int, text: str) -> None:
        """The storage tells of a message."""
        if not self.feed.told_message(epoch, seq, text):
            self.catch_up()

    def presence(self, version: int, key: str, member: Presence | None) -> None:
        """The storage tells of a member."""
        if not self.feed.told_presence(version, key, member):
            self.catch_up()

    def catch_up(self) -> "asyncio.Task[None]":
        """Ask the storage for what was not heard."""
        self._behind = True
        if self._catching_up is None or self._catching_up.done():
            self._catching_up = self._start(self._catch_up(), "hubline.rooms: catching up")
        return self._catching_up

    async def load(self) -> None:
        """Be where the storage is now. Raises BackplaneError."""
        feed = self.feed
        async with self._loading:
            known, limit = (None, 0) if feed.epoch is None else ((feed.epoch, feed.end), self._missed)
            version = None if feed.epoch is None else feed.version
            found = await self._store.load(self.room, after=known, limit=limit, version=version)
            if found.page.epoch != feed.epoch and found.members is None:  # these are others with the same number
                found = await self._store.load(self.room, after=known, limit=limit, version=None)
            feed.loaded(found)

    def signal(self, text: str) -> None:
        """Something that is not kept: of one kind and one sender, a client that is behind gets the newest."""
        item = json.loads(text)
        sender, kind = item["connectionId"], item["kind"]
        to = [each for each in self.locals.values() if each.heard is None and each.connection_id != sender]
        key = f"{self.room}\n{kind}\n{item['agent']}\n{sender or item['by']}"
        self._start(self._sent(SIGNAL, item, to, key), "hubline.rooms: a signal")

    def stop(self) -> None:
        """Nobody here follows the room any more."""
        self._behind = False
        self._news.clear()

    def _tell(self, news: News) -> None:
        for local in self.locals.values():
            if local.heard is not None:
                local.heard.append(news)
        if isinstance(news, Change) and self._on_presence is not None:
            try:
                self._on_presence(self.room, news.kind, news.member)
            except Exception:
                logger.exception("on_presence failed for room %.80s", self.room)
        self._news.append(news)
        if self._pump is None or self._pump.done():
            self._pump = self._start(self._send_news(), f"hubline.rooms: the news of {self.room:.40}")

    async def _send_news(self) -> None:
        while self._news:
            news, self._news = self._news, []
            for each in news:
                await self._deliver(each)

    async def _deliver(self, news: News) -> None:
        present = [each for each in self.locals.values() if each.heard is None]
        if isinstance(news, Message):
            to = [each for each in present if each.epoch == news.epoch and each.after < news.seq]
            for each in to:
                each.after = news.seq
            await self._sent(MESSAGE, news.item, to)
        elif isinstance(news, Change):
            to = [each for each in present if each.watches and each.changes < news.number]
            for each in to:
                each.changes = news.number
            await self._sent(PRESENCE, news.item, to)
        else:
            assert isinstance(news, Gap)
            to = [each for each in present if each.epoch != news.epoch or each.after < news.seq]
            for each in to:
                each.epoch, each.after = news.epoch, news.seq
            await self._sent(GAP, {"position": position(news.epoch, news.seq)}, to)

    async def _sent(self, target: str, item: Any, to: list[Local], key: str | None = None) -> None:
        by_hub: dict[Send, list[str]] = {}
        for each in to:
            by_hub.setdefault(each.send, []).append(each.connection_id)
        for send, ids in by_hub.items():
            message = SerializedMessage(Invocation(target=target, arguments=(self.room, item)), key=key)
            try:
                await send(Unawaited(tuple(ids)), message)
            except (Exception, asyncio.CancelledError) as error:  # of a filter, or a message above the hub's own limit
                if ends_its_task(error):
                    raise
                logger.exception("room %s: %s was not sent to %d connections", self.room, target, len(ids))

    def _start(self, coroutine: Coroutine[Any, Any, None], name: str) -> "asyncio.Task[None]":
        """Not in the context of who happens to call: a transaction of theirs is not ours."""
        return self._tasks.start(coroutine, name=name, context=contextvars.Context())

    async def _catch_up(self) -> None:
        attempt = 0
        while self._behind:
            self._behind = False
            try:
                await self.load()
            except BackplaneError as error:
                if attempt == 0:
                    logger.warning("room %s cannot be completed at present: %s", self.room, error)
                self._behind = True
                await self._clock.sleep(pause(attempt))
                attempt += 1


class Following:
    """The rooms of one server: a `RoomListener`."""

    def __init__(
        self,
        store: RoomStore,
        missed: int,
        clock: Clock,
        returned: Callable[[], None],
        on_presence: OnPresence | None,
    ) -> None:
        self._store, self._missed, self._clock, self._returned = store, missed, clock, returned
        self._on_presence = on_presence
        self.tasks = TaskOwner("hubline.rooms")
        self.rooms: dict[str, Followed] = {}
        self._changes = 0
        """The highest number of a change in rooms that are not followed any more. A room that is followed again goes on
        after it: who has left it and joins it again may still get changes from before."""
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def hold(self, room: str) -> Followed:
        """Follow a room until `release`. Raises BackplaneError."""
        async with self._locks.setdefault(room, asyncio.Lock()):
            followed = self.rooms.get(room)
            if followed is None:
                followed = self.rooms[room] = Followed(
                    room, self._store, self._missed, self.tasks, self._clock, self._on_presence, self._changes
                )
                try:
                    await self._store.watch(room, self)
                    await followed.load()
                except BaseException:
                    await self._drop(followed)
                    raise
            followed.holders += 1
            return followed

    async def release(self, followed: Followed) -> None:
        """Once for each `hold`. Raises nothing."""
        followed.holders -= 1
        async with self._locks.setdefault(followed.room, asyncio.Lock()):
            if followed.holders <= 0 and self.rooms.get(followed.room) is followed:
                if self._on_presence is not None:
                    with suppress(BackplaneError):  # that the last member has left may still be on its way here
                        await followed.load()
                await self._drop(followed)

    def known(self, room: str) -> tuple[str, int] | None:
        """The newest position of a room that was heard here."""
        feed = followed.feed if (followed := self.rooms.get(room)) is not None else None
        return None if feed is None or feed.epoch is None else (feed.epoch, feed.end)

    async def look(self) -> None:
        """Ask the storage about every room: news may be lost without a sign."""
        for followed in list(self.rooms.values()):
            await asyncio.shield(followed.catch_up())

    def message(self, room: str, epoch: str, seq: int, text: str) -> None:
        """As `RoomListener`."""
        if (followed := self.rooms.get(room)) is not None:
            followed.message(epoch, seq, text)

    def presence(self, room: str, version: int, key: str, member: Presence | None) -> None:
        """As `RoomListener`."""
        if (followed := self.rooms.get(room)) is not None:
            followed.presence(version, key, member)

    def signal(self, room: str, text: str) -> None:
        """As `RoomListener`."""
        if (followed := self.rooms.get(room)) is not None:
            followed.signal(text)

    def interrupted(self) -> None:
        """As `RoomListener`."""
        for followed in self.rooms.values():
            followed.catch_up()

    def returned(self) -> None:
        """As `RoomListener`."""
        self._returned()

    async def _drop(self, followed: Followed) -> None:
        del self.rooms[followed.room]
        self._changes = max(self._changes, followed.feed.changes)
        followed.stop()
        try:
            await self._store.unwatch(followed.room, self)
        except BackplaneError:
            logger.debug("room %s: its subscription ends with the connection", followed.room)
