"""Stateful reconnect: what one side remembers, so that nothing is lost or doubled when a connection is resumed.

Both sides number the messages that they send, from 1 on, without writing the numbers: position is all. Invocations,
stream items, completions and cancellations count. Each side keeps what it has sent until the other has acknowledged it.
On a new socket it says `Sequence` first, the number of the message that follows, then everything that it has kept.
Spec §7.2 to §7.6.
"""

from collections import deque

from hubline.errors import RemoteProtocolError
from hubline.wire.messages import CancelInvocation, Completion, Invocation, Message, StreamInvocation, StreamItem

COUNTED: frozenset[type[Message]] = frozenset({Invocation, StreamInvocation, StreamItem, Completion, CancelInvocation})
"""The kinds of message that have a number."""

GAP = "Sequence ID greater than amount of messages we've received."


class Replay:
    """The numbers of one side, and what it may have to say again.

    Args:
        limit: bytes that may be unacknowledged before senders should wait.
    """

    __slots__ = ("_acknowledged", "_kept", "_latest", "_limit", "_next", "sent", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: deque[bytes] = deque()
        self.sent = 0
        """Counted messages so far, so the number of the last one."""
        self.size = 0
        """Bytes that the other side has not acknowledged."""
        self._next = 1
        """The number of the next counted message that comes."""
        self._latest = 0
        """The highest that came. Lower ones are said again, and known."""
        self._acknowledged = 0

    @property
    def full(self) -> bool:
        """Whether whoever can wait should do so until the other side has acknowledged something."""
        return self.size > self._limit

    def keep(self, packet: bytes) -> None:
        """A counted message is sent."""
        self.sent += 1
        self.size += len(packet)
        self._kept.append(packet)

    def acknowledged(self, number: int) -> None:
        """The other side has everything up to this number. More than was sent is not an error, as in the original."""
        for _ in range(min(number - self.sent + len(self._kept), len(self._kept))):
            self.size -= len(self._kept.popleft())

    def came(self) -> bool:
        """A counted message came. False when it is one that is known already."""
        number = self._next
        self._next += 1
        if number <= self._latest:
            self._acknowledged = min(self._acknowledged, number - 1)  # our `Ack` may be what was lost
            return False
        self._latest = number
        return True

    def resumes_at(self, number: int) -> None:
        """The other side says which number its next message has.

        Raises:
            RemoteProtocolError: messages in between are missing.
        """
        if number > self._next:
            raise RemoteProtocolError(GAP)
        self._next = number

    def to_acknowledge(self) -> int | None:
        """The number to acknowledge now, once; None when that was done. Asked about once a second."""
        if self._latest == self._acknowledged:
            return None
        self._acknowledged = self._latest
        return self._latest

    def resume(self) -> tuple[int, list[bytes]]:
        """What is said on a new socket: the number of the message that follows, and all that may have been lost."""
        return self.sent - len(self._kept) + 1, list(self._kept)
