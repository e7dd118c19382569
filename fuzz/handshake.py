"""A handshake request or response is read, or refused with `HandshakeError`; what was read survives being written."""

from contextlib import suppress

from hubline.errors import HandshakeError
from hubline.wire.codec import TransferFormat
from hubline.wire.handshake import HandshakeRequest, HandshakeResponse, choose_codec
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec

CODECS = (JsonCodec(), MessagePackCodec())
SEEDS = [
    b'{"protocol":"json","version":1}',
    b'{"protocol":"messagepack","version":2}',
    b'{"version":-1,"protocol":"JSON","x":[{}]}',
    b"{}",
    b'{"error":"Handshake was canceled."}',
    b'{"type":6}',
]


def check(data: bytes) -> None:
    payload = data.replace(b"\x1e", b"")
    for detailed in (False, True):
        with suppress(HandshakeError):
            request = HandshakeRequest.parse(payload, detailed_errors=detailed)
            assert HandshakeRequest.parse(request.format()[:-1]) == request
            assert choose_codec(request, CODECS, [TransferFormat.TEXT]) is CODECS[0]
    with suppress(HandshakeError):
        response = HandshakeResponse.parse(payload)
        assert HandshakeResponse.parse(response.format()[:-1]) == response
