"""The interface of a connection for fan-out, which does not import the modules that make connections."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from hubline.server.context import HubCallerContext
from hubline.wire.codec import Codec
from hubline.wire.messages import Message
from hubline.wire.packet import Packet


class Addressee(Protocol):
    """A recipient."""

    @property
    def id(self) -> str: ...

    @property
    def user_id(self) -> str | None: ...


class Member(Addressee, Protocol):
    """A connection of a hub, after its handshake."""

    @property
    def codec(self) -> Codec: ...

    @property
    def context(self) -> HubCallerContext: ...

    @property
    def unoffered(self) -> bool:
        """Whether much is queued that will be offered to the peer in the next turn of the event loop."""

    @property
    def unacknowledged(self) -> int:
        """Bytes that are kept for a stateful reconnect until the client acknowledges them."""

    def send(self, message: Message) -> bool:
        """Encode and queue a message. False if the caller should `drain()`."""

    @property
    def broadcast(self) -> Callable[[bytes], bool]:
        """Queues an encoded message. False if more than the high-water mark is queued."""

    def replace(self, packet: Packet) -> bool:
        """The same, in place of a queued message with the same key, if possible."""

    @property
    def drain(self) -> Callable[[], Coroutine[Any, Any, None]]:
        """Waits until less is queued, or the connection has ended. The attribute may change at any time."""

    def stir(self) -> None:
        """Make the heartbeat check the connection again."""

    def close(self, *, error: str = "", allow_reconnect: bool = False) -> None: ...
