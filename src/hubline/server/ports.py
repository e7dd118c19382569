"""The interfaces of a connection and of its hub for calls and fan-out, which must not import the modules above them."""

import asyncio
import contextvars
from typing import Any, Protocol

from hubline.server.clients import ClientInterface, Sender
from hubline.server.members import Member
from hubline.streams.ports import HoldingWriter


class HubConnection(Member, HoldingWriter, Protocol):
    """A connection of a hub, as its calls see it."""

    loop: asyncio.AbstractEventLoop
    variables: contextvars.Context
    """What middleware has set for the request. Whatever runs for the connection does so in a copy of its own."""


class GroupManager(Protocol):
    """Puts connections into named groups and takes them out."""

    async def add(self, connection_id: str, name: str) -> None:
        """Idempotent. An unknown connection is ignored. Membership ends with the connection."""

    async def remove(self, connection_id: str, name: str) -> None:
        """Idempotent. A connection that is not in the group is ignored."""


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
