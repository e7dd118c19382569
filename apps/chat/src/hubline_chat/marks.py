"""Read marks and mentions: what each person has not read yet, on whatever device."""

import asyncio
import logging
import re
from collections import defaultdict
from collections.abc import Callable, Collection
from itertools import chain

from sqlalchemy.exc import IntegrityError

from hubline_chat.contract import Message, Read
from hubline_chat.limits import NAME_LENGTH
from hubline_chat.news import Pages
from hubline_chat.prompts import without_code
from hubline_chat.room import Room
from hubline_chat.rooms import Rooms
from hubline_chat.store import Store, StoreError
from hubline_chat.store.marks import Place
from hubline_chat.store.users import folded

logger = logging.getLogger("hubline_chat")

MENTIONS = 20
"""Mentions in one message that are looked up; further ones are plain text."""
UNREAD_MENTIONS = 500
"""Mentions that a page is told when it enters, the newest ones."""

_AT = re.compile(r"(?<![\w@/.+-])@(?=[^\s@])")


class Marks:
    """The marks of all people. They rise only; new ones are kept in memory until `save`, and stored together then."""

    def __init__(self, rooms: Rooms, store: Store, pages: Callable[[], Pages]) -> None:
        self._rooms, self._store, self._pages = rooms, store, pages
        self._new: dict[Place, int] = {}
        """Marks that are not stored yet."""
        self._saving: dict[Place, int] = {}
        """Marks that are being stored."""
        self._storing, self._saved = asyncio.Lock(), 0
        """Held by `save`, and how often it has ended."""
        self.newcomers: set[str] = set()
        """People who have come for the first time, until they are welcomed."""

    async def of(self, user_id: str) -> list[Read]:
        """What a person has read of every room in the list. At the very first time, all that is there counts as read.

        Raises:
            StoreError: the marks could not be read.
        """
        stored, mentions = await self._stored(user_id)
        rooms = self._rooms.visible_to(user_id)
        is_new = not stored and not any(user == user_id for user, _ in [*self._new, *self._saving])
        if is_new:
            self.newcomers.add(user_id)
        reads = []
        for room in rooms:
            known = max(stored.get(room.id, 0), self._unsaved(user_id, room.id))
            if is_new:
                known = self._new[user_id, room.id] = room.history.last_seq
            seq = min(known, room.history.last_seq)
            reads.append(Read(room.id, seq, sorted(each for each in mentions[room.id] if each > seq)))
        return reads

    async def _stored(self, user_id: str) -> tuple[dict[str, int], dict[str, list[int]]]:
        """Stored marks and unread mentions of a person. At the return, each mark is among them or not stored yet."""
        while True:
            before, mentions = self._saved, defaultdict[str, list[int]](list)
            stored = await self._store.marks.of(user_id)
            for room_id, seq in await self._store.marks.mentions(user_id, UNREAD_MENTIONS):
                mentions[room_id].append(seq)
            if self._saved == before:
                return stored, mentions

    async def read(self, user_id: str, room: Room, seq: int) -> None:
        """A person has read a room up to a message. All devices of the person are told."""
        seq = min(seq, room.history.last_seq)
        if seq <= self._unsaved(user_id, room.id):
            return
        self._new[user_id, room.id] = seq
        await self._pages().clients.user(user_id).read_changed(room.id, seq)

    async def save(self) -> None:
        """Store the new marks. What cannot be stored now is tried again the next time."""
        async with self._storing:  # the last call, as the server stops, has what came while others were stored
            if not self._new:
                return
            self._saving, self._new = self._new, {}
            try:
                await self._store.marks.advance(self._saving)
            except (StoreError, IntegrityError):
                self._new = self._saving | self._new
            finally:
                self._saving, self._saved = {}, self._saved + 1

    def _unsaved(self, user_id: str, room_id: str) -> int:
        place = user_id, room_id
        return self._new.get(place, self._saving.get(place, 0))

    async def mentioned(self, room: Room, message: Message) -> Collection[str]:
        """The ids of the people whom a message mentions: `@` and the whole name, outside of code, of those who see it.

        A reply mentions whoever wrote what it replies to; a message to one person mentions that person.

        Raises:
            StoreError: they could not be looked up.
        """
        ends = _names(message.text)
        users = await self._store.users.called(set(chain.from_iterable(ends))) if ends else {}
        found = (next((users[name] for name in names if name in users), None) for names in ends)
        ids = {user.id for user in found if user is not None}
        if message.quote is not None and await self._store.users.get(message.quote.author_id) is not None:
            ids.add(message.quote.author_id)
        if room.is_pair:
            ids.update(room.members)
        return [each for each in ids if each != message.author.id and room.is_visible_to(each)]

    async def edited(self, room: Room, before: Message, message: Message) -> None:
        """A message has another text: its mentions are those of that text, and only the new ones are told."""
        now = await self.mentioned(room, message)
        known = await self.mentioned(room, before)
        if not now and not known:
            return
        await self._keep(message, now)
        await self.tell(message, set(now) - set(known))

    async def posted(self, room: Room, message: Message, mentioned: Collection[str]) -> None:
        """A message is stored: whoever wrote it has read the room up to it. Store its mentions."""
        if message.kind == "person":
            await self.read(message.author.id, room, message.seq)
        if mentioned:
            await self._keep(message, mentioned)

    async def _keep(self, message: Message, user_ids: Collection[str]) -> None:
        try:
            await self._store.marks.mention(message.room_id, message.seq, user_ids)
        except (StoreError, IntegrityError):  # somebody's account, or the room, has just been deleted
            logger.warning("the mentions of a message were not stored")

    async def tell(self, message: Message, user_ids: Collection[str]) -> None:
        """Tell people that a message mentions them, except those who were removed from its room meanwhile."""
        room = self._rooms.get(message.room_id)
        here = [] if room is None else [each for each in user_ids if room.is_visible_to(each)]
        if here:
            await self._pages().clients.users(here).mentioned(message)


def _names(text: str) -> list[list[str]]:
    """For each `@` the names that may stand behind it, as they are compared: the longest first."""
    if "@" not in text:
        return []
    plain = without_code(text)
    return [_beginnings(plain[at.end() : at.end() + NAME_LENGTH + 1]) for at in list(_AT.finditer(plain))[:MENTIONS]]


def _beginnings(text: str) -> list[str]:
    """The beginnings of a text, up to its first line's end, that end with a word."""
    line = text.split("\n", 1)[0]
    ends = [end for end in range(1, len(line) + 1) if not re.match(r"\w\w", line[end - 1 : end + 1])]
    found = [folded(line[:end]) for end in ends if end <= NAME_LENGTH and not line[end - 1].isspace()]
    return list(dict.fromkeys(reversed(found)))
