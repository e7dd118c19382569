"""One payload for the JSON codec, without its record separator."""

from fuzz.roundtrip import check_codec
from fuzz.seeds import messages
from hubline.wire.json import JsonCodec

CODEC = JsonCodec()
SEEDS = [each.removesuffix(b"\x1e") for each in messages("json")]


def check(data: bytes) -> None:
    check_codec(CODEC, data.replace(b"\x1e", b""))
