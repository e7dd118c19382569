"""The bounded outgoing queue of one connection.

Every broadcast calls `put` for each recipient: it makes no task, does not wait and copies nothing. The writer joins all
queued packets into one write, so under load the writes become larger.
"""

from collections.abc import Callable

from hubline.errors import SendTooLarge
from hubline.transports.backlog import JOINED_WRITE, LOW_WATER, Backlog, OutboxStatistics, joined, key_of
from hubline.transports.options import OutboxPolicy
from hubline.wire.packet import Packet

__all__ = ["HIGH_WATER", "JOINED_WRITE", "LOW_WATER", "Outbox", "OutboxStatistics", "joined"]

HIGH_WATER = 65_536
"""Above this number of queued bytes, senders wait if they can. Source: the original's `TransportMaxBufferSize`."""

MAXIMUM_MESSAGE = 16 * 1_048_576
"""The default for the bytes of one message: `HubOptions.maximum_send_message_size`."""

BURST_MESSAGES = 10
"""How many times `messages` there may be in a burst. Ours."""


class Outbox(Backlog):
    """The queue of packets for one peer, with a limit in bytes and in messages.

    `overflow` is called with the number of queued bytes when the policy ends the connection. `burst` returns the number
    of the present burst.

    A peer is *behind* if more than half of the capacity has been queued since before the present burst. To a peer that
    is not behind, the policy does not apply in a burst: its packets are *spared*, and the capacity applies to the
    packets after it. A message that is larger than the whole capacity is always spared. The limit for all packets is
    the capacity plus one message of the maximum size.
    """

    __slots__ = (
        *("_burst", "_careless", "_half", "_half_messages", "_high", "_limit", "_maximum", "_messages", "_noted"),
        *("_overflow", "_policy", "_since", "_spared", "_spared_messages"),
    )

    def __init__(
        self,
        *,
        capacity: int,
        messages: int,
        policy: OutboxPolicy,
        wake: Callable[[], None],
        overflow: Callable[[int], None],
        burst: Callable[[], int],
    ) -> None:
        super().__init__(wake)
        self._policy, self._overflow, self._burst = policy, overflow, burst
        self._limit, self._messages, self._maximum = capacity, messages, MAXIMUM_MESSAGE
        self._high = HIGH_WATER
        self._half, self._half_messages = capacity // 2, messages // 2
        """Above this number, a peer may be behind, so the burst is recorded. Senders that can wait do so earlier."""
        self._careless = min(self._half, MAXIMUM_MESSAGE) if policy != "latest" else -1
        """Up to this number of queued bytes, `put` only appends. With -1 it always checks the policy."""
        self._since = self._noted = 0
        """The burst in which more than half was queued, and the count of all bytes that had been queued then."""
        self._spared = self._spared_messages = 0
        """The counts of all bytes and messages ever queued up to which the policy does not apply."""

    def limit_message(self, maximum: int) -> None:
        """Refuse messages of more than `maximum` bytes."""
        self._maximum = maximum
        self._careless = min(self._careless, maximum)

    def count_buffer(self, buffered: Callable[[], int], limit: int) -> None:
        """Count what a transport buffers: `buffered()` bytes, and at most `limit` of them when `sent()` is called.

        All limits include these bytes. `put` assumes the maximum, and asks only when that would reach a limit.
        """
        self._buffered = buffered
        self._high -= limit
        self._half -= limit
        self._careless = max(self._careless - limit, -1)

    def put(self, packet: bytes) -> bool:
        """Queue a packet. False if more than the high-water mark is queued, or if this or another packet was dropped.

        Raises:
            SendTooLarge: it exceeds the maximum; nothing has happened.
        """
        queue = self._queue
        size = self.size + len(packet)
        if size > self._careless or len(queue) >= self._half_messages:
            return self._put_with_policy(packet, key_of(packet) if self._policy == "latest" else None)
        if not queue:
            self.wake()
        queue.append(packet)
        self.size = size
        return size <= self._high

    def put_now(self, packet: bytes) -> bool:
        """As `put`, but the packet is written at once if it can be and nothing is queued before it.

        For what is likely to be the only packet of this turn of the event loop, since nothing is joined with it.
        """
        writer, size = self.writer, len(packet)
        if writer is None or writer.blocked or self._queue or size > self._careless or size > JOINED_WRITE:
            return self.put(packet)
        self.size = self.in_flight = size
        self.taken += 1
        writer.write_at_once(packet)
        if not writer.blocked:  # `sent()`, without the call: nobody waits for room where nothing was queued
            if size > self._peak:
                self._peak = size
            self._written += size
            self.size = self.in_flight = 0
        return True

    def replace(self, packet: Packet) -> bool:
        """Queue a packet in place of a queued one with the same key, with any policy.

        Returns False and raises as `put` does.
        """
        return self._put_with_policy(packet, packet.key)

    def _put_with_policy(self, packet: bytes, key: str | None) -> bool:
        if self.finished:
            return False
        size = len(packet)
        if size > self._maximum:
            raise SendTooLarge(size, limit=self._maximum)
        if key is not None and key in self._newest and self._fits_in_place(key, size):
            self._replace(key, packet)
            return self.size <= self._high
        total, dropped = self.size + size, self.dropped_messages
        if (total > self._half or len(self._queue) >= self._half_messages) and self._written >= self._noted:
            self._since, self._noted = self._burst(), self._written + total  # what was recorded has been written
        if not self._has_room(size) and not self._make_room(size):
            self.dropped_messages += 1
            if self._policy != "drop_oldest":
                self._overflow(self.queued_bytes)
            return False
        if key is not None:
            if key in self._newest:  # the policy made room, and the place still exists
                self._replace(key, packet)
                return False
            self._newest[key] = [packet, packet]
        if not self._queue:
            self.wake()
        self._queue.append(packet)
        self.size += size
        return self.size <= self._high and self.dropped_messages == dropped

    def _behind(self) -> bool:
        return self._written < self._noted and self._since != self._burst()

    def _has_room(self, size: int) -> bool:
        """Whether a packet fits: into the capacity, or because it is spared, or on top of the spared packets."""
        queued, waiting = self.queued_bytes, len(self._queue) + 1
        total = queued + size
        if total <= self._limit and waiting <= self._messages:
            return True
        limit, messages = self._burst_bounds
        if total <= limit and waiting <= messages and (size > self._limit or not self._behind()):
            self._spared = self._written + self.size + size
            self._spared_messages = self.taken + waiting
            return True
        limit, messages = self._bounds(queued)
        return total <= limit and waiting <= messages

    @property
    def _burst_bounds(self) -> tuple[int, int]:
        """The limits of bytes and messages for all packets."""
        return self._limit + self._maximum, BURST_MESSAGES * self._messages

    def _bounds(self, queued: int) -> tuple[int, int]:
        """The limits of bytes and messages if nothing more is spared and `queued` bytes are queued.

        For a peer that is behind, `drop_oldest` spares only what it cannot drop.
        """
        spared = max(self._spared - self._written_but(queued), 0)
        spared_messages = max(self._spared_messages - self.taken, 0)
        if self._policy == "drop_oldest" and (spared or spared_messages) and self._behind():
            spared, spared_messages = min(spared, self._running(queued)), 0
        most, most_messages = self._burst_bounds
        return min(self._limit + spared, most), min(self._messages + spared_messages, most_messages)

    def _running(self, queued: int) -> int:
        """How many of `queued` bytes are being written."""
        return queued - self.size + self.in_flight

    def _make_room(self, size: int) -> bool:
        """Drop packets from the front until this number of bytes fits, if the policy says so and it would help."""
        queued = self.queued_bytes
        limit, messages = self._bounds(queued) if self._behind() else self._burst_bounds
        if self._policy != "drop_oldest" or self._running(queued) + size > limit:
            return False
        self._note_peak()
        self._settle_keys()
        queue = self._queue
        number = max(0, len(queue) - messages + 1)
        dropped = sum(map(len, queue[:number]))
        while number < len(queue) and queued - dropped + size > limit:
            dropped += len(queue[number])
            number += 1
        self._forget_keys(queue[:number])
        del queue[:number]
        self.size -= dropped
        self.dropped_messages += number
        self._spared -= dropped
        self._spared_messages -= number
        return True

    def _fits_in_place(self, key: str, size: int) -> bool:
        """Whether a packet fits in place of the one that it replaces."""
        growth = size - len(self._newest[key][1])
        return growth <= 0 or self._has_room(growth)

    def _settle_keys(self) -> None:
        """Put the newest packet of each key into its place in the queue."""
        if self._newest:
            self._queue = [self._newest_for(packet) for packet in self._queue]
            for place in self._newest.values():
                place[0] = place[1]

    def _replace(self, key: str, packet: bytes) -> None:
        """Keep the place in the queue. Otherwise a key that changes all the time would never be sent."""
        place = self._newest[key]
        self.size += len(packet) - len(place[1])
        place[1] = packet
        self.dropped_messages += 1

    def finish(self) -> None:
        self._careless = -1
        super().finish()

    def release(self) -> None:
        """Drop all callbacks. Nothing is queued any more."""
        self.wake, self._overflow, self._buffered, self.writer = _nobody, _nobody, None, None
        self._burst = _no_burst


def _nobody(*_: object) -> None: ...


def _no_burst() -> int:
    return 0
