"""WebSocket frames as a client writes them (RFC 6455 §5.2), right or wrong. Independent of the library's own code."""

TEXT, BINARY, CONTINUATION, CLOSE, PING, PONG = 0x81, 0x82, 0x80, 0x88, 0x89, 0x8A
"""First bytes of frames with which a message ends."""
MORE = 0x80
"""Taken away from a first byte: more of the message follows."""
MASK = b"\x01\x02\x03\x04"


def masked(payload: bytes, mask: bytes = MASK) -> bytes:
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


def frame(first: int, payload: bytes = b"", *, length: int | None = None, mask: bytes | None = MASK) -> bytes:
    """A frame whose length is written in as few bytes as can be; `length` is what it says of itself, true or not.

    Clients must mask; without a mask it is a frame of a server.
    """
    size, bit = len(payload) if length is None else length, 0 if mask is None else 0x80
    if size < 126:
        head = bytes([first, bit | size])
    elif size < 65_536:
        head = bytes([first, bit | 126]) + size.to_bytes(2, "big")
    else:
        head = bytes([first, bit | 127]) + size.to_bytes(8, "big")
    return head + payload if mask is None else head + mask + masked(payload, mask)
