"""What clients of a `RunsHub` get, as types, for hubs that override its methods and for contracts.

Keys are the same in JSON and MessagePack. The meaning of the kinds is in docs/specs/runs.md.
"""

from typing import Any, Required, TypedDict

from hubline.runs.info import RunState

__all__ = ["RunInfo", "RunItem", "RunsChange"]


class RunInfo(TypedDict):
    """The state of a run at one time. Times are ISO 8601 in UTC."""

    id: str
    state: RunState
    position: str | None
    room: str | None
    key: str | None
    starter: str | None
    startedAt: str | None
    endedAt: str | None
    viewers: int
    usage: list[dict[str, Any]]


class RunItem(TypedDict, total=False):
    """An item of a run. `kind` says which of the other keys it has; a client skips kinds that it does not know."""

    kind: Required[str]
    position: Required[str | None]
    part: str
    text: str
    name: str
    value: Any
    parts: list[Any]
    state: RunState
    asks: list[dict[str, Any]]
    status: str
    place: int
    askId: str
    prompt: Any
    schema: Any
    expiresAt: str | None
    by: str | None
    expired: bool
    steerId: str
    error: str | None
    usage: list[dict[str, Any]]
    unread: list[str]


class RunsChange(TypedDict, total=False):
    """`runs`: all of them, first; `run`: the one in `info` has changed."""

    kind: Required[str]
    runs: list[RunInfo]
    info: RunInfo
