"""Frames that are too large to be kept until they are whole."""

from typing import Protocol

from picows import WSMsgType

from hubline.servers.protocols import READ_SIZE
from hubline.websocket_frames import LongHead, unmasked

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

    def __init__(self, head: LongHead) -> None:
        self._kind, self._last = WSMsgType(head.opcode), head.last
        self._remaining, self._mask = head.size, head.mask

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
        owner.on_fragment(kind, self._last and self.whole, unmasked(piece, self._mask))
        turned = len(piece) % 4
        self._mask = self._mask[turned:] + self._mask[:turned]
        return behind
