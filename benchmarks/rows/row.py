"""A row: a question, the code for it, and the form of its figures."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from benchmarks.rows.measuring import Bench, Figures, Load, Warm

Once = Callable[[Bench, Warm], Awaitable[Figures]]


@dataclass(frozen=True, slots=True)
class Column:
    """A figure in a table. `form` is how a number is written."""

    figure: str
    label: str
    form: str = "{:,.0f}"


@dataclass(frozen=True, slots=True)
class Row:
    """The first column is the one that is compared and drawn."""

    key: str
    title: str
    question: str
    columns: tuple[Column, ...]
    load: Load | None = None
    """Measured in each round, on servers that are warm."""
    once: Once | None = None
    """Measured once, without rounds, after everything else."""
    fresh: bool = False
    """In a process of its own, because earlier rows would change its memory."""
    more_is_better: bool = True
    backplane: bool = False
    """On several servers of a peer that share a Redis. CPU is that of all of them together, Redis included."""
    curve: str = ""
    """What grows, when the figures are points of a curve."""


USER = Column("user_us", "user µs", "{:.2f}")
KERNEL = Column("kernel_us", "kernel µs", "{:.2f}")
SERVER = Column("server_cpu", "server's core", "{:.0%}")
CLIENT = Column("client_cpu", "client's core", "{:.0%}")
COSTS = (USER, KERNEL, SERVER, CLIENT)
CALLS = (Column("per_second", "calls/s"), Column("p50_ms", "p50 ms", "{:.2f}"), Column("p99_ms", "p99 ms", "{:.2f}"))
DELIVERED = (Column("per_second", "messages/s"), *COSTS)
