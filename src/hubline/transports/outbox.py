"""The bounded outgoing queue of one connection.

`put` is the end of every broadcast: no task, no await, no copy. Whoever empties the queue joins what gathered in the
meantime, so load itself makes the writes bigger.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hubline.transports.options import OutboxPolicy
from hubline.wire.packet import Packet

HIGH_WATER = 65_536
"""Above this many bytes, whoever can wait should. The original's pipes pause there (`TransportMaxBufferSize`)."""

LOW_WATER = 32_768
"""Below this many bytes they go on; half of the above, as in the original."""

JOINED_WRITE = 65_536
"""The most that is joined into one write. Ours: architecture §8."""


@dataclass(frozen=True, slots=True)
class OutboxStatistics:
    """`queued_bytes` and `peak_bytes` count the running write too; `queued_messages` does not."""

    queued_bytes: int
    queued_messages: int
    peak_bytes: int
    dropped_messages: int
    written_bytes: int
    written_messages: int


class Outbox:
    """What waits for one peer, bounded in bytes and messages.

    One consumer calls `take()`, writes, and says `sent()`. `wake` is called when a packet joins an empty queue, and
    when there will be no more: a task is woken by it now, a list of dirty outboxes flushed once per loop turn may
    hang there as well. `overflow` is called with the bytes queued when the policy is to end the connection.
    """

    __slots__ = (
        "_capacity",
        "_dropped",
        "_in_flight",
        "_limit",
        "_messages",
        "_newest",
        "_overflow",
        "_peak",
        "_policy",
        "_queue",
        "_room",
        "_wake",
        "_written",
        "_written_messages",
        "finished",
        "size",
        "writes",
    )

    def __init__(
        self,
        *,
        capacity: int,
        messages: int,
        policy: OutboxPolicy,
        wake: Callable[[], None],
        overflow: Callable[[int], None],
    ) -> None:
        self.size = 0
        """Bytes queued, and bytes of a write that has not returned."""
        self.finished = False
        """No packet will be added any more."""
        self.writes = 0
        """Writes begun; with `writing`, it tells how long one takes without asking a clock each time."""
        self._queue: deque[Packet] = deque()
        self._newest: dict[str, Packet] = {}
        self._limit = capacity
        self._capacity = capacity if policy != "latest" else -1  # -1 sends every put down the slow way
        self._messages = messages
        self._policy = policy
        self._wake = wake
        self._overflow = overflow
        self._room: asyncio.Event | None = None
        self._in_flight = 0
        self._peak = self._dropped = self._written = self._written_messages = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def writing(self) -> bool:
        return self._in_flight > 0

    def put(self, packet: Packet) -> bool:
        """Queue a packet. False when more than the high-water mark is queued, or nothing is taken any more."""
        queue = self._queue
        size = self.size + len(packet.payload)
        if size > self._capacity or len(queue) >= self._messages:
            return self._put_with_policy(packet, size)
        if not queue:
            self._wake()
        queue.append(packet)
        self.size = size
        return size <= HIGH_WATER

    def _put_with_policy(self, packet: Packet, size: int) -> bool:
        if self.finished:
            return False
        if self._policy == "latest" and packet.key is not None and packet.key in self._newest:
            self._replace(packet)
            return self.size <= HIGH_WATER
        if self._policy == "drop_oldest":
            size = self._make_room(packet)
        if size > self._limit or len(self._queue) >= self._messages:
            self._dropped += 1
            if self._policy != "drop_oldest":
                self._overflow(self.size)
            return False
        if self._policy == "latest" and packet.key is not None:
            self._newest[packet.key] = packet
        if not self._queue:
            self._wake()
        self._queue.append(packet)
        self.size = size
        return size <= HIGH_WATER

    def _replace(self, packet: Packet) -> None:
        """Keep the place in the queue of what is replaced: a key that changes all the time must not starve."""
        assert packet.key is not None
        self.size += len(packet.payload) - len(self._newest[packet.key].payload)
        self._newest[packet.key] = packet
        self._dropped += 1

    def _make_room(self, packet: Packet) -> int:
        """Drop from the front until `packet` fits; the size with it. What is being written cannot be dropped."""
        size = self.size + len(packet.payload)
        if size - self._limit > self.size - self._in_flight:
            return size  # it would not fit into an empty queue either
        while self._queue and (size > self._limit or len(self._queue) >= self._messages):
            size -= len(self._queue.popleft().payload)
            self._dropped += 1
        self.size = size - len(packet.payload)
        return size

    def take(self, limit: int | None = JOINED_WRITE) -> Sequence[Packet]:
        """Everything queued, up to `limit` bytes; a larger packet comes alone. Empty when there is nothing.

        What is taken counts until `sent()`. It must not be called again before that.
        """
        self._note_peak()
        queue, size = self._queue, 0
        taken: list[Packet] = []
        while queue:
            packet = queue[0]
            if self._newest and packet.key is not None:
                packet = self._newest[packet.key]
            size += len(packet.payload)
            if limit is not None and size > limit and taken:
                size -= len(packet.payload)
                break
            queue.popleft()
            if packet.key is not None:
                self._newest.pop(packet.key, None)
            taken.append(packet)
        self._in_flight = size
        self._written_messages += len(taken)
        self.writes += 1
        return taken

    def sent(self) -> None:
        """The last `take()` has left."""
        self._note_peak()
        self._written += self._in_flight
        self.size -= self._in_flight
        self._in_flight = 0
        if self._room is not None and self.size < LOW_WATER:
            self._room.set()
            self._room = None

    async def drain(self) -> None:
        """Wait until less than the low-water mark is queued, or the connection ended. Cancelling it loses nothing."""
        if self.finished:
            await asyncio.sleep(0)  # a producer that has not noticed the end must not hold the loop
            return
        if self.size < LOW_WATER:
            return
        if self._room is None:
            self._room = asyncio.Event()
        await self._room.wait()

    def finish(self) -> None:
        """Take no more packets; those that wait are still to be written."""
        if self.finished:
            return
        self.finished = True
        self._capacity = -1
        if self._room is not None:
            self._room.set()
            self._room = None
        self._wake()

    def close(self) -> None:
        """Take no more packets and forget those that wait."""
        self._dropped += len(self._queue)
        self._queue.clear()
        self._newest.clear()
        self.size = self._in_flight
        self.finish()

    def _note_peak(self) -> None:
        """Called before the size can shrink, so that `put` need not."""
        if self.size > self._peak:
            self._peak = self.size

    def statistics(self) -> OutboxStatistics:
        return OutboxStatistics(
            queued_bytes=self.size,
            queued_messages=len(self._queue),
            peak_bytes=max(self._peak, self.size),
            dropped_messages=self._dropped,
            written_bytes=self._written,
            written_messages=self._written_messages,
        )


def joined(packets: Sequence[Packet]) -> bytes:
    """One payload of whole messages."""
    return packets[0].payload if len(packets) == 1 else b"".join([packet.payload for packet in packets])
