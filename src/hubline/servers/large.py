"""Frames that are too large to be kept until they are whole."""

from typing import Protocol

from picows import WSMsgType

from hubline.servers.protocols import READ_SIZE

HEAD = 14
"""Bytes of a head with the longest form of a length, and with a mask (RFC 6455 §5.2)."""

RESERVED = 0x70
"""The bits of a first byte that must be 0."""

_LONG_AND_MASKED = 0xFF
_KINDS = {kind.value: kind for kind in (WSMsgType.CONTINUATION, WSMsgType.TEXT, WSMsgType.BINARY)}
_buffer = bytearray(READ_SIZE)
"""Shared by all: what is read into it has been handed on before anybody else reads."""


class Owner(Protocol):
    """Whose frame it is."""

    def on_fragment(self, kind: WSMsgType, last: bool, payload: bytes) -> None: ...


class LargeFrame:
    """Hands on the payload of one frame as it comes, as if each piece were a fragment of the message.

    Takes the place of a parser until the frame is whole. Which frames: those whose length needs 64 bits.
    """

    __slots__ = ("_kind", "_last", "_mask", "_remaining")

    def __init__(self, head: bytes) -> None:
        self._kind, self._last = _KINDS[head[0] & 0x0F], head[0] >= 0x80
        self._remaining = int.from_bytes(head[2:10], "big")
        self._mask = head[10:HEAD]

    @property
    def whole(self) -> bool:
        return not self._remaining

    def get_buffer(self) -> memoryview:
        """Where the next bytes are to be put."""
        return memoryview(_buffer)

    def take(self, data: bytes, owner: Owner) -> bytes:
        """Hand on what is the frame's, and return what is not."""
        piece, behind = data[: self._remaining], data[self._remaining :]
        self._remaining -= len(piece)
        kind, self._kind = self._kind, WSMsgType.CONTINUATION
        owner.on_fragment(kind, self._last and self.whole, self._unmasked(piece))
        return behind

    def _unmasked(self, piece: bytes) -> bytes:
        size = len(piece)
        mask = (self._mask * (size // 4 + 1))[:size]
        self._mask = self._mask[size % 4 :] + self._mask[: size % 4]
        return (int.from_bytes(piece, "little") ^ int.from_bytes(mask, "little")).to_bytes(size, "little")


def is_large(begun: bytes) -> bool | None:
    """Whether these are the first bytes of a large frame; None while they are too few to tell.

    That the frame is allowed is the parser's business.
    """
    if len(begun) < 2 or (begun[1] == _LONG_AND_MASKED and len(begun) < HEAD):
        return None
    return begun[1] == _LONG_AND_MASKED and begun[0] & 0x0F in _KINDS
