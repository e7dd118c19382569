"""Encoded messages: each is encoded once per codec, however many connections it goes to."""

from collections.abc import Mapping
from typing import Self

from hubline.wire.codec import Codec
from hubline.wire.messages import Message


class Packet(bytes):
    """An encoded message with a `key`: `TransportConnection.replace` puts it in the place of one of the same key.

    One that replaces nothing is plain `bytes`: an object around each cost a stream a third of its time.
    """

    key: str | None
    """What it replaces: a packet of the same key that still waits. `None` replaces nothing."""

    def __new__(cls, payload: bytes, key: str | None = None) -> Self:
        packet = super().__new__(cls, payload)
        packet.key = key
        return packet


class SerializedMessage:
    """A message that many connections receive; each codec encodes it at most once, when first asked.

    The original's `SerializedHubMessage`. With a `key` its packets are `Packet`s. `packets` are ready-made bytes by the
    name of their codec; without a `message` there are no others.
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
        """The message for connections that speak `codec`. Raises what `Codec.encode` raises.

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
