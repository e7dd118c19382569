"""What one measured part of a client program has used."""

import argparse
import json
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

SIZE = 8
"""Characters of an item of the stream, as of a token."""


@dataclass
class Spent:
    """Microseconds of CPU and of time for each of `count`, calls or items."""

    count: int
    user_us: float = 0.0
    system_us: float = 0.0
    wall_us: float = 0.0


@dataclass
class Figures:
    """The result of a program."""

    parts: dict[str, Spent] = field(default_factory=dict)

    @contextmanager
    def part(self, name: str, count: int) -> Iterator[None]:
        before, started = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        yield
        after, ended = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        self.parts[name] = Spent(
            count,
            (after.ru_utime - before.ru_utime) / count * 1e6,
            (after.ru_stime - before.ru_stime) / count * 1e6,
            (ended - started) / count * 1e6,
        )

    def tell(self) -> None:
        print(json.dumps({name: asdict(spent) for name, spent in self.parts.items()}))


def arguments() -> argparse.Namespace:
    """The arguments of every program."""
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("codec", choices=("json", "messagepack"))
    parser.add_argument("calls", type=int)
    parser.add_argument("items", type=int)
    parser.add_argument("tokens", type=int)
    return parser.parse_args()


def stream_arguments(name: str, count: int) -> tuple[str, list[Any]]:
    """Method and arguments of the stream of a part: `items` at full speed, `tokens` one every millisecond."""
    return ("Tokens", [count, SIZE]) if name == "items" else ("PacedTokens", [count, SIZE, 1])


def checked(count: int, wanted: int) -> None:
    """A client that loses items is no faster for it."""
    if count != wanted:
        raise SystemExit(f"{count} of {wanted} items have come")
