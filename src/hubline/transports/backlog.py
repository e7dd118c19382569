"""The queue for one peer, as its writer and as senders that wait for room see it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from hubline.wire.packet import Packet

LOW_WATER = 32_768
"""Below this number of bytes, senders that wait for room continue. Half of the high-water mark, as in the original."""

JOINED_WRITE = 65_536
"""The largest write into which packets are joined. Ours."""


class WritesAtOnce(Protocol):
    """A way to the peer on which nothing has to be waited for."""

    @property
    def blocked(self) -> bool:
        """Whether bytes are buffered that the kernel has not taken. When that is over, it calls `Backlog.sent`."""

    def write_at_once(self, packet: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class OutboxStatistics:
    """`queued_bytes` and `peak_bytes` count the running write too; `queued_messages` does not."""

    queued_bytes: int
    queued_messages: int
    peak_bytes: int
    dropped_messages: int
    written_bytes: int
    written_messages: int


class Backlog:
    """A queue of packets with one writer, which calls `take()`, writes the packets, and calls `sent()`.

    `wake` is called when a packet is added to an empty queue, and when no more packets will be added.
    """

    __slots__ = (
        *("_buffered", "_newest", "_peak", "_queue", "_room", "_written", "dropped_messages"),
        *("finished", "in_flight", "size", "taken", "wake", "writer"),
    )

    def __init__(self, wake: Callable[[], None]) -> None:
        self.size = 0
        """Bytes queued, and bytes of a write that has not returned; `queued_bytes` knows more behind a `buffer`."""
        self.finished = False
        """No packet will be added any more."""
        self.taken = 0
        """Messages so far; with `writing`, it tells how long a write takes without asking a clock each time."""
        self.in_flight = 0
        """Bytes of a write that has not returned."""
        self.wake = wake
        self.writer: WritesAtOnce | None = None
        """Where a packet can be written without waiting in the queue."""
        self._queue: list[bytes] = []
        self._newest: dict[str | None, list[bytes]] = {}
        """For each key whose packets replace each other: the packet with the place in the queue, and the newest one."""
        self._buffered: Callable[[], int] | None = None
        self._room: asyncio.Event | None = None
        self.dropped_messages = 0
        """By the policy, or because the connection has ended."""
        self._peak = self._written = 0

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def writing(self) -> bool:
        return self.in_flight > 0

    @property
    def queued_bytes(self) -> int:
        """Bytes that have not reached the kernel, as far as known."""
        return self.size if self._buffered is None else self.size - self.in_flight + self._buffered()

    @property
    def peak_bytes(self) -> int:
        """The maximum of `queued_bytes`, as far as known."""
        return max(self._peak, self.queued_bytes)

    @property
    def written(self) -> int:
        """Bytes that have reached the kernel, as far as known."""
        return self._written_but(self.queued_bytes)

    @property
    def shows_progress(self) -> bool:
        """Whether `written` grows while a write runs."""
        return self._buffered is not None

    def take(self, limit: int | None = JOINED_WRITE) -> list[bytes]:
        """Everything queued, up to `limit` bytes; a larger packet is returned alone. Empty if nothing is queued.

        Taken bytes count as queued until `sent()`. Do not call it again before that.
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
        """The first packets, at most `limit` bytes, each replaced by the newest one of its key; and their size."""
        queue, newest = self._queue, self._newest
        size = number = 0
        for packet in queue:
            if newest and type(packet) is not bytes:
                packet = queue[number] = self._newest_for(packet)
            if number and limit is not None and size + len(packet) > limit:
                break
            size += len(packet)
            number += 1
        taken = queue[:number]
        del queue[:number]
        self._forget_keys(taken)
        return taken, size

    def _newest_for(self, packet: bytes) -> bytes:
        """The packet that is sent in place of a queued packet."""
        place = self._newest.get(key_of(packet))
        return place[1] if place is not None and place[0] is packet else packet

    def _forget_keys(self, newest: Sequence[bytes]) -> None:
        """These packets have left the queue."""
        for packet in newest if self._newest else ():
            place = self._newest.get(key_of(packet))
            if place is not None and place[1] is packet:
                del self._newest[key_of(packet)]

    def sent(self) -> None:
        """The packets of the last `take()` are written."""
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
            await asyncio.sleep(0)  # a producer that never waits must not block the event loop
            return
        if self._room is None:
            self._room = asyncio.Event()
        await self._room.wait()

    def finish(self) -> None:
        """Accept no more packets. Queued packets are still written."""
        if self.finished:
            return
        self.finished = True
        if self._room is not None:
            self._room.set()
            self._room = None
        self.wake()

    def close(self) -> None:
        """Accept no more packets, and drop the queued ones."""
        self._note_peak()
        self.dropped_messages += len(self._queue)
        self._queue.clear()
        self._newest.clear()
        self.size = self.in_flight
        self.finish()

    def _note_peak(self) -> None:
        """Called before the size shrinks, so that `put` need not do it."""
        self._peak = max(self._peak, self.size)

    def statistics(self) -> OutboxStatistics:
        queued = self.queued_bytes
        return OutboxStatistics(
            queued_bytes=queued,
            queued_messages=len(self._queue),
            peak_bytes=max(self._peak, queued),
            dropped_messages=self.dropped_messages,
            written_bytes=self._written,
            written_messages=self.taken,
        )

    def _written_but(self, queued: int) -> int:
        """`written`, for callers that know `queued_bytes` already."""
        return max(self._written + self.size - queued, 0)


def key_of(packet: bytes) -> str | None:
    return packet.key if isinstance(packet, Packet) else None


joined: Callable[[Sequence[bytes]], bytes] = b"".join
"""Join packets into one payload of whole messages."""
