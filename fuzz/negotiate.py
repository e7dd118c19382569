"""The query of a negotiation and its answer: a version or a refusal, a connection or `ConnectionClosed`."""

from contextlib import suppress

from hubline.errors import ConnectionClosed
from hubline.wire.negotiate import NegotiateResponse, choose_version, wants_stateful_reconnect

SEEDS = [
    b"1",
    b" -0000000000000000000000000000001",
    b"99999999999",
    b"true",
    b'{"negotiateVersion":1,"connectionId":"a","connectionToken":"b","availableTransports":'
    b'[{"transport":"WebSockets","transferFormats":["Text","Binary"]}]}',
    b'{"url":"http://x/","accessToken":"y"}',
    b'{"error":"no"}',
    b'{"ProtocolVersion":"1.5"}',
]


def check(data: bytes) -> None:
    text = data.decode("latin-1")
    for minimum in (0, 1):
        answer = choose_version(text, minimum=minimum)
        assert answer in range(minimum, 2) if isinstance(answer, int) else answer.error
    assert wants_stateful_reconnect(text) in (False, True)
    with suppress(ConnectionClosed):
        response = NegotiateResponse.parse(data)
        assert NegotiateResponse.parse(response.format()) == response
