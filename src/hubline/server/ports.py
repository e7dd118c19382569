"""What calls and the fan-out may ask of a connection and of its hub. Both are made above them, and know them."""

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from hubline.server.clients import ClientInterface, Sender
from hubline.server.context import HubCallerContext
from hubline.server.hub import GroupManager
from hubline.wire.codec import Codec
from hubline.wire.messages import Message


class HubConnection(Protocol):
    """A connection of a hub, after its handshake."""

    id: str
    """The public id."""
    codec: Codec
    context: HubCallerContext
    """Who it is; a refresh puts another object here."""
    loop: asyncio.AbstractEventLoop
    variables: contextvars.Context
    """What middleware has set for the request. Whatever runs for the connection does so in a copy of its own."""

    @property
    def write(self) -> Callable[[bytes], bool]:
        """Queues an encoded message; False when the caller should `drain()`. May change meanwhile."""

    @property
    def broadcast(self) -> Callable[[bytes], bool]:
        """The same for a message that many get."""

    @property
    def drain(self) -> Callable[[], Coroutine[Any, Any, None]]:
        """Waits until less is queued, or the connection ended. May change meanwhile."""

    @property
    def user_id(self) -> str | None: ...

    @property
    def unoffered(self) -> bool:
        """Whether much is queued that the peer is offered as soon as others have a turn of the loop."""

    def send(self, message: Message) -> bool:
        """Encode and queue; False when the caller should `drain()`. Raises what encoding raises, and `SendTooLarge`."""

    def stir(self) -> None:
        """Have its heartbeat come at the next beat."""

    def close(self, *, error: str = "", allow_reconnect: bool = False, cause: Exception | None = None) -> None:
        """Begin to end."""


class Fanout(Sender, GroupManager, Protocol):
    """Carries calls to clients, and keeps groups."""


class HubServices(Protocol):
    """What a hub object reaches through the call that it lives for."""

    @property
    def interface(self) -> ClientInterface: ...

    @property
    def lifetime(self) -> Fanout: ...
