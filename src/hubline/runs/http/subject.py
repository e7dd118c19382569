"""The subject of a response, for dialects that name it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Subject:
    """A run, and the request of the reader."""

    run_id: str
    room: str | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    """The body of the request; empty if there was none."""
