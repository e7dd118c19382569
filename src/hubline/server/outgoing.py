"""What a hub connection says: one gate for all of it.

Messages of hubs, `send(message)` and `broadcast(packet)`, are written as long as somebody hears them. What is said for
the connection itself, `Close`, `Ack` and `Sequence`, goes by `_say` through the wire. So the state of the wire is true,
and what stateful reconnect counts are exactly the messages that hubs send.
"""

from collections.abc import Callable, Coroutine
from typing import Any

from hubline.connection import TransportConnection
from hubline.server.turns import let_others
from hubline.wire.codec import Codec
from hubline.wire.connection import WireConnection
from hubline.wire.messages import Message


def drop(packet: bytes) -> bool:
    """Where messages go when a connection has ended: silently nowhere, as in the original."""
    return False


class Outgoing:
    """The sending side of a connection."""

    __slots__ = ("_transport", "_wire", "broadcast", "codec", "drain", "write")

    codec: Codec

    def __init__(self, transport: TransportConnection) -> None:
        self._transport = transport
        self._wire: WireConnection
        self.write: Callable[[bytes], bool] = transport.write
        """Queue a message that is encoded already. False when the caller should `drain()`. Raises `SendTooLarge`."""
        self.broadcast = self.write
        """The same for a message that many get. One call and no more: it is the end of every fan-out."""
        self.drain: Callable[[], Coroutine[Any, Any, None]] = transport.drain
        """Wait until the peer has taken much of what is queued, or the connection ended."""

    @property
    def unoffered(self) -> bool:
        return self._transport.unoffered

    def send(self, message: Message) -> bool:
        """Encode and queue; False when the caller should `drain()`. Raises what encoding raises, and `SendTooLarge`."""
        return self.write(self.codec.encode(message))

    def _say(self, message: Message) -> None:
        """What the connection says for itself, also when hubs are not heard any more."""
        self._transport.write(self._wire.send(message))

    def _shut(self) -> None:
        """From now on hubs are not heard."""
        self.write = self.broadcast = drop
        self.drain = let_others
