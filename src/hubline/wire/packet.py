"""Encoded messages: each is encoded once per codec, however many connections it goes to."""

from collections.abc import Mapping
from typing import Self

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


class SerializedMessage:
    """A message that many connections receive; each codec encodes it at most once, when first asked.

    The original's `SerializedHubMessage`. With a `key` its packets are `Packet`s. `packets` has ready-made bytes by the
    name of their codec. Without a `message`, only these exist.
    """

    __slots__ = ("_packets", "key", "message")

    def __init__(
        self, message: Message | None, *, key: str | None = None, packets: Mapping[str, bytes] | None = None
    ) -> None:
        self.message, self.key = message, key
        self._packets: dict[str, bytes] = {}
        for name, packet in (packets or {}).items():
            self._packets[name] = packet if key is None else Packet(packet, key)

    def packet_for(self, codec: Codec) -> bytes:
        """The message for connections with this codec. Raises what `Codec.encode` raises.

        Raises:
            LookupError: there are only ready-made bytes, and none for this codec.
        """
        packet = self._packets.get(codec.name)
        if packet is None:
            if self.message is None:
                raise LookupError(f"the message has no form for the codec {codec.name!r}")
            packet = codec.encode(self.message)
            if self.key is not None:
                packet = Packet(packet, self.key)
            self._packets[codec.name] = packet
        return packet
