"""A client that does with items what runs.md §2 says, and nothing else; and a server with runs for tests."""

import asyncio
import gc
from collections.abc import Callable
from typing import Any

from hubline import HubApp, Identity
from hubline.runs import Runs, RunsHub
from hubline.testing import ManualClock, settle


class Page:
    """What a client has of a run: parts in order, and the position it goes on from."""

    def __init__(self) -> None:
        self.parts: dict[str, dict[str, Any]] = {}
        self.position: str | None = None
        self.items: list[dict[str, Any]] = []
        self.lives = 0
        self.end: dict[str, Any] | None = None
        self._pending: dict[str, dict[str, Any]] | None = None

    def apply(self, item: dict[str, Any]) -> None:
        self.items.append(item)
        kind = item["kind"]
        if kind == "snapshot":
            self._pending = {part["part"]: dict(part) for part in item["parts"]}
        parts = self.parts if self._pending is None else self._pending
        if kind in ("text", "reasoning"):
            assert len(item["text"].encode()) <= 65_536
            part = parts.setdefault(item["part"], {"part": item["part"], "kind": kind, "text": ""})
            part["text"] += item["text"]
        elif kind == "data":
            parts[item["part"]] = {key: item[key] for key in ("part", "kind", "name", "value")}
        elif kind == "retract":
            for name in item["parts"]:
                parts.pop(name, None)
        elif kind == "live":
            self.lives += 1
        elif kind == "end":
            self.end = item
        if item["position"] is not None:
            self.position = item["position"]
            if self._pending is not None:
                self.parts, self._pending = self._pending, None

    def cut(self) -> None:
        """The connection was lost: what was not whole is forgotten."""
        self._pending = None

    @property
    def text(self) -> str:
        return "".join(part["text"] for part in self.parts.values() if part["kind"] == "text")

    def find(self, kind: str) -> dict[str, Any]:
        """The newest item of a kind."""
        return next(item for item in reversed(self.items) if item["kind"] == kind)

    def kinds(self) -> list[str]:
        return [item["kind"] for item in self.items]


async def collect(items: Any, page: Page | None = None) -> Page:
    """Everything until the stream completes."""
    page = page or Page()
    async for item in items:
        page.apply(item)
    return page


class Reader:
    """Reads a stream in a task of its own, so that a test can go on meanwhile."""

    def __init__(self, items: Any, page: Page | None = None) -> None:
        self.page = page or Page()
        self._items = items
        self.task = asyncio.get_running_loop().create_task(collect(items, self.page))

    async def leave(self) -> None:
        self.task.cancel()
        await asyncio.wait([self.task])
        self.page.cut()


def clocked(**options: Any) -> tuple[Runs, ManualClock]:
    """Runs by a clock that is moved by hand; what has not ended is not waited for at a shutdown."""
    clock = ManualClock()
    return Runs(clock=clock, **{"drain": 0.0, **options}), clock


def app_with(runs: Runs, clock: ManualClock, methods: dict[str, Callable[..., Any]] | None = None) -> HubApp:
    """A hub whose users are named by the query, with these methods besides."""
    hub = type("Hub", (RunsHub,), methods or {}, runs=runs)

    async def authenticate(scope: Any) -> Identity | None:
        user = scope.query.get("user")
        return Identity(user) if user else None

    return HubApp({"/runs": hub}, clock=clock, authenticate=authenticate, on_drain=runs.drain)


__all__ = ["Page", "Reader", "app_with", "clocked", "collect", "settle"]


def parts_of_runs() -> set[int]:
    """What runs and their viewers consist of, in the whole process: what is there before a test belongs to others."""
    gc.collect()
    kinds = {"Record", "Tape", "Cursor", "Pacer", "Viewer", "HubConnection"}
    return {id(each) for each in gc.get_objects() if type(each).__name__ in kinds}
