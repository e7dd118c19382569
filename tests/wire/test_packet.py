"""A message for many is encoded once per codec."""

from hubline.wire.json import JsonCodec
from hubline.wire.messages import Ping
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.packet import Packet, SerializedMessage


def test_each_codec_encodes_a_message_once_however_often_it_is_asked() -> None:
    message = SerializedMessage(Ping())
    first = message.packet_for(JsonCodec())
    assert first == b'{"type":6}\x1e'
    assert message.packet_for(JsonCodec()) is first
    assert message.packet_for(MessagePackCodec()) == b"\x02\x91\x06"


def test_a_packet_is_bytes_with_a_key() -> None:
    packet = Packet(b"x", key="k")
    assert packet == b"x"
    assert packet.key == "k"
    assert Packet(b"x").key is None
