"""The recipients of a message: a closed union of plain values, which a backplane can carry."""

from typing import TypeAlias

from msgspec import Struct


class All(Struct, frozen=True, gc=False):
    """Every connection of the hub but the excluded ones."""

    excluded: tuple[str, ...] = ()
    """Ids of connections."""


EVERYBODY = All()
"""The most common recipients: one object, compared by identity."""


class Connections(Struct, frozen=True, gc=False):
    """The connections with these ids. Unknown ids are ignored. Each connection gets the message once."""

    ids: tuple[str, ...]
    """Public ids, as `context.connection_id`."""


class Unawaited(Connections, frozen=True, gc=False):
    """The same, for a sender that must not wait for a client which is behind."""


class Groups(Struct, frozen=True, gc=False):
    """The members of these groups. A member of two of them gets the message twice, as in the original."""

    names: tuple[str, ...]
    """The names are case-sensitive."""
    excluded: tuple[str, ...] = ()
    """Ids of connections."""


class Users(Struct, frozen=True, gc=False):
    """Every connection of these users. Ids are case-sensitive. Each connection gets the message once."""

    ids: tuple[str, ...]
    """User ids, as `context.user_id`."""


Recipients: TypeAlias = All | Connections | Groups | Users
