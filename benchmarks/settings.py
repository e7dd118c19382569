"""How much is measured: everything that a row counts in, for a whole run, a quick one and a test."""

from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Settings:
    """Counts are of connections and messages, sizes in characters, times in seconds."""

    rounds: int = 3
    seconds: float = 2.0
    """The least for which a row is measured in a round."""
    again: float = 0.3
    """How long a server has the row's load before each measurement: its connections are new, and it was stopped."""
    warm_slice: float = 1.0
    warm_last: float = 3.0
    warm_rise: float = 0.03
    warm_most: float = 30.0
    """See `benchmarks.warming`."""
    callers: int = 64
    recipients: int = 1_000
    broadcasts: int = 200
    long_broadcasts: int = 5_000
    message_size: int = 64
    streams: int = 64
    tokens: int = 20_000
    token_size: int = 8
    paced_streams: int = 500
    paced_every_ms: int = 20
    viewers: int = 1_000
    answers: int = 100
    answer_every_ms: int = 7
    """A token: 143 a second."""
    attaches: int = 200
    cut_clients: int = 100
    cut_seconds: float = 60.0
    cut_every: float = 15.0
    cut_away: float = 2.0
    cut_rate: float = 2.0
    """Messages a second."""
    storm: int = 5_000
    idle: int = 5_000
    idle_seconds: float = 15.0
    """A keep-alive interval, so that every connection is pinged once."""
    fallbacks: int = 500
    waiting: int = 10
    """Messages that wait for a poll."""
    growth_connections: tuple[int, ...] = (100, 1_000, 10_000)
    growth_groups: tuple[int, ...] = (1, 100, 10_000)
    growth_sizes: tuple[int, ...] = (16, 256, 1_024, 4_096, 32_000)
    growth_servers: tuple[int, ...] = (1, 2, 4, 8)
    growth_seconds: float = 0.5
    """The least for which each point of a growth curve is measured."""

    recovering: int = 5_000
    """Connections that live through a restart of Redis."""
    recovering_groups: int = 100
    redis_away: float = 1.0

    def with_rounds(self, rounds: int) -> "Settings":
        return replace(self, rounds=rounds)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


WHOLE = Settings()
QUICK = Settings(
    rounds=1,
    warm_most=20.0,
    attaches=50,
    cut_clients=50,
    cut_seconds=12.0,
    cut_every=4.0,
    cut_away=1.0,
    idle=1_000,
    idle_seconds=3.0,
    growth_connections=(100, 1_000),
    growth_groups=(1, 100),
    growth_servers=(1, 2, 4),
    recovering=1_000,
    growth_sizes=(16, 1_024, 32_000),
)
TINY = Settings(
    rounds=1,
    seconds=0.05,
    again=0.01,
    warm_slice=0.01,
    warm_last=0.01,
    warm_most=0.02,
    callers=3,
    recipients=5,
    broadcasts=6,
    long_broadcasts=8,
    streams=2,
    tokens=50,
    paced_streams=3,
    paced_every_ms=1,
    viewers=4,
    answers=3,
    answer_every_ms=1,
    attaches=3,
    cut_clients=4,
    cut_seconds=0.3,
    cut_every=0.1,
    cut_away=0.02,
    cut_rate=50.0,
    storm=5,
    idle=5,
    idle_seconds=0.05,
    fallbacks=3,
    waiting=2,
    growth_connections=(2, 4),
    growth_groups=(1, 8),
    growth_sizes=(16, 1_024),
    growth_servers=(1, 2),
    growth_seconds=0.01,
    recovering=6,
    recovering_groups=2,
    redis_away=0.01,
)
"""For tests: whether everything works, not how fast."""
