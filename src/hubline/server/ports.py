"""The interfaces of a connection and of its hub for calls and fan-out, which must not import the modules above them."""

import asyncio
import contextvars
from typing import Any, NamedTuple, Protocol

from hubline.server.clients import ClientInterface, Sender
from hubline.server.members import Member
from hubline.streams.ports import HoldingWriter


class HubConnection(Member, HoldingWriter, Protocol):
    """A connection of a hub, as its calls see it."""

    loop: asyncio.AbstractEventLoop
    variables: contextvars.Context
    """What middleware has set for the request. Whatever runs for the connection does so in a copy of its own."""


class GroupMember(NamedTuple):
    """A connection in a group."""

    connection_id: str
    """The connection's id."""
    user_id: str | None
    """The id of its user; `None` for an anonymous one."""


class GroupManager(Protocol):
    """Puts connections into named groups and takes them out, and says which are in one.

    `members` and `count` ask all servers of Hubline that have connections of the hub; those of .NET do not answer. Over
    PostgreSQL, and a cluster of Redis without `mode="sharded"`, an answer takes 2 seconds. They raise BackplaneError if
    a server does not report. What they say may have changed when it is read: for a list that is always right use rooms.
    """

    async def add(self, connection_id: str, name: str) -> None:
        """Idempotent. An unknown connection is ignored. Membership ends with the connection."""

    async def remove(self, connection_id: str, name: str) -> None:
        """Idempotent. A connection that is not in the group is ignored."""

    async def members(self, name: str, *, after: str = "", limit: int = 1_000) -> list[GroupMember]:
        """The first connections in the group, in the order of their ids; 1,000 at most. `after`: behind this id."""

    async def count(self, name: str) -> int:
        """How many connections are in the group."""


class Port(Sender, Protocol):
    """Sends calls to clients, and keeps groups: `server/fanout.py`."""

    @property
    def groups(self) -> GroupManager: ...


class HubServices(Protocol):
    """What a hub object can use of its hub."""

    @property
    def interface(self) -> ClientInterface[Any]: ...

    @property
    def fanout(self) -> Port: ...
