"""The connection to one node for subscriptions, and the time since which it may have missed messages."""

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Protocol

from hubline._bursts import let_others_within_a_burst
from hubline._clock import Clock
from hubline.backplanes.base import BackplaneListener
from hubline.backplanes.lines import PATIENCE, Line, utc
from hubline.backplanes.redis_connections import (
    CHANNELS_OF_A_COMMAND,
    ClusterDownError,
    Connection,
    Connections,
    MovedError,
    Node,
    ResponseError,
    refusal,
)
from hubline.backplanes.redis_partitions import Partition, Partitions
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

STRIDE = 64
"""Messages after which other tasks get a turn of the event loop. Ours: one read may bring many messages."""

UNCONFIRMED = 64
"""Commands of a new connection that may be unconfirmed. Ours: their answers are read after the write, and Redis closes
a connection for which 32 MB of answers to subscriptions wait."""

ELSEWHERE = MovedError, ClusterDownError
"""The answers of a node that does not have a slot."""


class LostError(BackplaneError):
    """The connection was lost, and with it its subscriptions."""


class Change:
    """A command to subscribe or unsubscribe that Redis has not confirmed for every channel."""

    __slots__ = ("done", "kind", "names")

    def __init__(self, kind: bytes, names: Iterable[bytes]) -> None:
        self.kind, self.names = kind, set(names)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.done.add_done_callback(_look_away)


class Owner(Protocol):
    """Knows which node has which partition."""

    listener: BackplaneListener

    @property
    def channels(self) -> Mapping[bytes, str]:
        """The wanted channels of all nodes, by their names in Redis: always the same mapping."""

    def displaced(self, partition: Partition, error: ResponseError | None) -> None:
        """The node no longer has this partition. With sharded pub/sub, a node reports this without a request."""

    def lost(self) -> None:
        """The connection to the node was lost."""


class Listening(Line[Connection]):
    """Subscribes at one node, and again after an interruption, which it reports to the listener."""

    def __init__(
        self, node: Node, connections: Connections, partitions: Partitions, owner: Owner, clock: Clock
    ) -> None:
        super().__init__("hearing Redis", lambda: connections.open(node), clock, connections.broker(node))
        self.node = node
        self.partitions: dict[Partition, None] = {}
        """The partitions of the node."""
        self._verbs, self._partition_of, self._owner = partitions.verbs, partitions.of, owner
        self._message, self._channels, self._received = self._verbs.message, owner.channels, owner.listener.received
        self._current: Connection | None = None
        """The connection, from before it is ready until it is lost."""
        self._changes: deque[Change] = deque()
        """Those that were sent on it and have not been confirmed, the oldest first."""
        self._heard_at: float | None = None
        """The last time at which it was known to receive, in seconds since 1970."""

    async def subscribe(self, parts: Iterable[Sequence[bytes]]) -> None:
        """Subscribe to these channels, grouped by partition; returns when it is done.

        Raises:
            MovedError, ClusterDownError: another node has them, or none.
            BackplaneError: it failed.
        """
        try:
            await self._change(self._verbs.subscribe, parts)
        except TimeoutError:
            raise BackplaneError(f"Redis has not answered within {PATIENCE:g} s") from None

    async def unsubscribe(self, parts: Iterable[Sequence[bytes]]) -> None:
        """Unsubscribe from these channels. Partitions that the node does not have are ignored.

        What was sent counts as done: a node that stands still does it before anything that is sent later, and a
        connection that is lost has no subscriptions.

        Raises:
            BackplaneError: there is no connection, or the node has refused it.
        """
        with suppress(*ELSEWHERE, LostError, TimeoutError):
            await self._change(self._verbs.unsubscribe, [self._unwanted(part) for part in parts])

    def give_up(self, names: Sequence[bytes]) -> None:
        """Unsubscribe after a failed subscription, if there is a connection."""
        if self._ready is not None:
            self._tasks.start(self._send_quietly(self._ready, names), name=self.name)

    def _unwanted(self, names: Iterable[bytes]) -> list[bytes]:
        """Without those that somebody has subscribed to again: their command may have been sent before this one."""
        return [name for name in names if name not in self._channels]

    def take_over(self, partitions: Sequence[Partition]) -> None:
        """The node has these partitions now."""
        self.partitions.update(dict.fromkeys(partitions))
        wanted = [partition for partition in partitions if partition.names]
        if wanted and self._ready is not None:
            self._tasks.start(self._catch_up(self._ready, wanted), name=self.name)

    def hand_over(self, partition: Partition) -> None:
        """Another node has this partition now."""
        self.partitions.pop(partition, None)
        partition.deaf(self._heard_at)

    async def leave(self) -> None:
        await self.close()

    async def _change(self, verb: str, parts: Iterable[Sequence[bytes]]) -> None:
        """Send the command, and wait until Redis confirms it. Raises TimeoutError if it does not."""
        parts = [part for part in parts if part]
        changes = await self._send(self.connection, verb, parts)
        try:
            for change in changes:
                async with asyncio.timeout(PATIENCE):
                    await asyncio.shield(change.done)
        except ELSEWHERE:
            raise
        except ResponseError as error:
            names = [name for part in parts for name in part]
            raise BackplaneError(f"Redis has refused to {verb.lower()}: {refusal(error, verb, *names)}") from error

    async def _send(self, connection: Connection, verb: str, parts: Iterable[Sequence[bytes]]) -> list[Change]:
        """Each command has channels of one partition, because a cluster requires one slot.

        Nothing else can be sent between the call and the write. Raises LostError.
        """
        if connection is not self._current:  # a confirmation would be awaited that never comes
            raise LostError("the connection to Redis was lost")
        kind = self._verbs.subscribed if verb == self._verbs.subscribe else self._verbs.unsubscribed
        size = CHANNELS_OF_A_COMMAND
        lists = [part[at : at + size] for part in parts for at in range(0, len(part), size)]
        changes = [Change(kind, names) for names in lists]
        if changes:
            self._changes.extend(changes)
            commands = connection.pack_commands([(verb, *names) for names in lists])
            try:
                await connection.send_packed_command(commands, check_health=False)
            except Exception as error:
                raise LostError(f"the connection to Redis was lost: {error}") from error
        return changes

    async def _send_quietly(self, connection: Connection, names: Sequence[bytes]) -> None:
        with suppress(Exception):  # the connection is lost, and with it the subscription
            await self._send(connection, self._verbs.unsubscribe, [[name] for name in self._unwanted(names)])

    async def _use(self, connection: Connection) -> None:
        """Subscribe to all wanted channels again, then receive until the connection is lost."""
        self._current, partitions = connection, list(self.partitions)
        restored: dict[Partition, list[Change]] = {}
        for each in partitions:
            names, at_once, restored[each] = list(each.names), UNCONFIRMED * CHANNELS_OF_A_COMMAND, []
            for at in range(0, len(names), at_once):
                restored[each] += await self._send(connection, self._verbs.subscribe, [names[at : at + at_once]])
                if len(self._changes) >= UNCONFIRMED:
                    await self._until_confirmed(connection)
        await self._until_confirmed(connection)
        heard = [partition for partition in partitions if self._restored(partition, restored[partition])]
        self._heard_at = time.time()
        self._is_ready(connection)
        self._report(heard)
        self.take_over([partition for partition in self.partitions if partition not in restored])
        left = STRIDE
        while True:
            others = await self._take(connection, timeout=math.inf)
            left -= 1
            if others or not left:
                left = STRIDE
                await let_others_within_a_burst()

    async def _until_confirmed(self, connection: Connection) -> None:
        """Take the answers to all commands. Each has its own patience: hundreds of them may take longer."""
        while self._changes:
            first, until = self._changes[0], self._clock.now() + PATIENCE
            while self._changes and self._changes[0] is first:
                await self._take(connection, timeout=PATIENCE)
                if self._clock.now() > until:
                    raise BackplaneError(f"Redis has not answered within {PATIENCE:g} s")

    async def _catch_up(self, connection: Connection, partitions: Sequence[Partition]) -> None:
        """Subscribe to the channels of new partitions. If the connection is lost meanwhile, `_use` does it."""
        try:
            verb = self._verbs.subscribe
            restored = {each: await self._send(connection, verb, [list(each.names)]) for each in partitions}
            for changes in restored.values():
                for change in changes:
                    await asyncio.wait([change.done])
            self._report([each for each in partitions if self._restored(each, restored[each])])
        except Exception as error:
            logger.debug("%s: %s has not accepted partitions: %.200s", self.name, self.node, error)
            if self._ready is connection:
                self.renew()

    def _restored(self, partition: Partition, changes: Iterable[Change]) -> bool:
        """Whether the node has accepted a partition. Raises its other errors."""
        try:
            for change in changes:
                change.done.result()
        except ELSEWHERE as error:
            partition.deaf(self._heard_at)
            self._owner.displaced(partition, error)
            return False
        return True

    def _report(self, partitions: Sequence[Partition]) -> None:
        """These partitions receive again, unless they have moved meanwhile: report their gap."""
        heard = [each for each in partitions if each in self.partitions and not each.displaced]
        since = [each.deaf_since for each in heard if each.deaf_since is not None]
        for partition in heard:
            partition.deaf_since = None
        if since:
            self._owner.listener.interrupted(utc(min(since)), datetime.now(UTC))

    async def _take(self, connection: Connection, timeout: float) -> bool:
        """Handle the next message. True if other tasks should get a turn."""
        try:
            found: list[Any] | None = await connection.read_response(disable_decoding=True, timeout=timeout)
        except ResponseError as error:
            change = self._changes.popleft()
            if not change.done.done():
                change.done.set_exception(error)
            return False
        if found is None:
            return False
        if found[0] == self._message:
            if self._ready is connection:  # before that, other channels may not be subscribed
                self._heard_at = time.time()
            channel = self._channels.get(found[1])
            return channel is not None and self._received(channel, found[2])
        await self._confirmed(connection, found[0], found[1])
        return False

    async def _confirmed(self, connection: Connection, kind: bytes, name: bytes) -> None:
        change = self._changes[0] if self._changes else None
        if change is not None and change.kind == kind and name in change.names:
            change.names.discard(name)
            if not change.names:
                self._changes.popleft()
                if not change.done.done():
                    change.done.set_result(None)
        elif kind == self._verbs.unsubscribed and name in self._channels:  # without a request: its slot has moved
            partition = self._partition_of(name)
            if partition in self.partitions and not partition.displaced:
                partition.deaf(self._heard_at)
                self._owner.displaced(partition, None)
        if kind == self._verbs.subscribed and name not in self._channels:  # the caller's time is over
            await self._send(connection, self._verbs.unsubscribe, [[name]])

    async def _end(self, connection: Connection, error: Exception | None) -> None:
        self._current = None
        lost, self._changes = self._changes, deque()
        for change in lost:
            if not change.done.done():
                change.done.set_exception(LostError(f"the connection to Redis was lost: {error}"))
        for partition in self.partitions:
            partition.deaf(self._heard_at)
        self._owner.lost()
        with suppress(Exception):
            await connection.disconnect(nowait=True)


def _look_away(done: "asyncio.Future[None]") -> None:
    """Retrieve the exception in case no task waits any more. Otherwise asyncio would log it."""
    if not done.cancelled():
        done.exception()
