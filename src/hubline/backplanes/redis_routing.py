"""Sends requests to the nodes that have their slots. A single server has one pipeline."""

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.lines import PATIENCE
from hubline.backplanes.redis_connections import AskError, Connections, MovedError, Node, ResponseError
from hubline.backplanes.redis_lines import NodeLines
from hubline.backplanes.redis_pipelines import Fence, Pipeline, Request
from hubline.backplanes.redis_slots import Slots
from hubline.errors import BackplaneError

REDIRECTIONS = 8
"""How often one request is sent to another node. Ours: the map of the slots is requested again in between."""


class Asking(Request):
    """A request to the node to which a slot is moving. The node accepts it only after ASKING."""

    __slots__ = ("agreed", "request")

    def __init__(self, request: Request) -> None:
        super().__init__(request.slot)
        self.request, self.agreed = request, False

    def commands(self) -> Iterable[Sequence[Any]]:
        return [("ASKING",), *self.request.commands()]

    def answered(self, found: Any, error: ResponseError | None) -> bool:
        if not self.agreed:
            self.agreed = True
            return False
        return self.request.answered(found, error)

    def fail(self, error: Exception | None) -> None:
        self.request.fail(error)

    def refuse(self, error: BackplaneError) -> None:
        self.request.refuse(error)


class Held(NamedTuple):
    """The requests that wait for the new node of a slot: those that the old node returned, and the later ones."""

    returned: list[Request]
    since: list[Request]


class Router:
    """Sends each request to the node that has its slot, in the order of the calls, also while the slot moves."""

    def __init__(self, name: str, connections: Connections, slots: Slots, clock: Clock) -> None:
        self._slots = slots
        self._tasks = TaskOwner(f"hubline: {name}")
        self.lines: NodeLines[Pipeline] = NodeLines(
            lambda node: Pipeline(name, node, connections, self._redirect, slots.ask_again, clock), self._tasks
        )
        self._held: dict[int, Held] = {}
        self._changed = asyncio.Event()
        self._started = False
        self._only: Pipeline | None = None
        """The pipeline to a single server."""
        slots.on_change.append(self._follow)
        slots.content.append(lambda: not self._held and self.lines.all_ready)

    async def start(self) -> None:
        """Raises BackplaneError: no node can be reached."""
        await self.lines.start(self._slots.nodes)
        self._started = True
        if self._slots.is_cluster:
            self._follow()
        else:
            (self._only,) = self.lines

    def send(self, request: Request) -> None:
        """Send a request. Raises BackplaneError: its node cannot be reached. Then it was not sent."""
        if self._only is not None:
            self._only.add(request)
            return
        if self._held and (held := self._held.get(request.slot)) is not None:
            held.since.append(request)
            return
        line = self.lines.get(self._slots.owner(request.slot))
        if line is None:
            raise BackplaneError("the backplane cannot be reached at present: the cluster has no node for this slot")
        line.add(request)

    async def close(self) -> None:
        self._started, self._only = False, None
        await self._tasks.cancel()
        await self.lines.close()
        for held in self._held.values():
            for request in (*held.returned, *held.since):
                request.refuse(BackplaneError("the link is closed"))
        self._held.clear()

    def _redirect(self, line: Pipeline, request: Request, error: AskError) -> None:
        """A node has returned a request."""
        request = request.request if isinstance(request, Asking) else request
        request.redirected += 1
        target = Node(error.host or line.node.host, error.port)
        if request.redirected > REDIRECTIONS:
            request.refuse(BackplaneError(f"no node accepts slot {request.slot}: each names another one"))
        elif isinstance(error, MovedError):
            self._slots.moved(request.slot, target)
            self._hold(request.slot, line).returned.append(request)
        else:
            _add(self.lines.get(target), Asking(request), f"{target}, the new node of a slot, is not known yet")

    def _hold(self, slot: int, old: Pipeline) -> Held:
        """From now on requests for this slot wait until the node that has it is known and `old` has answered all."""
        held = self._held.get(slot)
        if held is None:
            held = self._held[slot] = Held([], [])
            self._tasks.start(self._release(slot, old), name="hubline: a slot that moves")
            self._slots.ask_again()
        return held

    async def _release(self, slot: int, old: Pipeline) -> None:
        line = None
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._changed.wait()
                await old.passed()
                while (found := self.lines.get(self._slots.owner(slot))) is None or not found.is_ready:
                    await self._changed.wait()
                line = found
        held = self._held.pop(slot)
        for request in (*held.returned, *held.since):
            _add(line, request, f"no node has accepted slot {slot} within {PATIENCE:g} s")

    def _follow(self) -> None:
        """The map of the slots is new. Requests for moved slots wait until earlier ones have been answered."""
        if not self._started:
            return
        for line in self.lines:
            for request in line.unanswered:
                if not isinstance(request, Fence) and self._slots.owner(request.slot) != line.node:
                    self._hold(request.slot, line)
        self.lines.keep(self._slots.nodes)
        self._changed.set()
        self._changed = asyncio.Event()


def _add(line: Pipeline | None, request: Request, otherwise: str) -> None:
    try:
        if line is None:
            raise BackplaneError(otherwise)
        line.add(request)
    except BackplaneError as error:
        request.refuse(error)
