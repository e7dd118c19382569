"""What was said in rooms, however long ago: from memory and, behind its window, from the store."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta

from hubline import HubError
from hubline_chat.answering import now
from hubline_chat.attached import Quote
from hubline_chat.contract import Message
from hubline_chat.history import PAGE, PAGE_CHARACTERS
from hubline_chat.journal import Journal
from hubline_chat.room import Room
from hubline_chat.rooms import Rooms
from hubline_chat.store.messages import Messages

WHOLE_PAGE = 200
"""Messages that are read at once from a whole room; nothing is stored meanwhile."""
OVERLAP = timedelta(seconds=10)
"""Changes in this time before the last one that a returning page has heard of may not have reached it."""
EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
"""Nothing was said before, whatever a page has heard."""


class Past:
    """Reads messages in the form they have now: answers whose newest form is still to be stored among them."""

    def __init__(self, rooms: Rooms, messages: Messages, journal: Journal) -> None:
        self._rooms, self._messages, self._journal = rooms, messages, journal

    async def before(self, room: Room, seq: int) -> tuple[list[Message], bool]:
        """The last messages before `seq`, oldest first, and whether there are older ones.

        Raises:
            StoreError: they are not in memory, and the store could not be read.
        """
        found, has_more = room.history.before(seq)
        if has_more or room.history.is_whole:
            return found, has_more
        first = found[0].seq if found else min(seq, room.history.oldest)
        async with self._journal.settled() as newest:
            # One more than the page takes, to know whether there are older ones.
            older = [newest(each) for each in await self._messages.before(room.id, first, PAGE - len(found) + 1)]
        size = sum(message.weight for message in found)
        page = found[::-1]
        for message in older:
            size += message.weight
            if message.seq < room.history.cleared_before:  # deleted while they were read
                return _kept(page, room), False
            if len(page) == PAGE or (page and size > PAGE_CHARACTERS):
                return _kept(page, room), True
            page.append(message)
        return _kept(page, room), False

    def changed(self, room: Room, since: int, heard: datetime) -> list[Message]:
        """The messages up to the number `since` that have changed since a page heard of the room last."""
        heard = max(EARLIEST, heard if heard.tzinfo is not None else heard.replace(tzinfo=UTC))
        return [message.at(now()) for message in room.history.changed(since, heard - OVERLAP)]

    async def whole(self, room: Room) -> AsyncIterator[list[Message]]:
        """Everything that has been said until now, oldest first, in pages.

        Raises:
            StoreError: the store could not be read.
        """
        seq, last = 0, room.history.last_seq
        while seq < last:
            async with self._journal.settled() as newest:
                page = [newest(each) for each in await self._messages.after(room.id, seq, WHOLE_PAGE)]
            page = [message for message in page if room.history.cleared_before <= message.seq <= last]
            if not page:
                return
            seq = page[-1].seq
            yield page

    async def find(self, message_id: str, user_id: str) -> tuple[Room, Message]:
        """A message, and its room.

        Raises:
            HubError: there is none that the user can see, or the store could not be read.
        """
        for room in self._rooms.visible_to(user_id):
            if (message := room.history.find(message_id)) is not None:
                return room, message
        stored = await self._stored(message_id)
        found = None if stored is None else self._rooms.get(stored.room_id)
        if stored is None or found is None or not found.is_visible_to(user_id):
            raise HubError("This message does not exist any more.")
        return found, stored

    async def question(self, room: Room, message_id: str) -> Message | None:
        """A message of this room; `None` when there is none."""
        message = room.history.find(message_id) or await self._stored(message_id)
        return message if message is not None and message.room_id == room.id else None

    async def quote(self, room: Room, message_id: str | None) -> Quote | None:
        """What a reply to a message shows of it; `None` without one.

        Raises:
            HubError: it does not exist any more.
        """
        if message_id is None:
            return None
        message = await self.question(room, message_id)
        if message is None or message.is_deleted:
            raise HubError("The message that you reply to does not exist any more.")
        return message.as_quote

    async def answer_to(self, room: Room, question: Message) -> Message | None:
        """The answer that was made with a message: it is the next one. `None` when the message was not answered."""
        for message in await self._next(room, question.seq):
            if message.answer is not None and message.answer.question_id == question.id:
                return message
        return None

    async def _next(self, room: Room, seq: int) -> Sequence[Message]:
        """The message after a number, if there is one."""
        if seq + 1 >= room.history.oldest:
            return room.history.before(seq + 2, 1)[0]
        async with self._journal.settled() as newest:
            return [newest(each) for each in await self._messages.before(room.id, seq + 2, 1)]

    async def _stored(self, message_id: str) -> Message | None:
        async with self._journal.settled() as newest:
            message = await self._messages.find(message_id)
            return None if message is None else newest(message)


def _kept(newest_first: Sequence[Message], room: Room) -> list[Message]:
    """Oldest first, without what was deleted meanwhile."""
    return [message for message in reversed(newest_first) if message.seq >= room.history.cleared_before]
