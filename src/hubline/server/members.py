"""What fan-out needs of a connection. It knows no more of one, so it imports nothing that makes connections."""

from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from hubline.server.context import HubCallerContext
from hubline.wire.codec import Codec
from hubline.wire.messages import Message
from hubline.wire.packet import Packet


class Addressee(Protocol):
    """What can be addressed."""

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
        """Whether much is queued that the peer is offered as soon as others have a turn of the loop."""

    @property
    def unacknowledged(self) -> int:
        """Bytes that are kept for a stateful reconnect until the client acknowledges them."""

    def send(self, message: Message) -> bool:
        """Encode and queue. False when the caller should `drain()`."""

    @property
    def broadcast(self) -> Callable[[bytes], bool]:
        """Queues what is encoded already. False when more than the high-water mark is queued."""

    def replace(self, packet: Packet) -> bool:
        """The same in the place of what waits and has the same key, where that can be."""

    @property
    def drain(self) -> Callable[[], Coroutine[Any, Any, None]]:
        """Waits until less is queued, or the connection ended. May change meanwhile."""

    def stir(self) -> None:
        """Have the heartbeat look at the connection again."""

    def close(self, *, error: str = "", allow_reconnect: bool = False) -> None: ...
