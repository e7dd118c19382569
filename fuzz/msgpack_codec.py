"""One payload for the MessagePack codec, without its length."""

from fuzz.roundtrip import check_codec
from fuzz.seeds import messages
from hubline.wire.msgpack import MessagePackCodec

CODEC = MessagePackCodec()
SEEDS = [payload for each in messages("messagepack") for payload in CODEC.splitter(None).feed(each)]


def check(data: bytes) -> None:
    check_codec(CODEC, data)
