"""A line to each node of a cluster that is needed. A single server has one line."""

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

from hubline._tasks import TaskOwner
from hubline.backplanes.redis_connections import Node
from hubline.errors import BackplaneError


class NodeLine(Protocol):
    """The used part of a line to one node."""

    node: Node

    @property
    def is_ready(self) -> bool: ...

    async def start(self) -> None: ...

    def begin(self) -> None: ...

    def renew(self) -> None: ...

    async def leave(self) -> None:
        """Close it when no request is under way."""

    async def close(self) -> None: ...


LineT = TypeVar("LineT", bound=NodeLine)


class NodeLines(Generic[LineT]):
    """Opens lines to nodes that are needed, and closes lines that are no longer needed."""

    def __init__(self, make: Callable[[Node], LineT], tasks: TaskOwner) -> None:
        self._make, self._tasks = make, tasks
        self._lines: dict[Node, LineT] = {}
        self._leaving: set[LineT] = set()
        """Lines that close when their requests are answered, or when all are closed before that."""
        self._closed = False

    def get(self, node: Node | None) -> LineT | None:
        return self._lines.get(node) if node is not None else None

    def __iter__(self) -> Iterator[LineT]:
        return iter(list(self._lines.values()))

    @property
    def all_ready(self) -> bool:
        return all(line.is_ready for line in self._lines.values())

    async def start(self, nodes: Iterable[Node]) -> None:
        """Open the first lines. Raises BackplaneError if all failed; otherwise failed ones retry by themselves."""
        self._lines = {node: self._make(node) for node in nodes}
        lines = list(self._lines.values())
        try:
            failures = await asyncio.gather(*(line.start() for line in lines), return_exceptions=True)
            if self._closed:
                raise BackplaneError("the link is closed")
        except BaseException:  # some may be open already
            self._lines = {}
            for line in lines:
                await line.close()
            raise
        if not any(failure is None for failure in failures):
            self._lines = {}
            for failure in failures:
                if failure is not None:
                    raise failure
            raise BackplaneError("the cluster has no node with slots")
        for line, failure in zip(lines, failures, strict=True):
            if failure is not None:
                line.begin()

    def keep(self, nodes: Iterable[Node]) -> None:
        """Keep lines to exactly these nodes."""
        wanted = {} if self._closed else dict.fromkeys(nodes)
        for node in [node for node in self._lines if node not in wanted]:
            self._leaving.add(line := self._lines.pop(node))
            self._tasks.start(self._leave(line), name="hubline: leaves a node")
        for node in wanted:
            if node not in self._lines:
                self._lines[node] = self._make(node)
                self._lines[node].begin()

    def renew(self, node: str | None = None) -> None:
        """Reconnect to the node of this name, or to all."""
        for line in self:
            if node is None or str(line.node) == node:
                line.renew()

    async def close(self) -> None:
        """Close all lines, and open no others."""
        self._closed = True
        lines, self._lines, self._leaving = [*self._lines.values(), *self._leaving], {}, set()
        for line in lines:
            await line.close()

    async def _leave(self, line: LineT) -> None:
        await line.leave()
        self._leaving.discard(line)
