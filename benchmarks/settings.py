"""How much is measured: everything that a row counts in, for a whole run, a quick one and a test."""

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """Counts are of connections and messages, sizes in characters, times in seconds."""

    rounds: int = 5
    seconds: float = 0.6
    """How long a row that runs for a time runs, and about how long one may take that counts."""
    callers: int = 64
    recipients: int = 1_000
    broadcasts: int = 200
    message_size: int = 64
    streams: int = 64
    tokens: int = 20_000
    token_size: int = 8
    paced_streams: int = 500
    paced_every_ms: int = 20
    paced_seconds: float = 1.5
    idle: int = 5_000
    idle_seconds: float = 15.0
    """A keep-alive interval, so that every connection is pinged once."""
    fallbacks: int = 500
    polls: int = 20
    growth_connections: tuple[int, ...] = (100, 1_000, 10_000)
    growth_groups: tuple[int, ...] = (1, 100, 10_000)
    growth_sizes: tuple[int, ...] = (16, 256, 1_024, 4_096, 32_000)
    growth_deliveries: int = 50_000
    """How many messages each point of a growth curve delivers."""

    def with_rounds(self, rounds: int) -> "Settings":
        return replace(self, rounds=rounds)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


WHOLE = Settings()
QUICK = Settings(
    rounds=1,
    seconds=0.4,
    tokens=5_000,
    paced_seconds=1.0,
    idle=1_000,
    idle_seconds=3.0,
    growth_connections=(100, 1_000),
    growth_groups=(1, 100),
    growth_sizes=(16, 1_024, 32_000),
    growth_deliveries=20_000,
)
TINY = Settings(
    rounds=1,
    seconds=0.05,
    callers=3,
    recipients=5,
    broadcasts=6,
    streams=2,
    tokens=50,
    paced_streams=3,
    paced_every_ms=1,
    paced_seconds=0.01,
    idle=5,
    idle_seconds=0.05,
    fallbacks=3,
    polls=2,
    growth_connections=(2, 4),
    growth_groups=(1, 8),
    growth_sizes=(16, 1_024),
    growth_deliveries=40,
)
"""For tests: whether everything works, not how fast."""
