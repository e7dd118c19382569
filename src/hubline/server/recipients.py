"""Whom a message is for: a closed union, and the only way to say it. Values only, so a backplane can carry them."""

from typing import TypeAlias

from msgspec import Struct


class All(Struct, frozen=True, gc=False):
    """Every connection of the hub but the excluded ones."""

    excluded: tuple[str, ...] = ()
    """Ids of connections."""


EVERYBODY = All()
"""The commonest, made once and known by its identity."""


class Connections(Struct, frozen=True, gc=False):
    """The connections with these ids; unknown ids are nobody. Each gets the message once."""

    ids: tuple[str, ...]
    """Public ids, as `context.connection_id`."""


class Groups(Struct, frozen=True, gc=False):
    """The members of these groups. A member of two of them gets the message twice, as in the original."""

    names: tuple[str, ...]
    """They compare exactly, also in case."""
    excluded: tuple[str, ...] = ()
    """Ids of connections."""


class Users(Struct, frozen=True, gc=False):
    """Every connection of these users. Ids compare exactly, also in case. Each connection gets the message once."""

    ids: tuple[str, ...]
    """User ids, as `context.user_id`."""


Recipients: TypeAlias = All | Connections | Groups | Users
