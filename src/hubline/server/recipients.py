"""The recipients of a message: a closed union of values, so a backplane can carry them."""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class All:
    """Every connection of the hub except the excluded ones."""

    excluded: tuple[str, ...] = ()
    """Ids of connections."""


@dataclass(frozen=True, slots=True)
class Connections:
    """The connections with these ids. Unknown ids are ignored. Each gets the message once."""

    ids: tuple[str, ...]
    """Public ids, as `context.connection_id`."""


@dataclass(frozen=True, slots=True)
class Groups:
    """The members of these groups. A member of two of them gets the message twice, as in the original."""

    names: tuple[str, ...]
    """Names of groups, case-sensitive."""
    excluded: tuple[str, ...] = ()
    """Ids of connections."""


@dataclass(frozen=True, slots=True)
class Users:
    """Every connection of these users. Ids are case-sensitive. Each connection gets the message once."""

    ids: tuple[str, ...]
    """User ids, as `context.user_id`."""


Recipients: TypeAlias = All | Connections | Groups | Users
