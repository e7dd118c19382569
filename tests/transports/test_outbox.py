import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hubline.errors import SendTooLarge
from hubline.testing import settle
from hubline.transports.options import OutboxPolicy
from hubline.transports.outbox import HIGH_WATER, JOINED_WRITE, LOW_WATER, Outbox, joined
from hubline.wire.packet import Packet


class Probe:
    """An outbox that notes when it wakes its consumer and when it overflows. Each packet is a burst of its own."""

    def __init__(self, *, capacity: int = 1000, messages: int = 1000, policy: OutboxPolicy = "close") -> None:
        self.wakes = 0
        self.overflows: list[int] = []
        self.burst = 1
        self.outbox = Outbox(
            capacity=capacity,
            messages=messages,
            policy=policy,
            wake=self._wake,
            overflow=self.overflows.append,
            burst=lambda: self.burst,
        )

    def _wake(self) -> None:
        self.wakes += 1

    def put(self, *payloads: bytes | str) -> list[bool]:
        """Packets; text is a packet with its first letter as the key."""
        return [self.put_at_once(each)[0] for each in payloads]

    def put_at_once(self, *payloads: bytes | str) -> list[bool]:
        """The same in one burst."""
        self.burst += 1
        outbox = self.outbox
        return [
            outbox.replace(Packet(each.encode(), each[0])) if isinstance(each, str) else outbox.put(each)
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


def test_without_a_way_to_write_at_once_everything_is_queued() -> None:
    probe = Probe()
    assert probe.outbox.put_now(b"a")
    assert (probe.wakes, probe.take()) == (1, [b"a"])


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


@pytest.mark.parametrize("policy", ["close", "drop_oldest", "latest"])
def test_a_key_counts_whatever_the_policy_is(policy: OutboxPolicy) -> None:
    probe = Probe(policy=policy)
    probe.put("k1", b"other", "k2")
    assert probe.outbox.size == len("k2" + "other")
    assert probe.take() == [b"k2", b"other"]


def test_a_message_that_grows_at_its_place_meets_the_policy_like_any_other() -> None:
    probe = Probe(capacity=10)
    probe.put("k1", b"x" * 6)
    assert probe.put("k" * 4) == [True]
    assert probe.overflows == []
    assert probe.put("k" * 5) == [False]
    assert probe.overflows == [10]


def test_drop_oldest_makes_room_for_a_message_that_grows_and_keeps_its_place_while_it_is_there() -> None:
    probe = Probe(capacity=10, policy="drop_oldest")
    probe.put(b"x" * 5, "k1", b"yy")
    assert probe.put("k" * 5) == [False]
    assert probe.outbox.size == 7
    assert probe.take() == [b"k" * 5, b"yy"]
    probe.outbox.sent()
    probe.put("k1", b"y" * 8)
    assert probe.put("k" * 9) == [False]
    assert probe.take() == [b"k" * 9]


def test_drop_oldest_counts_what_is_dropped_with_its_newest_size() -> None:
    probe = Probe(capacity=10, policy="drop_oldest")
    probe.put("k1", "kkkkk", b"x" * 5)
    assert probe.put(b"y" * 5) == [False]
    assert probe.outbox.size == 10
    probe.put("k2")
    assert probe.take() == [b"y" * 5, b"k2"]
    probe.outbox.sent()
    assert probe.outbox.size == 0


@pytest.mark.parametrize(("policy", "expected"), [("close", [b"1", b"2", b"3"]), ("latest", [b"3"])])
def test_a_key_of_what_was_put_counts_only_where_the_policy_says_so(
    policy: OutboxPolicy, expected: list[bytes]
) -> None:
    probe = Probe(policy=policy)
    for payload in (b"1", b"2", b"3"):
        probe.outbox.put(Packet(payload, "k"))
    assert probe.take() == expected


def test_what_was_put_keeps_its_place_beside_what_replaces_each_other() -> None:
    probe = Probe()
    probe.outbox.put(Packet(b"put", "k"))
    probe.put("k1", "k2")
    probe.outbox.put(Packet(b"put again", "k"))
    assert probe.take() == [b"put", b"k2", b"put again"]
    probe.outbox.sent()
    probe.put("k3", "k4")
    assert probe.take() == [b"k4"]


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

    probe = Probe(capacity=1_000_000)
    probe.outbox.count_buffer(buffered, 100)
    probe.put(*[b"x" * 10_000] * 49, b"x" * 9_900)
    assert asked == []
    assert probe.put(b"x") == [False]
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
    assert probe.put(b"cccc", b"dddddd") == [False, False]
    assert probe.take() == [b"cccc"]
    assert probe.overflows == []


# Bursts and large messages


def test_a_burst_is_no_slowness_and_the_capacity_counts_what_comes_on_top_of_it() -> None:
    probe = Probe(capacity=10)
    assert probe.put_at_once(*[b"x"] * 25) == [True] * 25
    assert probe.put(*[b"y"] * 10) == [True] * 10
    assert probe.put(b"z") == [False]
    assert probe.overflows == [35]


def test_what_is_left_of_a_burst_is_spared_and_no_byte_more() -> None:
    probe = Probe(capacity=10)
    probe.put_at_once(*[b"x"] * 25)
    assert probe.take(20) == [b"x"] * 20
    probe.outbox.sent()
    assert probe.put(*[b"y"] * 10, b"z") == [True] * 10 + [False]
    assert probe.overflows == [15]


def test_who_has_taken_a_burst_may_have_another() -> None:
    probe = Probe(capacity=10)
    for _ in range(3):
        probe.put_at_once(*[b"x"] * 25)
        assert len(probe.take()) == 25
        probe.outbox.sent()
    assert probe.overflows == []


def test_who_is_behind_when_a_burst_begins_is_not_spared() -> None:
    probe = Probe(capacity=10)
    probe.put(b"x" * 6)
    assert probe.put_at_once(*[b"y"] * 5) == [True] * 4 + [False]
    assert probe.overflows == [10]


def test_who_waits_for_less_than_half_of_the_capacity_is_not_behind() -> None:
    """So a viewer of a stream at full speed, whose socket is nearly always full, is not."""
    probe = Probe(capacity=10)
    probe.put(b"x" * 5)
    probe.take()
    assert probe.put_at_once(*[b"y"] * 20) == [True] * 20
    assert probe.overflows == []


def test_many_messages_of_a_burst_are_spared_too() -> None:
    probe = Probe(messages=10)
    probe.put_at_once(*[b"x"] * 25)
    assert probe.put(*[b"y"] * 10, b"z") == [True] * 10 + [False]
    assert probe.overflows == [35]


def test_a_burst_is_bounded_by_capacity_and_largest_message_and_by_ten_times_the_messages() -> None:
    probe = Probe(capacity=10)
    probe.outbox.limit_message(30)
    assert probe.put_at_once(*[b"x"] * 41) == [True] * 40 + [False]
    assert probe.overflows == [40]
    probe = Probe(messages=2)
    assert probe.put_at_once(*[b"x"] * 21) == [True] * 20 + [False]
    assert probe.overflows == [20]


def test_nothing_is_dropped_in_a_burst_below_its_bound_and_then_all_that_exceeds_the_capacity() -> None:
    probe = Probe(capacity=10, policy="drop_oldest")
    probe.outbox.limit_message(30)
    assert probe.put_at_once(*[b"x"] * 40) == [True] * 40
    assert probe.outbox.statistics().dropped_messages == 0
    assert probe.put(b"y", b"z") == [False, False]
    assert probe.outbox.statistics().dropped_messages == 32
    assert probe.take() == [*[b"x"] * 8, b"y", b"z"]


def test_the_oldest_of_a_burst_make_room_at_its_bound() -> None:
    probe = Probe(capacity=10, policy="drop_oldest")
    probe.outbox.limit_message(30)
    assert probe.put_at_once(b"old", *[b"x"] * 37, b"new") == [True] * 38 + [False]
    assert probe.take() == [*[b"x"] * 37, b"new"]


def test_what_is_being_written_stays_spared_where_the_oldest_are_dropped() -> None:
    probe = Probe(capacity=10, policy="drop_oldest")
    probe.put_at_once(*[b"x"] * 25)
    probe.take()
    assert probe.put(*[b"y"] * 10, b"z") == [True] * 10 + [False]
    probe.outbox.sent()
    assert probe.take() == [*[b"y"] * 9, b"z"]


def test_latest_spares_a_burst_too() -> None:
    probe = Probe(capacity=10, policy="latest")
    assert probe.put_at_once("a1", "a2", *[b"x"] * 20) == [True] * 22
    assert probe.put(*[b"y"] * 10, b"z") == [True] * 10 + [False]
    assert probe.overflows == [32]


@pytest.mark.parametrize("policy", ["close", "drop_oldest", "latest"])
def test_one_message_may_be_larger_than_the_capacity_even_of_who_is_behind(policy: OutboxPolicy) -> None:
    probe = Probe(capacity=10, policy=policy)
    probe.put(b"x" * 6, b"L" * 1000)
    assert (probe.overflows, len(probe.outbox)) == ([], 2)
    assert probe.take(100) == [b"x" * 6]
    probe.outbox.sent()
    assert probe.take(100) == [b"L" * 1000]
    assert probe.put(b"y") == [True]
    assert (probe.overflows, probe.outbox.statistics().dropped_messages) == ([], 0)


def test_a_message_above_the_maximum_is_refused_and_changes_nothing() -> None:
    probe = Probe()
    probe.put(b"x")
    with pytest.raises(SendTooLarge, match="16777217 bytes are too much for one message"):
        probe.put(b"L" * (16 * 1_048_576 + 1))
    assert (probe.outbox.size, probe.overflows) == (1, [])
    probe.outbox.finish()
    assert probe.put(b"L" * (16 * 1_048_576 + 1)) == [False], "nobody is told of a message to who has left"


def test_a_maximum_below_the_capacity_holds_too() -> None:
    probe = Probe(capacity=1_000_000)
    probe.outbox.limit_message(100)
    assert probe.put(b"x" * 100) == [True]
    with pytest.raises(SendTooLarge):
        probe.put(b"x" * 101)


def test_what_has_left_of_a_running_write_is_known_where_the_transport_tells() -> None:
    buffered = [0]
    probe = buffering(buffered, capacity=10**6)
    probe.put(b"x" * 1000)
    probe.take()
    for left in (1000, 400):
        buffered.append(left)
        assert (probe.outbox.shows_progress, probe.outbox.written) == (True, 1000 - left)
    assert not Probe().outbox.shows_progress
