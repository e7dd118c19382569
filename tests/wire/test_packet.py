"""A message for many is encoded once per codec."""

import pytest

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


def test_the_packets_of_a_message_with_a_key_have_it() -> None:
    message = SerializedMessage(Ping(), key="k")
    packet = message.packet_for(JsonCodec())
    assert isinstance(packet, Packet)
    assert (packet, packet.key) == (b'{"type":6}\x1e', "k")
    assert message.packet_for(JsonCodec()) is packet


def test_ready_made_bytes_are_taken_as_they_are() -> None:
    ready = b"ready"
    assert SerializedMessage(None, packets={"json": ready}).packet_for(JsonCodec()) is ready
    assert SerializedMessage(Ping(), packets={"json": ready}).packet_for(MessagePackCodec()) == b"\x02\x91\x06"
    packet = SerializedMessage(None, key="k", packets={"json": ready}).packet_for(JsonCodec())
    assert isinstance(packet, Packet)
    assert (packet, packet.key) == (ready, "k")
    with pytest.raises(LookupError, match="no form for the codec 'messagepack'"):
        SerializedMessage(None, packets={"json": ready}).packet_for(MessagePackCodec())
