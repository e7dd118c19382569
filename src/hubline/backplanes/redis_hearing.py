"""Subscriptions, each at the node that has its channel, and at the new node when the channel moves."""

import asyncio
from collections.abc import Collection, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.base import BackplaneListener
from hubline.backplanes.lines import PATIENCE
from hubline.backplanes.redis_connections import AskError, Connections, Node, ResponseError
from hubline.backplanes.redis_lines import NodeLines
from hubline.backplanes.redis_listening import ELSEWHERE, Listening
from hubline.backplanes.redis_partitions import Partition, Partitions
from hubline.backplanes.redis_slots import Slots
from hubline.errors import BackplaneError


class Hearing:
    """Subscribes to channels. Its listener gets the messages and the gaps.

    Without `slots` and `partitions` it uses plain pub/sub, and finds the node itself.
    """

    def __init__(
        self,
        connections: Connections,
        listener: BackplaneListener,
        prefix: str,
        clock: Clock,
        *,
        slots: Slots | None = None,
        partitions: Partitions | None = None,
    ) -> None:
        self.listener = listener
        self.channels: dict[bytes, str] = {}
        """The wanted channels, by their names in Redis."""
        self._own_slots = slots is None
        self._slots = slots or Slots(connections, clock)
        self._partitions = partitions or Partitions(prefix, sharded=False)
        self._tasks = TaskOwner("hubline: hearing Redis")
        self.lines: NodeLines[Listening] = NodeLines(
            lambda node: Listening(node, connections, self._partitions, self, clock), self._tasks
        )
        self._changed = asyncio.Event()
        self._started = False
        self._slots.on_change.append(self._follow)
        self._slots.content.append(self._content)

    async def start(self) -> None:
        """Raises BackplaneError: no node can be reached. It may be called again."""
        if self._own_slots:
            await self._slots.start()
        for partition in self._partitions.all:
            partition.node = self._slots.owner(partition.slot)
        try:
            await self.lines.start(self._nodes())
        except BaseException:
            if self._own_slots:
                await self._slots.close()
            raise
        self._started = True
        for partition in self._partitions.all:
            if (line := self.lines.get(partition.node)) is not None:
                line.take_over([partition])
        self._follow()

    async def subscribe(self, channels: Iterable[str]) -> None:
        """Subscribe to these channels; returns when it is done. A BackplaneError means that no channel was added."""
        new = {
            partition: {name: channel for name, channel in named.items() if name not in self.channels}
            for partition, named in self._partitions.group(channels).items()
        }
        for partition, named in new.items():
            self.channels.update(named)
            partition.names.update(dict.fromkeys(named))
        try:
            await self._until_taken(new)
        except BaseException:
            for partition, named in new.items():
                self._forget(partition, named)
                if (line := self.lines.get(partition.node)) is not None:
                    line.give_up(list(named))
            raise

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        """Unsubscribe. After a BackplaneError the subscriptions stay: there is no connection, or Redis has refused it.

        They are forgotten before Redis confirms it: a caller that is cancelled must not leave a channel that looks
        subscribed, and who subscribes again meanwhile asks Redis again, behind this.
        """
        gone = self._wanted(channels)
        lines = self._by_line(gone)
        for partition, named in gone.items():
            self._forget(partition, named)
        outcomes = await _outcomes([line.unsubscribe(parts) for line, parts in lines])
        for (line, _), error in zip(lines, outcomes, strict=True):
            for partition, named in gone.items() if isinstance(error, BackplaneError) else ():
                if self.lines.get(partition.node) is line:
                    self.channels.update(named)
                    partition.names.update(dict.fromkeys(named))
        _raise_first(outcomes)

    async def leave(self, channels: Sequence[str]) -> None:
        """Unsubscribe, also without a connection: the next one does not subscribe to them."""
        gone = self._wanted(channels)
        try:
            self._by_line(gone)
        except BackplaneError:
            for partition, named in gone.items():
                self._forget(partition, named)
            return
        with suppress(BackplaneError):  # Redis has refused it: they stay
            await self.unsubscribe(channels)

    def renew(self, node: str | None = None) -> None:
        """Reconnect to the node of this name, or to all."""
        self.lines.renew(node)

    async def close(self) -> None:
        self._started = False
        if self._own_slots:
            await self._slots.close()
        await self._tasks.cancel()
        await self.lines.close()

    def displaced(self, partition: Partition, error: ResponseError | None) -> None:
        partition.displaced = True
        if isinstance(error, AskError) and error.host:
            self._slots.moved(partition.slot, Node(error.host, error.port))
        self._slots.ask_again()

    def lost(self) -> None:
        self._slots.ask_again()

    async def _until_taken(self, wanted: Mapping[Partition, Mapping[bytes, str]]) -> None:
        """Subscribe. If a node no longer has a channel, try its new node."""
        until = asyncio.get_running_loop().time() + PATIENCE
        while True:
            try:
                _raise_first(await _outcomes([line.subscribe(parts) for line, parts in self._by_line(wanted)]))
                return
            except ELSEWHERE as error:
                if asyncio.get_running_loop().time() > until:
                    raise BackplaneError(f"no node has accepted the channels within {PATIENCE:g} s: {error}") from error
                changed = self._changed
                for partition in wanted:
                    if isinstance(error, AskError) and partition.slot == error.slot_id:
                        self.displaced(partition, error)
                self._slots.ask_again()
                try:
                    async with asyncio.timeout(PATIENCE):
                        await changed.wait()
                except TimeoutError:
                    raise BackplaneError(f"no node has accepted the channels within {PATIENCE:g} s") from error

    def _by_line(self, wanted: Mapping[Partition, Iterable[bytes]]) -> list[tuple[Listening, list[Sequence[bytes]]]]:
        """The lines to the nodes of these partitions. Raises BackplaneError if one of them cannot be reached."""
        found: dict[Listening, list[Sequence[bytes]]] = {}
        for partition, names in wanted.items():
            line = self.lines.get(partition.node)
            if line is None:
                raise BackplaneError(
                    "the backplane cannot be reached at present" if self._started else "the link is closed"
                )
            line.connection  # noqa: B018  # raises
            found.setdefault(line, []).append(list(names))
        return list(found.items())

    def _wanted(self, channels: Iterable[str]) -> dict[Partition, dict[bytes, str]]:
        """Those of these channels that are wanted, by partition."""
        return {
            partition: {name: channel for name, channel in named.items() if name in self.channels}
            for partition, named in self._partitions.group(channels).items()
        }

    def _forget(self, partition: Partition, names: Collection[bytes]) -> None:
        for name in names:
            self.channels.pop(name, None)
        partition.forget(names)

    def _nodes(self) -> list[Node]:
        return list(dict.fromkeys(each.node for each in self._partitions.all if each.node is not None))

    def _content(self) -> bool:
        deaf = any(each.deaf_since is not None or each.displaced for each in self._partitions.all)
        return not self._started or (not deaf and self.lines.all_ready)

    def _follow(self) -> None:
        """The map of the slots is new: partitions move to the nodes that have them."""
        if not self._started:
            return
        moved: dict[Node, list[Partition]] = {}
        for partition in self._partitions.all:
            node = self._slots.owner(partition.slot)
            if not partition.displaced and (node == partition.node or self._is_served(partition)):
                continue
            if (old := self.lines.get(partition.node)) is not None:
                old.hand_over(partition)
            partition.node, partition.displaced = node, False
            if node is not None:
                moved.setdefault(node, []).append(partition)
        self.lines.keep(self._nodes())
        for node, partitions in moved.items():
            if (line := self.lines.get(node)) is not None:
                line.take_over(partitions)
        self._changed.set()
        self._changed = asyncio.Event()

    def _is_served(self, partition: Partition) -> bool:
        """Whether to trust its node although another one denies it: a node reports by itself when it loses a slot."""
        line = self.lines.get(partition.node)
        says_so = self._partitions.sharded and bool(partition.names)
        return says_so and line is not None and line.is_ready and partition.node in self._slots.nodes


async def _outcomes(calls: Sequence[Coroutine[Any, Any, None]]) -> Sequence[BaseException | None]:
    """Wait for all of them; the error of each. One alone begins at once."""
    if len(calls) != 1:
        found: list[BaseException | None] = await asyncio.gather(*calls, return_exceptions=True)
        return found
    try:
        await calls[0]
    except Exception as error:
        return [error]
    return [None]


def _raise_first(errors: Iterable[BaseException | None]) -> None:
    for error in errors:
        if error is not None:
            raise error
