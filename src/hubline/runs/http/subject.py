"""What a reader reads, for dialects that say so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Subject:
    """A run, and what the reader has sent to ask for it."""

    run_id: str
    room: str | None = None
    sent: Mapping[str, Any] = field(default_factory=dict)
    """The body of the request; empty where there was none."""
