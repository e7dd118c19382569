"""Encoded messages: each is encoded once per codec, however many connections it goes to."""

from hubline.wire.codec import Codec
from hubline.wire.messages import Message


class Packet:
    """One encoded hub message, shared by all its recipients and never changed.

    `payload` holds the message with its framing, in `size` bytes. `key` names what it replaces in an outbox whose
    policy is `latest`.
    """

    __slots__ = ("key", "payload", "size")

    def __init__(self, payload: bytes, key: str | None = None) -> None:
        self.payload = payload
        self.size = len(payload)
        self.key = key

    def __repr__(self) -> str:
        return f"Packet({self.payload!r})"


class SerializedMessage:
    """A message that many connections receive; each codec encodes it at most once, when first asked.

    The original's `SerializedHubMessage`.
    """

    __slots__ = ("_packets", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self._packets: dict[str, Packet] = {}

    def packet_for(self, codec: Codec) -> Packet:
        """The packet for connections that speak `codec`. Raises what `Codec.encode` raises."""
        packet = self._packets.get(codec.name)
        if packet is None:
            packet = self._packets[codec.name] = Packet(codec.encode(self.message))
        return packet
