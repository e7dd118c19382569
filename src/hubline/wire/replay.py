"""Stateful reconnect: the messages and numbers of one side, so that no message is lost or duplicated.

Both sides count the messages that they send, from 1 on. The numbers are not sent with the messages. Invocations, stream
items, completions and cancellations count. Each side keeps its messages until the other side has acknowledged them. On
a new socket it first sends `Sequence`, the number of the message that follows, then all messages that it has kept.
Spec §7.2 to §7.6.
"""

from collections import deque

from hubline.errors import RemoteProtocolError
from hubline.wire.messages import CancelInvocation, Completion, Invocation, Message, StreamInvocation, StreamItem

COUNTED: frozenset[type[Message]] = frozenset({Invocation, StreamInvocation, StreamItem, Completion, CancelInvocation})
"""The kinds of message that have a number."""

GAP = "Sequence ID greater than amount of messages we've received."


class Replay:
    """The numbers of one side, and the messages that it may have to send again.

    Args:
        limit: bytes that may be unacknowledged before senders should wait.
    """

    __slots__ = ("_acknowledged", "_kept", "_latest", "_limit", "_next", "sent", "size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: deque[bytes] = deque()
        self.sent = 0
        """The number of counted messages so far, which is the number of the last one."""
        self.size = 0
        """Bytes that the other side has not acknowledged."""
        self._next = 1
        """The number of the next counted message of the other side."""
        self._latest = 0
        """The highest number that was received. Messages with lower numbers are repetitions."""
        self._acknowledged = 0

    @property
    def full(self) -> bool:
        """Whether senders that can wait should wait for an acknowledgement."""
        return self.size > self._limit

    def keep(self, packet: bytes) -> None:
        """Keep a counted message that is sent."""
        self.sent += 1
        self.size += len(packet)
        self._kept.append(packet)

    def acknowledged(self, number: int) -> None:
        """The other side has all messages up to this number. A number that is too high is not an error, as in the
        original."""
        for _ in range(min(number - self.sent + len(self._kept), len(self._kept))):
            self.size -= len(self._kept.popleft())

    def came(self) -> bool:
        """Count a received message. Returns False if it is a repetition."""
        number = self._next
        self._next += 1
        if number <= self._latest:
            self._acknowledged = min(self._acknowledged, number - 1)  # our `Ack` may have been lost
            return False
        self._latest = number
        return True

    def resumes_at(self, number: int) -> None:
        """The other side has sent the number of its next message.

        Raises:
            RemoteProtocolError: messages in between are missing.
        """
        if number > self._next:
            raise RemoteProtocolError(GAP)
        self._next = number

    def to_acknowledge(self) -> int | None:
        """The number to acknowledge now; None if there is nothing new. Called about once a second."""
        if self._latest == self._acknowledged:
            return None
        self._acknowledged = self._latest
        return self._latest

    def resume(self) -> tuple[int, list[bytes]]:
        """For a new socket: the number of the message that follows, and all messages that may have been lost."""
        return self.sent - len(self._kept) + 1, list(self._kept)
