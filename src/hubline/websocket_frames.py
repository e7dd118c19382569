"""The frames of a WebSocket as bytes (RFC 6455 §5, §7), in both directions: what servers and transports write and read;
and the proof that its opening handshake was read (§4).

Functions of their arguments only. Ordinary frames of a peer are parsed by picows (`servers/parser.py`); what is read
here is what that leaves to others: the head of a large frame, its mask, and the code of a close.
"""

from base64 import b64encode
from hashlib import sha1
from typing import NamedTuple

from hubline._utf8 import is_utf8

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
"""Opcodes."""

FIN, RESERVED, MASKED = 0x80, 0x70, 0x80
"""Bits of a head: the last frame of a message, and the three that must be 0, in its first byte; a mask follows, in its
second."""

LONG_HEAD = 14
"""Bytes of a masked head with the longest form of a length."""

_LONG, _LONGEST = 126, 127
_SHORT_TEXT = tuple(bytes((FIN | TEXT, size)) for size in range(_LONG))
_SHORT_BINARY = tuple(bytes((FIN | BINARY, size)) for size in range(_LONG))
"""The heads of most frames, which are small."""

_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, *range(1007, 1015)})
"""What a peer may give as a reason, besides 3000 to 4999 (§7.4)."""


def accept_header(key: bytes) -> bytes:
    """The `Sec-WebSocket-Accept` of a server that has read this `Sec-WebSocket-Key` (§4.2.2)."""
    return b64encode(sha1(key + _GUID, usedforsecurity=False).digest())


def message_frame(payload: bytes, *, text: bool, with_payload: bool = True) -> bytes:
    """A whole message in one unmasked frame; with `with_payload=False`, of one of 65,536 bytes or more, only its head.

    What is no text goes as binary, whatever is asked: raw applications may send it without having said so.
    """
    text = text and (payload.isascii() or is_utf8(payload))
    size = len(payload)
    if size < _LONG:
        return (_SHORT_TEXT if text else _SHORT_BINARY)[size] + payload
    first = b"\x81" if text else b"\x82"
    if size < 65_536:
        return first + b"\x7e" + size.to_bytes(2, "big") + payload
    head = first + b"\x7f" + size.to_bytes(8, "big")
    return head + payload if with_payload else head


def control_frame(opcode: int, payload: bytes) -> bytes:
    """An unmasked ping, pong or close. Its payload has at most 125 bytes."""
    return bytes((FIN | opcode, len(payload))) + payload


def close_frame(code: int, reason: str) -> bytes:
    """A close with its reason, which is cut after 123 bytes."""
    return control_frame(CLOSE, code.to_bytes(2, "big") + reason.encode()[:123])


def close_reason(frame: bytes | bytearray) -> tuple[int, str] | None:
    """Code and reason of an unmasked frame, if it is a close that has them."""
    return (int.from_bytes(frame[2:4], "big"), frame[4:].decode()) if frame[0] == FIN | CLOSE else None


def is_close_payload(payload: bytes) -> bool:
    """Whether a peer may say this in its close: nothing, or a code that is for peers to use."""
    if not payload:
        return True
    code = int.from_bytes(payload[:2], "big")
    return code in _CLOSE_CODES or 3000 <= code < 5000


class LongHead(NamedTuple):
    """The head of a masked frame of a message whose length has the longest form, 64 bits."""

    opcode: int
    last: bool
    """Whether the message ends with this frame."""
    reserved: bool
    """Whether a bit is set that must be 0."""
    size: int
    mask: bytes


def has_long_head(begun: bytes) -> bool | None:
    """Whether a frame that begins so has one; None while these bytes are too few to tell.

    That the frame is allowed is the parser's business.
    """
    if len(begun) < 2:
        return None
    if begun[1] != MASKED | _LONGEST:
        return False
    return None if len(begun) < LONG_HEAD else begun[0] & 0x0F in (CONTINUATION, TEXT, BINARY)


def long_head(begun: bytes) -> LongHead:
    """The head of a frame that has one."""
    first = begun[0]
    size = int.from_bytes(begun[2:10], "big")
    return LongHead(first & 0x0F, first >= FIN, bool(first & RESERVED), size, begun[10:LONG_HEAD])


def masked_frame(opcode: int, payload: bytes, mask: bytes) -> bytes:
    """A whole message, or a ping, pong or close, as a client sends it."""
    size = len(payload)
    if size < _LONG:
        head = bytes((FIN | opcode, MASKED | size))
    elif size < 65_536:
        head = bytes((FIN | opcode, MASKED | _LONG)) + size.to_bytes(2, "big")
    else:
        head = bytes((FIN | opcode, MASKED | _LONGEST)) + size.to_bytes(8, "big")
    return head + mask + unmasked(payload, mask)


def unmasked(payload: bytes, mask: bytes) -> bytes:
    """What a peer has masked (§5.3), or the other way round; `mask` begins with the byte for the first of `payload`."""
    size = len(payload)
    repeated = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "little") ^ int.from_bytes(repeated, "little")).to_bytes(size, "little")
