"""The bounded outgoing queue of one connection.

`put` is the end of every broadcast: no task, no await, no copy. Whoever empties the queue joins what gathered in the
meantime, so load itself makes the writes bigger.
"""

import asyncio
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
    when there will be no more. `overflow` is called with the bytes queued when the policy is to end the connection.
    """

    __slots__ = (
        "_buffered",
        "_capacity",
        "_dropped",
        "_high",
        "_limit",
        "_messages",
        "_newest",
        "_overflow",
        "_peak",
        "_policy",
        "_queue",
        "_room",
        "_written",
        "finished",
        "in_flight",
        "size",
        "taken",
        "wake",
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
        """Bytes queued, and bytes of a write that has not returned; `queued_bytes` knows more behind a `buffer`."""
        self.finished = False
        """No packet will be added any more."""
        self.taken = 0
        """Messages so far; with `writing`, it tells how long a write takes without asking a clock each time."""
        self._queue: list[bytes] = []
        self._newest: dict[str | None, bytes] = {}
        self._limit = capacity
        self._capacity = capacity if policy != "latest" else -1  # -1 sends every put down the slow way
        self._high = HIGH_WATER
        self._buffered: Callable[[], int] | None = None
        self._messages = messages
        self._policy = policy
        self.wake = wake
        self._overflow = overflow
        self._room: asyncio.Event | None = None
        self.in_flight = 0
        """Bytes of a write that has not returned."""
        self._peak = self._dropped = self._written = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def writing(self) -> bool:
        return self.in_flight > 0

    @property
    def queued_bytes(self) -> int:
        """Bytes that have not reached the kernel, as far as it is known."""
        return self.size if self._buffered is None else self.size - self.in_flight + self._buffered()

    def count_buffer(self, buffered: Callable[[], int], limit: int) -> None:
        """Count what a transport buffers: `buffered()` bytes, and at most `limit` of them when `sent()` is said.

        All marks count them, and `put` need not ask: it goes by what there may be, until that reaches a mark.
        """
        self._buffered = buffered
        self._high -= limit
        self._capacity = max(self._capacity - limit, -1)

    def put(self, packet: bytes) -> bool:
        """Queue a packet. False when more than the high-water mark is queued, or one was dropped, this or another."""
        queue = self._queue
        size = self.size + len(packet)
        if size > self._capacity or len(queue) >= self._messages:
            return self._put_with_policy(packet)
        if not queue:
            self.wake()
        queue.append(packet)
        self.size = size
        return size <= self._high

    def _put_with_policy(self, packet: bytes) -> bool:
        if self.finished:
            return False
        key = _key_of(packet) if self._policy == "latest" else None
        if key is not None and key in self._newest:
            self._replace(key, packet)
            return self.size <= self._high
        dropped = self._dropped
        if self._policy == "drop_oldest":
            self._make_room(packet)
        size = self.queued_bytes + len(packet)
        if size > self._limit or len(self._queue) >= self._messages:
            self._dropped += 1
            if self._policy != "drop_oldest":
                self._overflow(size - len(packet))
            return False
        if key is not None:
            self._newest[key] = packet
        if not self._queue:
            self.wake()
        self._queue.append(packet)
        self.size += len(packet)
        return self.size <= self._high and self._dropped == dropped

    def _replace(self, key: str, packet: bytes) -> None:
        """Keep the place in the queue of what is replaced: a key that changes all the time must not starve."""
        self.size += len(packet) - len(self._newest[key])
        self._newest[key] = packet
        self._dropped += 1

    def _make_room(self, packet: bytes) -> None:
        """Drop from the front until `packet` fits. What is being written cannot be dropped."""
        self._note_peak()
        queue, size = self._queue, self.queued_bytes + len(packet)
        if size - self._limit > self.size - self.in_flight:
            return  # it would not fit into an empty queue either
        number = max(0, len(queue) - self._messages + 1)
        size -= sum(map(len, queue[:number]))
        while number < len(queue) and size > self._limit:
            size -= len(queue[number])
            number += 1
        self.size -= sum(map(len, queue[:number]))
        self._dropped += number
        del queue[:number]

    def take(self, limit: int | None = JOINED_WRITE) -> list[bytes]:
        """Everything queued, up to `limit` bytes; a larger packet comes alone. Empty when there is nothing.

        What is taken counts until `sent()`. It must not be called again before that.
        """
        size = self.size
        taken = self._queue
        if self._newest or (limit is not None and size > limit):
            taken, size = self._take_some(limit)
        else:
            self._queue = []
        self.in_flight = size
        self.taken += len(taken)
        return taken

    def _take_some(self, limit: int | None) -> tuple[list[bytes], int]:
        """The first packets, `limit` bytes of them, each with the newest of its key in its place; and their size."""
        queue, newest = self._queue, self._newest
        size = number = 0
        for packet in queue:
            key = _key_of(packet) if newest else None
            if key is not None:
                packet = queue[number] = newest[key]
            if number and limit is not None and size + len(packet) > limit:
                break
            size += len(packet)
            number += 1
        taken = queue[:number]
        del queue[:number]
        if newest:
            for packet in taken:
                newest.pop(_key_of(packet), None)
        return taken, size

    def sent(self) -> None:
        """The last `take()` has left."""
        if self.size > self._peak:  # `_note_peak()`, without the call
            self._peak = self.size
        self._written += self.in_flight
        self.size -= self.in_flight
        self.in_flight = 0
        if self._room is not None and self.size < LOW_WATER:
            self._room.set()
            self._room = None

    async def drain(self) -> None:
        """Wait until less than the low-water mark is queued, or the connection ended. Cancelling it loses nothing."""
        if self.finished or self.size < LOW_WATER:
            await asyncio.sleep(0)  # a producer that never waits must not hold the loop
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
        self.wake()

    def close(self) -> None:
        """Take no more packets and forget those that wait."""
        self._note_peak()
        self._dropped += len(self._queue)
        self._queue.clear()
        self._newest.clear()
        self.size = self.in_flight
        self.finish()

    def release(self) -> None:
        """Let go of everybody who was told something. Nothing is queued any more."""
        self.wake, self._overflow, self._buffered = _nobody, _nobody, None

    def _note_peak(self) -> None:
        """Called before the size can shrink, so that `put` need not."""
        self._peak = max(self._peak, self.size)

    def statistics(self) -> OutboxStatistics:
        queued = self.queued_bytes
        return OutboxStatistics(
            queued_bytes=queued,
            queued_messages=len(self._queue),
            peak_bytes=max(self._peak, queued),
            dropped_messages=self._dropped,
            written_bytes=self._written,
            written_messages=self.taken,
        )


def _nobody(*_: object) -> None: ...


def _key_of(packet: bytes) -> str | None:
    return packet.key if isinstance(packet, Packet) else None


joined: Callable[[Sequence[bytes]], bytes] = b"".join
"""One payload of whole messages."""
