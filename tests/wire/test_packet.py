"""A message for many is encoded once per codec."""

from hubline.wire.json import JsonCodec
from hubline.wire.messages import Ping
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.packet import Packet, SerializedMessage


def test_each_codec_encodes_a_message_once_however_often_it_is_asked() -> None:
    message = SerializedMessage(Ping())
    first = message.packet_for(JsonCodec())
    assert first.payload == b'{"type":6}\x1e'
    assert message.packet_for(JsonCodec()) is first
    assert message.packet_for(MessagePackCodec()).payload == b"\x02\x91\x06"


def test_a_packet_shows_what_is_in_it() -> None:
    packet = Packet(b"x", key="k")
    assert repr(packet) == "Packet(b'x')"
    assert packet.key == "k"
