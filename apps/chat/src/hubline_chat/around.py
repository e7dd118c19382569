"""The messages around a place in a room's history, and those that follow: what a page shows after a jump."""

from collections.abc import Sequence

from hubline import HubError
from hubline_chat.contract import Around, Later, Message
from hubline_chat.history import PAGE, PAGE_CHARACTERS
from hubline_chat.journal import Journal
from hubline_chat.past import Past
from hubline_chat.room import Room
from hubline_chat.store.messages import Messages

GONE = "This message does not exist any more."


class Places:
    """Reads pages of history that do not end with the newest message. The store has every message that was sent."""

    def __init__(self, messages: Messages, journal: Journal, past: Past) -> None:
        self._messages, self._journal, self._past = messages, journal, past

    async def around(self, room: Room, message_id: str) -> Around:
        """A message with half a page before it and half a page after it.

        Raises:
            HubError: the room has no such message, or the store could not be read.
        """
        target = await self._past.question(room, message_id)
        if target is None:
            raise HubError(GONE)
        half = PAGE // 2
        async with self._journal.settled() as newest:
            before = await self._messages.before(room.id, target.seq, half + 1)
            after = await self._messages.after(room.id, target.seq, half + 1)
            older = _fitting(before, half)
            later = _fitting(after, half)
            messages = [newest(each) for each in [*reversed(older), target, *later]]
        return Around(self._present(room, messages), len(older) < len(before), len(later) < len(after))

    async def later(self, room: Room, after_seq: int) -> Later:
        """The next page after a number. Raises StoreError."""
        async with self._journal.settled() as newest:
            found = await self._messages.after(room.id, after_seq, PAGE + 1)
            page = [newest(each) for each in _fitting(found, PAGE)]
        return Later(self._present(room, page), len(page) < len(found))

    def _present(self, room: Room, messages: Sequence[Message]) -> list[Message]:
        """As they are now: answers grow in memory, and messages may have been deleted meanwhile."""
        there = [each for each in messages if each.seq >= room.history.cleared_before]
        return [room.history.find(each.id) or each for each in there]


def _fitting(messages: Sequence[Message], count: int) -> Sequence[Message]:
    """The first messages that fit into half a reply; at least one."""
    size = 0
    for index, message in enumerate(messages[:count]):
        size += message.weight
        if index and size > PAGE_CHARACTERS // 2:
            return messages[:index]
    return messages[:count]
