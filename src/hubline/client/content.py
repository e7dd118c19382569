"""The content of a run, built from its items as docs/specs/runs.md §2 says."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from msgspec import Struct
from msgspec.structs import replace

RunItem: TypeAlias = dict[str, Any]
"""What a server tells of a run: a map with `kind`, `position` and the keys of that kind."""


class RunInfo(Struct, frozen=True, kw_only=True):
    """The state of a run at one time, as the server tells it."""

    id: str
    """The id of the run."""
    state: str
    """`queued`, `running`, `waiting` (for a person), or an end: `completed`, `stopped`, `failed`, `interrupted`,
    `limited`."""
    position: str | None = None
    """The position of the last entry; `None` before the first."""
    room: str | None = None
    """Where it was started."""
    key: str | None = None
    """The key that the starter chose for the request."""
    starter: str | None = None
    """User id; `None` for an anonymous user."""
    started_at: datetime | None = None
    """In UTC."""
    ended_at: datetime | None = None
    """In UTC; `None` while it goes on."""
    viewers: int = 0
    """Streams that watch it."""
    usage: tuple[dict[str, Any], ...] = ()
    """One entry for each model that was used."""


class RunsChange(Struct, frozen=True):
    """An item of `WatchRuns`: all runs, or one that has changed."""

    kind: str
    runs: tuple[RunInfo, ...] = ()
    info: RunInfo | None = None


class RunContent(Struct, frozen=True, kw_only=True):
    """Everything that is known of a run. It never changes: the next item makes another one."""

    parts: tuple[Mapping[str, Any], ...] = ()
    """What was written and not retracted, in order: `{part, kind, text}`, or `{part, kind: "data", name, value}`."""
    state: str | None = None
    """As `RunInfo.state`; `None` before the first item that tells it."""
    status: Mapping[str, Any] | None = None
    """The last status of the server's work; `None` without one, and at the end."""
    asks: tuple[Mapping[str, Any], ...] = ()
    """Questions that wait for a person: `{askId, prompt, schema, expiresAt}`."""
    steered: tuple[Mapping[str, Any], ...] = ()
    """Messages that the run has read: `{steerId, by, value}`."""
    unread: tuple[str, ...] = ()
    """Ids of messages that it never read; known at the end."""
    usage: tuple[Mapping[str, Any], ...] = ()
    """The usage of each model; known at the end."""
    error: str | None = None
    """Why it has failed."""
    live: bool = False
    """Whether everything has come that was there when the stream began."""
    ended: bool = False
    """Whether nothing more comes."""

    @property
    def text(self) -> str:
        """The text parts joined."""
        return "".join(part["text"] for part in self.parts if part["kind"] == "text")


class Log:
    """Applies items, and gives those on that a reader should see: the pieces of a snapshot as one."""

    def __init__(self, position: str | None) -> None:
        self.position = position
        """Where to continue: that of the last item that is complete."""
        self._rest = RunContent()
        self._parts: dict[str, dict[str, Any]] = {}
        self._snapshot: dict[str, Any] | None = None
        """One that is not complete, and its parts."""
        self._pieces: dict[str, dict[str, Any]] = {}

    @property
    def content(self) -> RunContent:
        """A copy, which later items do not change."""
        return replace(self._rest, parts=tuple(dict(part) for part in self._parts.values()))

    @property
    def ended(self) -> bool:
        return self._rest.ended

    def lost(self) -> None:
        """The stream is lost: forget the pieces of a snapshot, whose others will not come."""
        self._snapshot = None
        self._rest = replace(self._rest, live=False)

    def apply(self, item: RunItem) -> RunItem | None:
        """The item for the reader; `None` while a snapshot is not complete."""
        if item["kind"] == "snapshot":
            self._snapshot, self._pieces = item, _by_name(item["parts"])
        parts = self._parts if self._snapshot is None else self._pieces
        if not _change(parts, item):
            self._rest = _changed(self._rest, item)
        elif self._snapshot is None:
            self._rest = _working(self._rest)
        position = item.get("position")
        if isinstance(position, str):
            self.position = position
        if self._snapshot is None:
            return item
        return self._complete(self._snapshot, position) if isinstance(position, str) else None

    def _complete(self, first: RunItem, position: str) -> RunItem:
        self._snapshot, self._parts = None, self._pieces
        asks = tuple(first["asks"])
        self._rest = replace(self._rest, state=first["state"], asks=asks, status=None, error=None)
        return {**first, "parts": [dict(part) for part in self._parts.values()], "position": position}


def _by_name(parts: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    return {part["part"]: dict(part) for part in parts}


def _change(parts: dict[str, dict[str, Any]], item: RunItem) -> bool:
    """Apply an item to the parts; false if it does not concern them."""
    kind = item["kind"]
    if kind in ("text", "reasoning"):
        part = parts.setdefault(item["part"], {"part": item["part"], "kind": kind, "text": ""})
        part["text"] = part.get("text", "") + item["text"]
    elif kind == "data":
        parts[item["part"]] = {key: item[key] for key in ("part", "kind", "name", "value")}
    elif kind == "retract":
        for name in item["parts"]:
            parts.pop(name, None)
    else:
        return False
    return True


def _working(now: RunContent) -> RunContent:
    """The run writes, so it does not wait for its turn."""
    if now.state not in (None, "queued"):
        return now
    waited = now.status is not None and now.status.get("status") == "queued"
    return replace(now, state="running", status=None if waited else now.status)


def _changed(now: RunContent, item: RunItem) -> RunContent:
    """What an item says beside the parts. Kinds that are not known are left to the reader."""
    told = {key: value for key, value in item.items() if key not in ("kind", "position")}
    match item["kind"]:
        case "status" if told.get("status") == "queued":
            return replace(now, status=told, state="queued")
        case "status":
            return replace(_working(now), status=told)
        case "ask":
            return replace(now, asks=(*_without(now.asks, told["askId"]), told), state="waiting")
        case "answered":
            asks = _without(now.asks, told["askId"])
            return replace(now, asks=asks, state="waiting" if asks else "running")
        case "steered":
            return replace(now, steered=(*now.steered, told))
        case "live":
            return replace(now, live=True)
        case "end":
            return replace(
                now,
                state=told["state"],
                error=told["error"],
                usage=tuple(told["usage"]),
                unread=tuple(told["unread"]),
                asks=(),
                status=None,
                live=True,
                ended=True,
            )
        case _:
            return now


def _without(asks: Sequence[Mapping[str, Any]], ask_id: str) -> tuple[Mapping[str, Any], ...]:
    return tuple(ask for ask in asks if ask["askId"] != ask_id)
