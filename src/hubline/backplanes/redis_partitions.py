"""The channels of Redis: in one partition with plain pub/sub, in 128 partitions with sharded pub/sub."""

import functools
import itertools
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from hubline.backplanes.redis_connections import Node, channel_name, key_slot
from hubline.backplanes.redis_slots import SLOTS

PARTITIONS = 128
"""The number of partitions. Ours: a hundred nodes can share them evenly, and subscribing again takes 128 commands."""


class Verbs(NamedTuple):
    """The commands of one kind of pub/sub, and the names of its messages."""

    publish: str
    subscribe: str
    unsubscribe: str
    message: bytes
    subscribed: bytes
    unsubscribed: bytes


PLAIN = Verbs("PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", b"message", b"subscribe", b"unsubscribe")
SHARDED = Verbs("SPUBLISH", "SSUBSCRIBE", "SUNSUBSCRIBE", b"smessage", b"ssubscribe", b"sunsubscribe")


class Partition:
    """Channels that are always on the same node."""

    __slots__ = ("deaf_since", "displaced", "names", "node", "slot", "tag")

    def __init__(self, slot: int, tag: str = "") -> None:
        self.slot, self.tag = slot, tag
        self.names: dict[bytes, None] = {}
        """The channels that are wanted."""
        self.node: Node | None = None
        self.deaf_since: float | None = None
        """The time since which messages may have been lost, in seconds since 1970; `None` while it receives."""
        self.displaced = False
        """Whether its node has reported that it no longer has it."""

    def forget(self, names: Iterable[bytes]) -> None:
        """These channels are not wanted any more."""
        for name in names:
            self.names.pop(name, None)
        if not self.names:
            self.deaf_since = None

    def deaf(self, since: float | None) -> None:
        """It may have lost messages since then. Without subscriptions, none is lost."""
        if self.names and self.deaf_since is None:
            self.deaf_since = since


@functools.cache
def tags() -> tuple[str, ...]:
    """The hash tag of each partition: the first of `{000}`, `{001}`, … whose slot is in its 128th of the slots."""
    found: dict[int, str] = {}
    for number in itertools.count():  # pragma: no branch
        tag = f"{{{number:03x}}}"
        found.setdefault(key_slot(tag.encode()) * PARTITIONS // SLOTS, tag)
        if len(found) == PARTITIONS:
            break
    return tuple(found[number] for number in range(PARTITIONS))


class Partitions:
    """The partitions of one link, and which of them a channel is in.

    A sharded channel is in the partition whose number is the CRC-32 of its name in UTF-8, modulo 128, and has the hash
    tag of the partition in front of its name. All plain channels are in one partition.
    """

    def __init__(self, prefix: str, *, sharded: bool) -> None:
        self.prefix, self.sharded = prefix, sharded
        self.verbs = SHARDED if sharded else PLAIN
        self.all = [Partition(key_slot(tag.encode()), tag) for tag in tags()] if sharded else [Partition(0)]
        self._by_tag = {partition.tag.encode(): partition for partition in self.all}
        self._tag_size = len(self.all[0].tag)

    def place(self, channel: str) -> tuple[Partition, bytes]:
        """The partition of a channel, and its name in Redis. Raises BackplaneError if it cannot be a name."""
        name = channel_name(self.prefix, channel)
        if not self.sharded:
            return self.all[0], name
        partition = self.all[zlib.crc32(name) % PARTITIONS]
        return partition, partition.tag.encode() + name

    def of(self, name: bytes) -> Partition:
        """The partition of a name in Redis."""
        return self._by_tag[name[: self._tag_size]]

    def group(self, channels: Iterable[str]) -> dict[Partition, dict[bytes, str]]:
        """Channels by partition, each by its name in Redis. Raises BackplaneError as `place`."""
        found: dict[Partition, dict[bytes, str]] = {}
        for channel in channels:
            partition, name = self.place(channel)
            found.setdefault(partition, {})[name] = channel
        return found
