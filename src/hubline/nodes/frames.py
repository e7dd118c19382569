"""The frames that nodes send each other. Each belongs to a stream, which is one forwarded request.

A frame is the length of its payload (4 bytes), its kind (1), the number of its stream (4), and the payload. Kinds with
DATA, LAST and TEXT in their names use credit; see `stream.py`.
"""

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct as Layout
from typing import Any

from msgspec import Struct
from msgspec.msgpack import Decoder, Encoder

from hubline.transports.elsewhere import Handover, Operation

HEADER = Layout("!IBI")
CREDIT = Layout("!I")

LARGEST = 256 * 1024 * 1024
"""Bytes of a frame. More than any message in an outbox, so a node never sends a larger one."""

LARGEST_BEFORE_PROOF = 1_024
"""Bytes of a frame of a peer that is not authenticated yet."""


class Kind(IntEnum):
    """The kinds of frames. Those of a link have the stream 0."""

    HELLO = 1
    """Acceptor to dialer: the version, and a nonce."""
    PROOF = 2
    """Both ways: a nonce of the dialer, and the proof that the sender knows the secret."""
    PING = 3
    """Both ways, every few seconds: the sender is alive."""
    OPEN = 4
    """A new stream, with the request."""
    DATA = 5
    """Bytes of a body, or a binary WebSocket message."""
    LAST = 6
    """The last bytes of a body."""
    TEXT = 7
    """A WebSocket message of text."""
    GONE = 8
    """The client has gone."""
    LEAVE = 9
    """The node that has the client's socket will stop: end the request with an invitation to reconnect."""
    START = 10
    """The status and headers of a response."""
    ACCEPT = 11
    """The WebSocket is accepted."""
    CLOSE = 12
    """The WebSocket is closed."""
    DONE = 13
    """The request has been handled. The last frame of a stream."""
    CREDIT = 14
    """This number of further bytes may be sent."""
    HANDED = 15
    """The connection is handed over to the node that has sent the request. DONE follows."""
    MOVED = 16
    """The connection was handed over to another node. DONE follows."""
    ENDED = 17
    """A connection that was handed over has ended: its token."""


class Opening(Struct, array_like=True):
    """A request: the data of its ASGI scope that the other node needs, and the identity of its sender."""

    operation: Operation
    node: str
    """The address of the node that forwards it."""
    hub: str
    """The path of the hub, as in `HubApp`."""
    type: str
    method: str
    scheme: str
    http_version: str
    path: str
    raw_path: bytes | None
    root_path: str
    query: bytes
    headers: list[tuple[bytes, bytes]]
    client: tuple[str, int] | None
    server: tuple[str, int | None] | None
    path_params: dict[str, Any]
    subprotocols: list[str]
    identity: tuple[str | None, dict[str, Any], float | None, frozenset[str]] | None
    user_id: str | None
    address: str | None


class Start(Struct, array_like=True):
    """The start of a response."""

    status: int
    headers: list[tuple[bytes, bytes]]


class Accept(Struct, array_like=True):
    """The acceptance of a WebSocket."""

    subprotocol: str | None
    headers: list[tuple[bytes, bytes]]


class Close(Struct, array_like=True):
    """The end of a WebSocket, closed by the server. With `reason` of `None` there may be no close frame."""

    code: int
    reason: str | None


class Done(Struct, array_like=True):
    """How the handling of a request has ended."""

    failed: bool


encode = Encoder().encode
opening, handover = Decoder(Opening).decode, Decoder(Handover).decode
start, accept, close, done = Decoder(Start).decode, Decoder(Accept).decode, Decoder(Close).decode, Decoder(Done).decode


class FrameReader:
    """Cuts a stream of bytes into frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.largest = LARGEST_BEFORE_PROOF

    def feed(self, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Each frame that is complete: its kind, stream and payload.

        Raises:
            ValueError: a frame is too large.
        """
        buffer = self._buffer
        buffer += data
        position = 0
        try:
            while len(buffer) - position >= HEADER.size:
                length, kind, stream = HEADER.unpack_from(buffer, position)
                if length > self.largest:
                    raise ValueError(f"a frame of {length:,} bytes")
                end = position + HEADER.size + length
                if len(buffer) < end:
                    return
                payload = bytes(memoryview(buffer)[position + HEADER.size : end])
                position = end
                yield kind, stream, payload
        finally:
            del buffer[:position]


def frame(kind: Kind, stream: int, payload: bytes = b"") -> bytes:
    return HEADER.pack(len(payload), kind, stream) + payload
