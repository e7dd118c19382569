"""Stateful reconnect: the messages and numbers of one side, so that no message is lost or duplicated.

Both sides count the messages that they send, from 1 on. The numbers are not sent with the messages. Invocations, stream
items, completions and cancellations count. Each side keeps its messages until the other side has acknowledged them. On
a new socket it first sends `Sequence`, the number of the message that follows, then all messages that it has kept.
Spec §7.2 to §7.6.
"""

from collections import deque
from itertools import count

from hubline.errors import RemoteProtocolError
from hubline.wire.codec import Codec
from hubline.wire.messages import (
    CancelInvocation,
    Completion,
    Invocation,
    Message,
    Sequence,
    StreamInvocation,
    StreamItem,
)

COUNTED: frozenset[type[Message]] = frozenset({Invocation, StreamInvocation, StreamItem, Completion, CancelInvocation})
"""The kinds of message that have a number."""

NOBODY = "0"
"""The id in completions that nobody handles. It must not be empty."""

GAP = "Sequence ID greater than amount of messages we've received."


class Replay:
    """The numbers of one side, and the messages that it may have to send again.

    Args:
        limit: bytes that may be unacknowledged before senders should wait.
    """

    __slots__ = ("_acknowledged", "_kept", "_latest", "_limit", "_next", "_resumed_at", "_resumed_to", "sent", "size")

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
        self._resumed_at = self._resumed_to = 0
        """The first and the last message that were sent again, until the other side is known to have them all."""

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
        if number > self._resumed_to:
            self._resumed_at = 0
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

    def came_together(self, count: int) -> bool:
        """Count messages that were received together. Returns False if there may be repetitions among them."""
        if self._next <= self._latest:
            return False
        self._next += count
        self._latest = self._next - 1
        return True

    def resumes_at(self, number: int) -> None:
        """The other side has sent the number of its next message.

        Raises:
            RemoteProtocolError: messages in between are missing.
        """
        if number > self._latest + 1:
            raise RemoteProtocolError(GAP)
        self._next = number

    def to_acknowledge(self) -> int | None:
        """The number to acknowledge now; None if there is nothing new. Called about once a second."""
        if self._latest == self._acknowledged:
            return None
        self._acknowledged = self._latest
        return self._latest

    def resume(self, codec: Codec) -> list[bytes]:
        """What to send first on a new socket: `Sequence`, then all messages that may have been lost.

        The other side can have another count than we do, and then takes new messages for repetitions, or ends the
        connection. `_recount` mends it in two cases:

        - The last socket was lost while messages were sent again. The other side has counted only some of them, but may
          have acknowledged what it received before.
        - A stream has ended among these messages. Microsoft's .NET client, and ASP.NET Core for uploads, do not count
          an item of a stream whose end they have received: to them it is a `StreamBindingFailureMessage`, which has no
          number.
        """
        first = self.sent - len(self._kept) + 1
        self._resumed_at, self._resumed_to = self._resumed_at or first, self.sent
        packets = [_recount(self._resumed_at, first, codec)]
        messages = [_decoded(packet, codec) for packet in self._kept]
        ended = {message.invocation_id for message in messages if type(message) is Completion}
        streams: set[str] = set()
        uncounted = 0  # items since the count was last certain
        for following, packet, message in zip(count(first + 1), self._kept, messages, strict=False):
            packets.append(packet)
            if type(message) is StreamItem and message.invocation_id in ended:
                streams.add(message.invocation_id)
                uncounted += 1
            elif type(message) is Completion and message.invocation_id in streams:
                streams.remove(message.invocation_id)
                packets.append(_recount(following - uncounted, following, codec))
                uncounted = 0
        return packets


def _recount(certain: int, number: int, codec: Codec) -> bytes:
    """Let the other side expect message `number` next, though its count may be anything from `certain` on.

    It goes back to what is certain. Then come as many messages as are missing, which it counts and drops, because it
    has received messages with these numbers. They are completions, since every client counts those.
    """
    ends = codec.encode(Completion(invocation_id=NOBODY)) * (number - certain)
    return codec.encode(Sequence(sequence_id=certain)) + ends


def _decoded(packet: bytes, codec: Codec) -> Message | None:
    """What was sent. None for ready-made bytes of an application that are not a message."""
    try:
        (payload,) = codec.splitter(None).feed(packet)
        return codec.decode(payload)
    except (ValueError, RemoteProtocolError):
        return None
