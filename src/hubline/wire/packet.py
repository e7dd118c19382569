"""Encoded messages: each is encoded once per codec, however many connections it goes to."""

from typing import Self

from hubline.wire.codec import Codec
from hubline.wire.messages import Message


class Packet(bytes):
    """An encoded message with a `key` that says what it replaces in an outbox whose policy is `latest`.

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

    The original's `SerializedHubMessage`.
    """

    __slots__ = ("_packets", "message")

    def __init__(self, message: Message) -> None:
        self.message = message
        self._packets: dict[str, bytes] = {}

    def packet_for(self, codec: Codec) -> bytes:
        """The message for connections that speak `codec`. Raises what `Codec.encode` raises."""
        packet = self._packets.get(codec.name)
        if packet is None:
            packet = self._packets[codec.name] = codec.encode(self.message)
        return packet
