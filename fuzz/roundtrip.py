"""What both codecs promise: a payload is a message, is ignored, or is refused, and a message survives being written."""

from contextlib import suppress
from typing import Any

from msgspec import Raw, ValidationError
from msgspec.structs import asdict

from hubline.errors import RemoteProtocolError
from hubline.wire.codec import Codec


def check_codec(codec: Codec, payload: bytes) -> None:
    try:
        message = codec.decode(payload)
    except RemoteProtocolError:
        return
    if message is None:
        return
    read = codec.reader(object)
    for value in asdict(message).values():
        if isinstance(value, Raw):
            with suppress(ValidationError):
                read(value)
    (again,) = codec.splitter(None).feed(codec.encode(message))
    found = codec.decode(again)
    assert type(found) is type(message), (message, found)
    assert _fields(found) == _fields(message), (message, found)


def _fields(message: Any) -> dict[str, Any]:
    return {name: bytes(value) if isinstance(value, Raw) else value for name, value in asdict(message).items()}
