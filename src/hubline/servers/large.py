"""Frames that are too large to be held until they are complete."""

from typing import Protocol

from picows import WSMsgType

from hubline.servers.protocols import READ_SIZE
from hubline.websocket_frames import LongHead, unmasked

_buffer = bytearray(READ_SIZE)
"""Shared by all connections, because its content is passed on before the next read."""


class Owner(Protocol):
    """The owner of the frame."""

    def on_fragment(self, kind: WSMsgType, last: bool, payload: bytes) -> None: ...


class LargeFrame:
    """Passes on the payload of one frame in pieces, as if each were a fragment of the message.

    Used in place of a parser until the frame is complete, for frames whose length needs 64 bits.
    """

    __slots__ = ("_kind", "_last", "_mask", "_remaining")

    def __init__(self, head: LongHead) -> None:
        self._kind, self._last = WSMsgType(head.opcode), head.last
        self._remaining, self._mask = head.size, head.mask

    @property
    def whole(self) -> bool:
        return not self._remaining

    def get_buffer(self) -> memoryview:
        """The buffer for the next bytes."""
        return memoryview(_buffer)

    def take(self, data: bytes, owner: Owner) -> bytes:
        """Pass on the bytes of the frame, and return the bytes after it."""
        piece, behind = data[: self._remaining], data[self._remaining :]
        self._remaining -= len(piece)
        kind, self._kind = self._kind, WSMsgType.CONTINUATION
        owner.on_fragment(kind, self._last and self.whole, unmasked(piece, self._mask))
        turned = len(piece) % 4
        self._mask = self._mask[turned:] + self._mask[:turned]
        return behind
