"""Which worker of `hubline run --workers` this process is, for the defaults of the application that it loads."""

import itertools
import os
import secrets
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

HUB = "hub"
"""The name of the socket of the workers' hub, in their directory."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One process of several that serve one port."""

    number: int
    """From 0. A worker that replaces another has its number."""
    directory: str
    """Of the workers' sockets, their runs and their rooms. Only their user may enter it, and it ends with them."""
    secret: str = field(repr=False)
    """Known to the workers alone."""
    count: int = 1
    """How many serve together."""
    apps: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)
    """A number for each app of this process."""
    logs: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)
    """A number for each log of runs of this process."""

    rooms: Iterator[int] = field(default_factory=itertools.count, repr=False, compare=False)
    """A number for each store of rooms of this process."""

    budgets: Counter[str] = field(default_factory=Counter, repr=False, compare=False)
    """How many budgets of this process belong to a function of this name."""

    named: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)
    """The budgets of this process that have names, where the workers count them."""

    @property
    def hub(self) -> str:
        """The path of the socket at which the hub of the workers listens."""
        return os.path.join(self.directory, HUB)

    def new_socket(self) -> str:
        """A path for a socket of this process."""
        return os.path.join(self.directory, secrets.token_hex(8))

    def new_log(self) -> str:
        """A path for a log of runs. In every worker the first call returns the same path, and so on."""
        return os.path.join(self.directory, f"runs-{next(self.logs)}.sqlite")

    def new_rooms(self) -> str:
        """The same for rooms."""
        return os.path.join(self.directory, f"rooms-{next(self.rooms)}.sqlite")

    def new_budget(self, function: str) -> tuple[str, str]:
        """A path for the budget of a function, and a name: the same in every worker that registers the same ones."""
        self.budgets[function] += 1
        return self.budgets_path, f"{function} {self.budgets[function]}"

    @property
    def budgets_path(self) -> str:
        """Where the workers count budgets."""
        return os.path.join(self.directory, "budgets.sqlite")


current: Worker | None = None
"""Set in a worker before the application is loaded. `None` in a process that serves alone."""

leaves_to_a_successor = False
"""Whether this process stops because another one has its place already."""
