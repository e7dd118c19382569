"""How a program on a database is written once for SQLite and PostgreSQL.

A program is a generator: it yields statements and gets their rows. So the same program runs on the thread that SQLite
needs and on an asynchronous connection to PostgreSQL, within one transaction.
"""

import hashlib
import json
from collections.abc import Collection, Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

NEWER = "its tables are of version {found}, and this release knows {known}: use a newer release of Hubline"

VERSION = "CREATE TABLE IF NOT EXISTS {version} (version INTEGER NOT NULL)"
"""The table `version`."""

LONGEST_NAME = 200
"""Characters of a name that is stored as it is; a longer one is replaced by a digest. Ours: indexes have limits."""

T = TypeVar("T")


class Ask(NamedTuple):
    """A statement; the program gets its rows."""

    text: str
    parameters: Sequence[Any] = ()


class Many(NamedTuple):
    """A statement for each row of parameters; the program gets nothing."""

    text: str
    rows: Sequence[Sequence[Any]]


class Lock(NamedTuple):
    """Until the transaction ends, no other transaction that locks this name continues."""

    name: str


class Topics(NamedTuple):
    """Until the transaction ends, nobody subscribes to these topics; with `subscribes`, nobody publishes there either.

    Who subscribes and then reads what there is misses nothing so: what was published before is committed, and whoever
    publishes later finds the subscription. Databases with one writer at a time need nothing for it. Ask once in a
    transaction, and after its locks of rows, so that no two wait in a circle.
    """

    names: Collection[str]
    subscribes: bool = False


class Woken(NamedTuple):
    """When the transaction has committed, these servers have mail."""

    nodes: Collection[str]


Step: TypeAlias = Ask | Many | Lock | Topics | Woken
Program: TypeAlias = Generator[Step, Any, T]
"""It checks before it changes anything, and returns what it found instead of raising."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """How statements differ between databases. In them `{NAME}` is the name of a table, and `?` a parameter."""

    table: str
    """The name of the first table, with which the names of the others begin."""
    tables: Sequence[str]
    """What statements call the tables, the first one first."""
    parameter: str
    now: str
    """An expression for the present time in milliseconds."""
    row_lock: str
    """What locks the rows of a SELECT."""
    serial: str
    """The type of a column with rising numbers."""
    _made: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def sql(self, text: str) -> str:
        """A statement of a program in this dialect."""
        made = self._made.get(text)
        if made is None:
            first, *others = self.tables
            names = {first: self.table, **{name: f"{self.table}_{name}" for name in others}}
            filled = text.format(now=self.now, lock=self.row_lock, serial=self.serial, **names)
            made = self._made[text] = filled.replace("?", self.parameter)
        return made


def prepared(create: Sequence[str], known: int) -> Program[int]:
    """Make the tables of version `known` if they are not there. Returns the version of those that are.

    Among the statements of `create` is that of the table `version`.
    """
    yield Lock("tables")
    for statement in create:
        yield Ask(statement)
    if not (yield Ask("SELECT version FROM {version}")):
        yield Ask("INSERT INTO {version} (version) VALUES (?)", (known,))
    return (yield from version())


def version() -> Program[int]:
    """The version of the tables."""
    found = yield Ask("SELECT version FROM {version}")
    return int(found[0][0]) if found else 0


def stored(name: str) -> str:
    """A name of any characters and length as the tables have it, different for different names."""
    text = json.dumps(name)
    if len(text) <= LONGEST_NAME:
        return text
    return f"{text[: LONGEST_NAME - 80]}…{hashlib.sha256(text.encode()).hexdigest()}"


def marks(items: Sequence[Any]) -> str:
    """So many parameters, for `IN (…)`."""
    return ", ".join("?" * len(items))


class Programs(Protocol):
    """A database that is there when it is asked, for whoever needs nothing else of it."""

    async def run(self, program: Program[T]) -> T:
        """Run a program in a transaction, and return its result. Raises BackplaneError: whether it ran is unknown."""

    async def close(self) -> None:
        """Close the connection. Used again, it opens it again."""
