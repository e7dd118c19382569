"""Which node of a cluster has which slot. A single server is a node that has all slots."""

import asyncio
import itertools
import logging
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.lines import PATIENCE, pause
from hubline.backplanes.redis_connections import (
    HOME,
    Connections,
    Node,
    NoPermissionError,
    ResponseError,
    key_slot,
    refusal,
)
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

SLOTS = 16_384
"""The slots of a cluster. Source: Redis."""

TOLD = 10.0
"""Seconds in which the redirection by a node has priority over the map of other nodes, which may not know the move
yet. Ours: nodes inform each other within seconds."""

SPACING = 0.1
"""Seconds between two requests for the map at least. Ours: a cluster that fails over contradicts it many times."""

REFRESH = 30.0
"""Seconds after which the map of the slots is requested without a reason. Ours: a former primary that does not report
that it was replaced is left by then."""


class Slots:
    """The last map of the slots. It is requested again when something contradicts it, until all its users are settled.

    `sharded`: the caller needs the slots. Without it, if the user may not request them, the server of the address is
    taken for the only one.
    """

    def __init__(self, connections: Connections, clock: Clock, *, sharded: bool = False) -> None:
        self._connections, self._clock, self._sharded = connections, clock, sharded
        self._tasks = TaskOwner("hubline: the slots of Redis")
        self.is_cluster = False
        self._starts: list[int] = [0]
        self._owners: list[Node | None] = [HOME]
        self._known: list[Node] = list(connections.seeds)
        self._told: dict[int, tuple[Node, float]] = {}
        """Slots that have moved since, their new nodes, and the times until which these have priority."""
        self._changed_at = -math.inf
        self._asked_again = asyncio.Event()
        self._hint: Node | None = None
        self._loaded_at = 0.0
        self.on_change: list[Callable[[], None]] = []
        """Called after each answer of the cluster."""
        self.content: list[Callable[[], bool]] = []
        """Whether a user of the slots is settled. While one is not, the slots are requested again."""

    @property
    def nodes(self) -> list[Node]:
        """The nodes that have slots."""
        return list(dict.fromkeys(owner for owner in self._owners if owner is not None))

    @property
    def changing(self) -> bool:
        """Whether a slot has moved within the last seconds, so that its subscribers may still be moving."""
        return self._clock.now() - self._changed_at < PATIENCE

    def owner(self, slot: int) -> Node | None:
        """The node that has a slot; `None` if no node has it at present."""
        if self._told and (told := self._told.get(slot)) is not None:
            return told[0]
        return self._owners[bisect_right(self._starts, slot) - 1]

    def of(self, key: str | bytes) -> int:
        """The slot of a key. It has no meaning for a single server."""
        return key_slot(key if isinstance(key, bytes) else key.encode()) if self.is_cluster else 0

    async def start(self) -> None:
        """Request the slots, and follow their changes until `close`. Raises BackplaneError."""
        await self._load()
        if self.is_cluster:
            self._tasks.start(self._keep(), name="hubline: the slots of Redis")

    def ask_again(self, hint: Node | None = None) -> None:
        """Something contradicts the map: a node has gone, or names another one, `hint`."""
        if hint is not None:
            self._hint = hint
        self._asked_again.set()

    def moved(self, slot: int, node: Node) -> None:
        """A node has reported that another one has a slot."""
        self._changed_at = self._clock.now()
        self._told[slot] = node, self._changed_at + TOLD
        self.ask_again(node)

    async def close(self) -> None:
        await self._tasks.cancel()

    async def _keep(self) -> None:
        while True:
            await self._until_asked()
            for attempt in itertools.count():
                await self._clock.sleep(max(0.0, self._loaded_at + SPACING - self._clock.now()))
                self._asked_again.clear()
                try:
                    await self._load()
                except BackplaneError as error:
                    logger.debug("the slots of the cluster are not known: %s", error)
                if not self._asked_again.is_set() and all(content() for content in self.content):
                    break
                await self._clock.sleep(pause(attempt))

    async def _until_asked(self) -> None:
        asked = self._tasks.start(self._asked_again.wait(), name="hubline: waits for a contradiction")
        try:
            await self._tasks.done_before(asked, self._clock.sleep(REFRESH))
        finally:
            asked.cancel()

    async def _load(self) -> None:
        """Ask one node after the other, first the one that was named last. Raises BackplaneError."""
        hint, self._hint = self._hint, None
        self._loaded_at = self._clock.now()
        failure: Exception | None = None
        for node in dict.fromkeys([*([hint] if hint else []), *self._known, *self._connections.seeds]):
            try:
                async with asyncio.timeout(PATIENCE):
                    await self._ask(node)
                return
            except BackplaneError:
                raise
            except Exception as error:  # libraries raise many different errors for a network
                failure = error
        raise BackplaneError(f"the backplane cannot be reached: {failure}") from failure

    async def _ask(self, node: Node) -> None:
        if not self.is_cluster:
            (hello,) = await self._connections.ask(node, ("HELLO",))
            if isinstance(hello, ResponseError) or _field(hello, b"mode") != b"cluster":
                return  # a single server, or one that is too old for the question
        (slots,) = await self._connections.ask(node, ("CLUSTER", "SLOTS"))
        if isinstance(slots, ResponseError):
            if self._sharded:
                raise BackplaneError(f"Redis has refused CLUSTER SLOTS: {refusal(slots, 'cluster|slots')}")
            if isinstance(slots, NoPermissionError):
                return
            raise slots
        self._take(node, slots)

    def _take(self, asked: Node, answer: Sequence[Any]) -> None:
        starts, owners, known, following = list[int](), list[Node | None](), list[Node](), 0
        for first, last, *replicated in sorted(answer, key=lambda part: int(part[0])):
            nodes = [self._node(asked, *each[:2]) for each in replicated]
            if first > following:
                starts.append(following)
                owners.append(None)
            starts.append(first)
            owners.append(nodes[0])
            following = last + 1
            known.extend(nodes)
        if following < SLOTS:
            starts.append(following)
            owners.append(None)
        if self.is_cluster and owners != self._owners:
            self._changed_at = self._clock.now()
        self._starts, self._owners, self.is_cluster = starts, owners, True
        now, told, self._told = self._clock.now(), self._told, {}
        for slot, (node, until) in told.items():
            if node in owners and now < until and self.owner(slot) != node:
                self._told[slot] = node, until
        if known:  # next time begin with another one: a node may not know that it is cut off from the others
            known = [each for each in dict.fromkeys(known) if each != asked]
            self._known = [*known, asked]
        for changed in self.on_change:
            changed()

    def _node(self, asked: Node, host: bytes | None, port: int) -> Node:
        """A node without a host in the answer has the host of the node that answered."""
        return Node((host or b"").decode() or asked.host or self._connections.host, int(port))


def _field(answer: Sequence[Any], name: bytes) -> Any:
    return next((value for key, value in zip(answer[::2], answer[1::2], strict=False) if key == name), None)
