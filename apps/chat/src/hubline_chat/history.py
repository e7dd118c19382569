"""The newest messages of one room, in memory: what pages are told. All of it is in the store too."""

from dataclasses import replace

from hubline_chat.contract import Message

PAGE = 50
CATCH_UP = 200
"""Messages that a page which was away gets at once; when more are missing, it starts afresh with the newest."""
PAGE_CHARACTERS = 120_000
"""Text that one reply carries at most: a reply must fit well into the outbox of a connection (1 MiB)."""


class History:
    """Bounded by number and by text. Numbers (`seq`) rise without gaps and never return."""

    def __init__(self, capacity: int = 1_000, characters: int = 1_000_000) -> None:
        self.last_seq = 0
        self._capacity, self._characters = capacity, characters
        self._messages: dict[int, Message] = {}
        self._seq_by_id: dict[str, int] = {}
        self._size = 0

    def append(self, message: Message) -> Message:
        """Keep a message and give it its number."""
        self.last_seq += 1
        message = replace(message, seq=self.last_seq)
        self._messages[message.seq] = message
        self._seq_by_id[message.id] = message.seq
        self._size += len(message.text)
        self._trim()
        return message

    def restore(self, message: Message) -> None:
        """Take in a message that has its number, from the store. What comes before a gap is left out."""
        if message.seq != self.last_seq + 1:
            self._messages.clear()
            self._seq_by_id.clear()
            self._size = 0
        self.last_seq = message.seq - 1
        self.append(message)

    def update(self, message: Message) -> None:
        """Put a message in place of its older form; nothing happens when that is no longer kept."""
        old = self._messages.get(message.seq)
        if old is not None:
            self._size += len(message.text) - len(old.text)
            self._messages[message.seq] = message
            self._trim()

    def find(self, message_id: str) -> Message | None:
        seq = self._seq_by_id.get(message_id)
        return None if seq is None else self._messages[seq]

    def newest_first(self) -> list[Message]:
        return list(reversed(self._messages.values()))

    def before(self, seq: int, count: int = PAGE) -> tuple[list[Message], bool]:
        """The last messages before `seq`, oldest first, and whether there are older ones."""
        found: list[Message] = []
        size = 0
        for number in range(min(seq, self.last_seq + 1) - 1, self.oldest - 1, -1):
            message = self._messages[number]
            size += len(message.text)
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
        return messages if sum(len(message.text) for message in messages) <= PAGE_CHARACTERS else None

    def count(self, before: int) -> int:
        """How many messages before a number are kept."""
        return sum(seq < before for seq in self._messages)

    def clear(self, before: int) -> None:
        """Forget the messages before a number."""
        for seq in [seq for seq in self._messages if seq < before]:
            self._forget(seq)

    @property
    def oldest(self) -> int:
        """The number of the oldest message; of none, the next number."""
        return next(iter(self._messages), self.last_seq + 1)

    def _trim(self) -> None:
        while len(self._messages) > self._capacity or (self._size > self._characters and len(self._messages) > 1):
            self._forget(self.oldest)

    def _forget(self, seq: int) -> None:
        message = self._messages.pop(seq)
        del self._seq_by_id[message.id]
        self._size -= len(message.text)
