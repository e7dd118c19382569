"""Encoded messages: each is encoded once per codec, however many connections it goes to."""

from typing import Self

from msgspec import Struct

from hubline.wire.codec import Codec
from hubline.wire.messages import Message


class Packet(bytes):
    """An encoded message with a `key`. With `TransportConnection.replace` it replaces a queued message of the same key.

    A message without a key is plain `bytes`, because an object for each message costs a stream a third of its time.
    """

    key: str | None
    """The packet replaces a queued packet with the same key. `None` replaces nothing."""

    def __new__(cls, payload: bytes, key: str | None = None) -> Self:
        packet = super().__new__(cls, payload)
        packet.key = key
        return packet


class SerializedMessage(Struct, eq=False):
    """A message that many connections receive; each codec encodes it at most once, when first asked.

    The original's `SerializedHubMessage`. With a `key` its packets are `Packet`s. `packets` has ready-made bytes by the
    name of their codec. Without a `message`, only these exist.
    """

    message: Message | None
    key: str | None = None
    packets: dict[str, bytes] = {}  # a Struct makes a new one for each

    def packet_for(self, codec: Codec) -> bytes:
        """The message for connections with this codec. Raises what `Codec.encode` raises.

        Raises:
            LookupError: there are only ready-made bytes, and none for this codec.
        """
        packet = self.packets.get(codec.name)
        if packet is None:
            if self.message is None:
                raise LookupError(f"the message has no form for the codec {codec.name!r}")
            packet = self.packets[codec.name] = codec.encode(self.message)
        if self.key is None or isinstance(packet, Packet):
            return packet
        packet = self.packets[codec.name] = Packet(packet, self.key)
        return packet
