"""In which partition a sharded channel is, and what it is called in Redis."""

import pytest
from redis.crc import key_slot

from hubline.backplanes.redis_partitions import PARTITIONS, Partitions, tags
from hubline.backplanes.redis_slots import SLOTS
from hubline.errors import BackplaneError


def test_each_tag_has_a_slot_in_its_own_share() -> None:
    assert [key_slot(tag.encode()) * PARTITIONS // SLOTS for tag in tags()] == list(range(PARTITIONS))
    assert {len(tag) for tag in tags()} == {5}, "the guide's pattern for a user's channels has three characters"


@pytest.mark.parametrize("nodes", [1, 2, 3, 4, 6, 10, 32])
def test_nodes_with_equal_shares_of_the_slots_have_equal_shares_of_the_partitions(nodes: int) -> None:
    counts = [0] * nodes
    for tag in tags():
        counts[key_slot(tag.encode()) * nodes // SLOTS] += 1
    assert max(counts) - min(counts) <= 2
    assert sum(counts) == PARTITIONS


@pytest.mark.parametrize(
    ("channel", "number", "name"),
    [  # they may never change: servers of different versions serve one hub
        ("Chat.ChatHub:all", 48, b"{0fe}p:Chat.ChatHub:all"),
        ("Chat.ChatHub:group:a", 122, b"{0c5}p:Chat.ChatHub:group:a"),
        ("Chat.ChatHub:user:{x}\u00e9", 78, b"{009}p:Chat.ChatHub:user:{x}\xc3\xa9"),
    ],
)
def test_the_name_of_a_sharded_channel(channel: str, number: int, name: bytes) -> None:
    partitions = Partitions("p:", sharded=True)
    partition, found = partitions.place(channel)
    assert (partitions.all.index(partition), found) == (number, name)
    assert partitions.of(found) is partition
    assert key_slot(found) == partition.slot, "also if the channel itself has braces"


def test_plain_channels_are_together_and_have_their_own_names() -> None:
    partitions = Partitions("p:", sharded=False)
    assert partitions.place("H:all") == (partitions.all[0], b"p:H:all")
    assert partitions.of(b"p:H:all") is partitions.all[0]
    assert partitions.group(["a", "b", "a"]) == {partitions.all[0]: {b"p:a": "a", b"p:b": "b"}}


def test_channels_by_partition() -> None:
    partitions = Partitions("", sharded=True)
    channels = [str(number) for number in range(1000)]
    found = partitions.group(channels)
    assert sorted(channel for named in found.values() for channel in named.values()) == sorted(channels)
    assert len(found) > PARTITIONS * 0.9
    with pytest.raises(BackplaneError, match="no name of a channel"):
        partitions.group(["\ud800"])


def test_where_nobody_listens_nothing_is_lost() -> None:
    (partition,) = Partitions("", sharded=False).all
    partition.deaf(1.0)
    assert partition.deaf_since is None
    partition.names[b"a"] = None
    partition.deaf(2.0)
    partition.deaf(3.0)
    assert partition.deaf_since == 2.0, "the first time counts"
    partition.names[b"b"] = None
    partition.forget([b"a", b"never wanted"])
    assert partition.deaf_since == 2.0
    partition.forget([b"b"])
    assert partition.deaf_since is None
