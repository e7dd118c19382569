"""Rooms in a database that servers share: what is the same for SQLite and PostgreSQL."""

import asyncio
import logging
import secrets
from contextlib import suppress
from functools import partial

from hubline._clock import Clock
from hubline.errors import BackplaneError
from hubline.rooms.shared_store import Known, SharedRoomStore
from hubline.rooms.sql_members import SqlRoomMembers
from hubline.rooms.sql_presence import Change, read_change
from hubline.rooms.sql_programs import Message, append, clean, keep_watched, load, looked_at
from hubline.rooms.sql_tables import CREATE, SCHEMA, TABLES
from hubline.rooms.store import Appended, Page, Presence, RoomListener, Snapshot
from hubline.runs.sql_database import MakeDatabase, Schema, read_mail
from hubline.runs.sql_nodes import subscribe, unsubscribe
from hubline.runs.sql_programs import published

logger = logging.getLogger("hubline.rooms")


def schema(keep: int) -> Schema:
    """The tables of rooms that keep messages for so many ms."""
    return Schema("the rooms", TABLES, CREATE, SCHEMA, append, partial(clean, keep))


class SqlRoomStore(SharedRoomStore):
    """A `RoomStore` in a database, which `make` makes for a server's name. An object is for one `Rooms`."""

    def __init__(self, make: MakeDatabase, *, history: int, keep: int, lease: float, clock: Clock | None) -> None:
        """`keep` is in milliseconds."""
        super().__init__("SQL", lease=lease, clock=clock)
        self._make_database, self._history, self._keep = make, history, keep
        self._begin_anew()

    def _make(self) -> SqlRoomMembers:
        self._database = self._make_database(self, self.node)
        self._mail_came = asyncio.Event()
        return SqlRoomMembers(self._database, round(self._lease * 1000), self._life, self._returned)

    async def _start(self) -> None:
        await self._database.start()

    def _start_tasks(self) -> None:
        mail = read_mail(self._database, self._mail_came, self._clock, self._received)
        self._tasks.start(mail, name="hubline.rooms: news")

    async def _disconnect(self) -> None:
        await self._database.close()

    def _forget_loop(self) -> None:
        self._database.forget()

    async def watch(self, room: str, listener: RoomListener) -> None:
        """Hear the news of a room. Raises BackplaneError."""
        self._known.setdefault(room, Known())
        self._database.hurry(True)
        try:
            await self._database.run(subscribe(self.node, [room]))
        except BaseException:
            self._forget(room)
            raise

    async def unwatch(self, room: str, listener: RoomListener) -> None:
        """Hear them no more."""
        self._forget(room)
        with suppress(BackplaneError):  # what comes from there is passed over
            await self._database.run(unsubscribe(self.node, [room]))

    async def append(self, room: str, text: str, *, key: str, known: tuple[str, int] | None = None) -> Appended:
        """Add a message. Raises BackplaneError: whether it was added is not known."""
        message = Message(room, text, key, self._history, self._keep, known, secrets.token_urlsafe(6))
        found: Appended = await self._database.append(message)
        return found

    async def load(self, room: str, *, after: tuple[str, int] | None, limit: int, version: int | None) -> Snapshot:
        """A room at one moment. Raises BackplaneError."""
        return await self._load(room, after or ("", 0), None, limit, version, present=True)

    async def earlier(self, room: str, before: int, limit: int) -> Page:
        """Messages of the room. Raises BackplaneError."""
        return (await self._load(room, ("", 0), before, limit, None, present=False)).page

    async def enter(self, room: str, key: str, member: Presence, *, state: bool) -> int:
        """Add a device of this server. Raises BackplaneError."""
        return await self._database.run(self._change(room).enter(key, member, self.node, state=state))

    async def away(self, room: str, key: str, device_id: str) -> bool:
        """Mark a device. Raises BackplaneError."""
        return await self._database.run(self._change(room).away(key, device_id))

    async def leave(self, room: str, key: str, device_id: str, *, if_away: bool = False) -> None:
        """Remove a device. Raises BackplaneError."""
        await self._database.run(self._change(room).leave(key, device_id, if_away=if_away))

    async def set_state(self, room: str, key: str, state: str) -> bool:
        """Set the state of a member. Raises BackplaneError."""
        return await self._database.run(self._change(room).set_state(key, state))

    async def signal(self, room: str, text: str) -> None:
        """Tell all servers that watch the room. Raises BackplaneError."""
        await self._database.run(published([(room, f"s {text}")]))

    # As `Events`

    def news(self) -> None:
        """Something may have come for this server."""
        self._mail_came.set()

    def interrupted(self) -> None:
        """The database was away."""
        self._mail_came.set()
        if self._listener is not None:
            self._listener.interrupted()

    # Below

    def _change(self, room: str) -> Change:
        return Change(room, secrets.token_urlsafe(6), self._life)

    async def _load(
        self, room: str, after: tuple[str, int], before: int | None, limit: int, version: int | None, *, present: bool
    ) -> Snapshot:
        while True:
            known = self._known.get(room, Known())
            program = load(
                room, after=after, before=before, limit=limit, keep=self._keep, version=version, present=present
            )
            found = await self._database.run(program, reads=True)
            if found is not None:
                page = found.page
                if known.epoch != page.epoch or (known.seq <= page.end and known.version <= found.version):
                    self._note(room, page.epoch, page.end, found.version)
                    return found
            await self._database.run(looked_at(room, known, secrets.token_urlsafe(6), self._life))

    def _forget(self, room: str) -> None:
        self._known.pop(room, None)
        self._database.hurry(bool(self._known))

    async def _renew(self) -> None:
        """Three times in a lease. Raises BackplaneError."""
        await self._database.run(keep_watched(self.node, self._life))
        await self._database.clean()
        self._mail_came.set()  # who should have woken this server may have died before

    async def _returned(self) -> None:
        """Others may have considered this server gone. Raises BackplaneError."""
        if self._known:
            await self._database.run(subscribe(self.node, sorted(self._known)))
        if self._listener is not None:
            self._listener.interrupted()
            self._listener.returned()

    def _received(self, room: str, body: str) -> None:
        listener = self._listener
        if listener is None or room not in self._known:
            return
        kind, _, rest = body.partition(" ")
        try:
            if kind == "m":
                epoch, number, text = rest.split(" ", 2)
                self._note(room, epoch, int(number), 0)
                listener.message(room, epoch, int(number), text)
            elif kind == "p":
                version, text = rest.split(" ", 1)
                key, member = read_change(text)
                self._note(room, None, 0, int(version))
                listener.presence(room, int(version), key, member)
            elif kind == "s":
                listener.signal(room, rest)
        except Exception:
            logger.exception("news of room %.80s could not be read", room)
