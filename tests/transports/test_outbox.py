import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hubline.transports.options import OutboxPolicy
from hubline.transports.outbox import HIGH_WATER, JOINED_WRITE, LOW_WATER, Outbox, joined
from hubline.wire.packet import Packet
from tests.transports.driver import settle


class Probe:
    """An outbox that notes when it wakes its consumer and when it overflows."""

    def __init__(self, *, capacity: int = 1000, messages: int = 100, policy: OutboxPolicy = "close") -> None:
        self.wakes = 0
        self.overflows: list[int] = []
        self.outbox = Outbox(
            capacity=capacity, messages=messages, policy=policy, wake=self._wake, overflow=self.overflows.append
        )

    def _wake(self) -> None:
        self.wakes += 1

    def put(self, *payloads: bytes | str) -> list[bool]:
        """Packets; text is a packet with its first letter as the key."""
        return [
            self.outbox.put(Packet(each.encode(), each[0]) if isinstance(each, str) else Packet(each))
            for each in payloads
        ]

    def take(self, limit: int | None = JOINED_WRITE) -> list[bytes]:
        return self.outbox.take(limit)


def test_the_consumer_is_woken_once_for_everything_that_gathers() -> None:
    probe = Probe()
    probe.put(b"a", b"b", b"c")
    assert probe.wakes == 1
    assert len(probe.outbox) == 3
    assert probe.take() == [b"a", b"b", b"c"]
    probe.put(b"d")
    assert probe.wakes == 2


def test_packets_are_the_same_objects_for_everybody() -> None:
    packet = Packet(b"abc")
    one, two = Probe(), Probe()
    one.outbox.put(packet)
    two.outbox.put(packet)
    assert one.outbox.take()[0] is two.outbox.take()[0] is packet
    assert joined([packet]) == packet


def test_a_write_holds_whole_messages_up_to_its_limit() -> None:
    probe = Probe()
    probe.put(b"aaa", b"bbb", b"ccc")
    assert probe.take(limit=7) == [b"aaa", b"bbb"]
    probe.outbox.sent()
    assert probe.take(limit=7) == [b"ccc"]


def test_a_message_larger_than_a_write_goes_alone() -> None:
    probe = Probe()
    probe.put(b"a", b"b" * 20, b"c")
    assert probe.take(limit=7) == [b"a"]
    probe.outbox.sent()
    assert probe.take(limit=7) == [b"b" * 20]
    probe.outbox.sent()
    assert probe.take(limit=7) == [b"c"]


def test_without_a_limit_everything_is_taken() -> None:
    probe = Probe(capacity=10**6)
    probe.put(*[b"x" * 50_000] * 3)
    assert len(probe.take(None)) == 3


def test_a_running_write_counts_until_it_returns() -> None:
    probe = Probe(capacity=10)
    probe.put(b"x" * 6)
    probe.take()
    assert probe.outbox.writing
    assert probe.put(b"y" * 5) == [False]
    assert probe.overflows == [6]
    probe.outbox.sent()
    assert not probe.outbox.writing
    assert probe.put(b"y" * 5) == [True]


def test_close_is_called_on_too_many_bytes_and_on_too_many_messages() -> None:
    probe = Probe(capacity=10)
    assert probe.put(b"x" * 10, b"y") == [True, False]
    assert probe.overflows == [10]
    probe = Probe(messages=2)
    assert probe.put(b"x", b"y", b"z") == [True, True, False]
    assert probe.overflows == [2]


def test_drop_oldest_makes_room_at_the_front() -> None:
    probe = Probe(capacity=10, policy="drop_oldest")
    assert probe.put(b"aaaa", b"bbbb", b"cccc") == [True, True, False], "a stream should wait rather than lose its own"
    assert probe.take() == [b"bbbb", b"cccc"]
    assert probe.overflows == []
    assert probe.outbox.statistics().dropped_messages == 1


def test_drop_oldest_keeps_what_is_queued_when_the_new_one_fits_in_no_way() -> None:
    probe = Probe(capacity=10, policy="drop_oldest")
    probe.put(b"aaaa")
    probe.take()
    probe.put(b"bb")
    assert probe.put(b"c" * 8) == [False]
    assert probe.outbox.size == 6
    probe.outbox.sent()
    assert probe.take() == [b"bb"]


def test_drop_oldest_by_number() -> None:
    probe = Probe(messages=2, policy="drop_oldest")
    probe.put(b"a", b"b", b"c")
    assert probe.take() == [b"b", b"c"]


def test_latest_keeps_the_newest_of_a_key_at_the_place_of_the_first() -> None:
    probe = Probe(policy="latest")
    probe.put("k1", b"other", "m1", "k22", "k333")
    assert probe.outbox.size == len("k333" + "other" + "m1")
    assert probe.take() == [b"k333", b"other", b"m1"]
    probe.outbox.sent()
    assert probe.outbox.size == 0
    probe.put("k4")
    assert probe.take() == [b"k4"]
    assert probe.outbox.statistics().dropped_messages == 2


def test_latest_does_not_replace_what_is_being_written() -> None:
    probe = Probe(policy="latest")
    probe.put("k1")
    assert probe.take() == [b"k1"]
    probe.put("k2")
    probe.outbox.sent()
    assert probe.take() == [b"k2"]


def test_latest_overflows_when_keys_do_not_help() -> None:
    probe = Probe(messages=2, policy="latest")
    assert probe.put("a", "b", "a", "c") == [True, True, True, False]
    assert probe.overflows == [2]


def test_put_tells_when_waiting_is_asked_for() -> None:
    probe = Probe(capacity=10**6)
    assert probe.put(b"x" * HIGH_WATER, b"y") == [True, False]
    assert probe.overflows == []
    latest = Probe(capacity=10**6, policy="latest")
    assert latest.put("x" * (HIGH_WATER + 1), "xy") == [False, True]


async def test_drain_waits_until_less_than_the_low_water_mark_is_left() -> None:
    probe = Probe(capacity=10**6)
    await probe.outbox.drain()
    probe.put(*[b"x" * LOW_WATER] * 3)
    draining = [asyncio.ensure_future(probe.outbox.drain()) for _ in range(3)]
    await settle()
    draining[0].cancel()
    probe.take(2 * LOW_WATER)
    await settle()
    assert not draining[1].done()
    probe.outbox.sent()
    await settle()
    assert not draining[1].done(), "exactly the low-water mark is still queued"
    probe.take()
    probe.outbox.sent()
    await settle()
    assert draining[1].done()
    assert draining[2].done()
    assert draining[0].cancelled()


async def test_drain_always_lets_others_have_a_turn() -> None:
    probe, turns = Probe(capacity=10, policy="drop_oldest"), list[int]()
    for number in range(3):
        asyncio.get_running_loop().call_soon(turns.append, number)
        probe.put(b"x" * 8)
        await probe.outbox.drain()
    assert turns == [0, 1, 2]


@pytest.mark.parametrize("end", [Outbox.finish, Outbox.close])
async def test_drain_ends_with_the_connection(end: Callable[[Outbox], None]) -> None:
    probe = Probe(capacity=10**6)
    probe.put(b"x" * LOW_WATER)
    draining = asyncio.ensure_future(probe.outbox.drain())
    await settle()
    end(probe.outbox)
    await draining
    turns: list[str] = []
    asyncio.get_running_loop().call_soon(turns.append, "the loop went on")
    await probe.outbox.drain()
    assert turns == ["the loop went on"]


def test_a_finished_outbox_takes_nothing_and_still_gives_what_it_has() -> None:
    probe = Probe()
    probe.put(b"a")
    probe.outbox.finish()
    probe.outbox.finish()
    assert probe.wakes == 2
    assert probe.put(b"b") == [False]
    assert probe.overflows == []
    assert probe.take() == [b"a"]


def test_a_closed_outbox_forgets() -> None:
    probe = Probe(policy="latest")
    probe.put("a", b"b")
    probe.outbox.close()
    assert probe.put("a", b"c") == [False, False]
    assert probe.take() == []
    assert probe.outbox.size == 0


def test_statistics_count_everything() -> None:
    probe = Probe(capacity=10)
    probe.put(b"aaa", b"bbb", b"ccccc")
    before = probe.outbox.statistics()
    assert (before.queued_bytes, before.queued_messages, before.peak_bytes) == (6, 2, 6)
    assert (before.dropped_messages, before.written_bytes, before.written_messages) == (1, 0, 0)
    probe.take()
    probe.outbox.sent()
    after = probe.outbox.statistics()
    assert (after.queued_bytes, after.queued_messages, after.peak_bytes) == (0, 0, 6)
    assert (after.written_bytes, after.written_messages) == (6, 2)


# Behind a transport that buffers


def buffering(buffered: list[int], *, limit: int = 100, **settings: Any) -> Probe:
    """A probe whose transport buffers what `buffered` says at its end."""
    probe = Probe(**settings)
    probe.outbox.count_buffer(lambda: buffered[-1], limit)
    return probe


def test_queued_bytes_are_those_of_the_queue_and_of_the_transport_and_no_byte_counts_twice() -> None:
    buffered = [0]
    probe = buffering(buffered)
    probe.put(b"x" * 10, b"y" * 20)
    assert probe.outbox.queued_bytes == 30
    probe.take()
    buffered.append(34)  # with a header of four bytes
    assert probe.outbox.queued_bytes == 34
    probe.put(b"z" * 5)
    assert probe.outbox.queued_bytes == 39
    probe.outbox.sent()
    assert (probe.outbox.size, probe.outbox.queued_bytes) == (5, 39)
    buffered.append(0)
    assert probe.outbox.queued_bytes == 5
    assert probe.outbox.statistics().queued_bytes == 5


def test_without_a_buffer_queued_bytes_are_those_that_were_not_sent() -> None:
    probe = Probe()
    probe.put(b"x" * 10)
    probe.take()
    assert probe.outbox.queued_bytes == probe.outbox.size == 10


def test_the_buffer_is_asked_for_only_where_it_can_matter() -> None:
    asked: list[int] = []

    def buffered() -> int:
        asked.append(1)
        return 0

    probe = Probe(capacity=1000)
    probe.outbox.count_buffer(buffered, 100)
    probe.put(*[b"x" * 10] * 90)
    assert asked == []
    assert probe.put(b"x" * 10) == [True]
    assert asked == [1]


def test_a_capacity_smaller_than_the_buffer_still_holds() -> None:
    buffered = [0]
    probe = buffering(buffered, capacity=50)
    assert probe.put(b"x" * 50) == [True]
    assert probe.put(b"y") == [False]
    assert probe.overflows == [50]
    probe.take()
    probe.outbox.sent()
    buffered.append(30)
    assert probe.put(b"x" * 20, b"y") == [True, False]
    assert probe.overflows == [50, 50]


def test_waiting_is_asked_for_before_buffer_and_queue_together_reach_the_high_water_mark() -> None:
    probe = buffering([100], capacity=10**6)
    assert probe.put(b"x" * (HIGH_WATER - 100), b"y") == [True, False]


def test_what_the_transport_buffers_cannot_be_dropped() -> None:
    probe = buffering([95], capacity=100, policy="drop_oldest")
    assert probe.put(b"aaa", b"bb") == [True, True]
    assert probe.put(b"cccc") == [False]
    assert probe.take() == [b"cccc"]
    probe.outbox.sent()
    assert probe.put(b"dddddd") == [False]
    assert probe.overflows == []
