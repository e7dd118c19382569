"""The newest messages of one room, in memory, to send to pages. The store has them too."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from hubline_chat.attached import Quote
from hubline_chat.contract import Message

PAGE = 50
CATCH_UP = 200
"""Messages that a returning page gets at once; if it missed more, it starts again with the newest."""
PAGE_CHARACTERS = 120_000
"""The most text in one reply: a reply must fit well into the outbox of a connection (1 MiB)."""


class History:
    """Bounded by number and by text. Numbers (`seq`) rise without gaps and never return.

    `last_seq`: the highest number of those that were deleted before. `is_whole`: the store has nothing older than this.
    """

    def __init__(self, capacity: int = 1_000, characters: int = 1_000_000, *, last_seq: int = 0) -> None:
        self.last_seq = last_seq
        self.is_whole = True
        self.last_at: datetime | None = None
        """When the newest message was sent, if there has been one."""
        self.cleared_before = last_seq + 1 if last_seq else 0
        """Messages with lower numbers were deleted."""
        self._capacity, self._characters = capacity, characters
        self._messages: dict[int, Message] = {}
        self._seq_by_id: dict[str, int] = {}
        self._size = 0

    def append(self, message: Message) -> Message:
        """Keep a message and give it its number, and the present form of what it replies to."""
        self.last_seq += 1
        message = replace(message, seq=self.last_seq, quote=self._quoted(message.quote))
        self._messages[message.seq] = message
        self._seq_by_id[message.id] = message.seq
        self.last_at = message.sent_at
        self._size += message.weight
        self._trim()
        return message

    def restore(self, message: Message) -> None:
        """Add a message from the store, with its number. Messages before a gap are dropped."""
        if message.seq != self.last_seq + 1:
            self.is_whole = self.is_whole and not self._messages
            self._messages.clear()
            self._seq_by_id.clear()
            self._size = 0
        self.last_seq = message.seq - 1
        self.append(message)

    def update(self, message: Message) -> None:
        """Replace a message by its newer form, if it is still kept."""
        old = self._messages.get(message.seq)
        if old is not None:
            self._size += message.weight - old.weight
            self._messages[message.seq] = message
            self._trim()

    def requote(self, message: Message) -> None:
        """A message has another form: replies show it in that form."""
        for seq, each in self._messages.items():
            if each.quote is not None and each.quote.seq == message.seq:
                self._messages[seq] = replace(each, quote=message.as_quote)

    def rewrite(self, change: Callable[[Message], Message]) -> None:
        """Replace every message by what `change` makes of it."""
        for seq, message in self._messages.items():
            self._messages[seq] = changed = change(message)
            self._size += changed.weight - message.weight

    def find(self, message_id: str) -> Message | None:
        seq = self._seq_by_id.get(message_id)
        return None if seq is None else self._messages[seq]

    def newest_first(self) -> list[Message]:
        return list(reversed(self._messages.values()))

    def before(self, seq: int, count: int = PAGE) -> tuple[list[Message], bool]:
        """The last messages before `seq`, oldest first, and whether there are older ones here."""
        found: list[Message] = []
        size = 0
        for number in range(min(seq, self.last_seq + 1) - 1, self.oldest - 1, -1):
            message = self._messages[number]
            size += message.weight
            if len(found) == count or (found and size > PAGE_CHARACTERS):
                return found[::-1], True
            found.append(message)
        return found[::-1], False

    def newest(self) -> tuple[list[Message], bool]:
        return self.before(self.last_seq + 1)

    def after(self, seq: int) -> list[Message] | None:
        """Everything after `seq`, or `None` when that is too much, no longer kept, or `seq` was never given out."""
        if not self.oldest - 1 <= seq <= self.last_seq or self.last_seq - seq > CATCH_UP:
            return None
        messages = [self._messages[number] for number in range(seq + 1, self.last_seq + 1)]
        return messages if sum(message.weight for message in messages) <= PAGE_CHARACTERS else None

    def changed(self, last: int, moment: datetime) -> list[Message]:
        """The messages up to a number that have changed since a moment, oldest first; the newest of them if many."""
        found: list[Message] = []
        size = 0
        for message in self.newest_first():
            if message.seq > last or not (message.is_running or message.changed_at >= moment):
                continue
            size += message.weight
            if len(found) == CATCH_UP or (found and size > PAGE_CHARACTERS):
                break
            found.append(message)
        return found[::-1]

    def clear(self, before: int) -> None:
        """The messages before a number were deleted."""
        self.cleared_before = max(self.cleared_before, before)
        self.is_whole = self.is_whole or before >= self.oldest
        for seq in [seq for seq in self._messages if seq < before]:
            self._forget(seq)
        for seq, each in self._messages.items():
            if each.quote is not None and each.quote.seq < before:
                self._messages[seq] = replace(each, quote=Quote(each.quote.seq, is_deleted=True))

    @property
    def oldest(self) -> int:
        """The number of the oldest message; without messages, the next number."""
        return next(iter(self._messages), self.last_seq + 1)

    def _quoted(self, quote: Quote | None) -> Quote | None:
        if quote is None or quote.seq < self.cleared_before:
            return None if quote is None else Quote(quote.seq, is_deleted=True)
        message = self._messages.get(quote.seq)
        return quote if message is None else message.as_quote

    def _trim(self) -> None:
        while len(self._messages) > self._capacity or (self._size > self._characters and len(self._messages) > 1):
            self._forget(self.oldest)
            self.is_whole = False

    def _forget(self, seq: int) -> None:
        message = self._messages.pop(seq)
        del self._seq_by_id[message.id]
        self._size -= message.weight
