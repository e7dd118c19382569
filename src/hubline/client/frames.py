"""The frames of a WebSocket as a client reads them (RFC 6455 §5): without masks, cut anywhere, maybe in fragments.

Without I/O. A whole message in one frame, which is what servers send, costs one slice of what was read.
"""

from hubline.websocket_frames import BINARY, CLOSE, CONTINUATION, FIN, MASKED, PING, PONG, TEXT

PROTOCOL_ERROR, TOO_BIG = 1002, 1009
"""Codes of a close (§7.4.1)."""

LARGEST_CONTROL = 125
"""Bytes that a ping, a pong or a close may have. Longer lengths have another form."""

_WHOLE_TEXT, _WHOLE_BINARY = FIN | TEXT, FIN | BINARY
_CONTROLS = frozenset({FIN | CLOSE, FIN | PING, FIN | PONG})
_FIRSTS = frozenset({TEXT, BINARY, FIN | TEXT, FIN | BINARY})


class BrokenFrame(Exception):
    """The server does not keep to the protocol, or sends too much. `code` is for the close that says so."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Frames:
    """What a server sends: `add` it, and ask `next` until there is nothing.

    Args:
        largest: bytes that one message may have, with all its fragments; `None` for no limit.
    """

    __slots__ = ("_at", "_data", "_fragments", "_kind", "_largest", "_needed", "_pending", "_size")

    def __init__(self, largest: int | None) -> None:
        self._largest = 2**63 if largest is None else largest
        self._data, self._at = b"", 0
        self._pending = bytearray()
        """The beginning of a frame."""
        self._needed = 0
        """Bytes that it needs, or at least its head."""
        self._fragments: list[bytes] = []
        self._kind = CONTINUATION
        """Of the message that has come in fragments so far; CONTINUATION without one."""
        self._size = 0

    def add(self, data: bytes) -> None:
        """These bytes have come."""
        if self._pending:
            self._pending += data
            if len(self._pending) < self._needed:
                return
            data = bytes(self._pending)
            self._pending.clear()
        elif self._at < len(self._data):
            data = self._data[self._at :] + data
        self._data, self._at = data, 0

    def next(self) -> tuple[int, bytes] | None:
        """The opcode and the payload of the next message, ping, pong or close that is complete.

        Raises:
            BrokenFrame: nothing can be read any more.
        """
        data, at = self._data, self._at
        available = len(data)
        if at == available:
            self._data, self._at = b"", 0  # which may be large
            return None
        end = at
        while at < available:
            end = body = at + 2
            if end > available:
                break
            first, size = data[at], data[at + 1]
            if size > LARGEST_CONTROL:
                size, body = self._long_size(at)
                end = body
                if end > available:
                    break
            opcode = first & 0x0F
            if (first != _WHOLE_TEXT and first != _WHOLE_BINARY) or self._kind:
                self._check(first, size)
            if size > self._largest - self._size and opcode < CLOSE:
                raise BrokenFrame(TOO_BIG, f"a message exceeds {self._largest} bytes")
            end = body + size
            if end > available:
                break
            self._at = at = end
            payload = data[body:end]
            if opcode >= CLOSE or (first >= FIN and not self._kind):
                return opcode, payload
            if message := self._fragment(first, payload):
                return message
        self._keep(end)
        return None

    def _keep(self, end: int) -> None:
        """Keep what is left, if anything. It is the beginning of a frame, or of a head, that ends there."""
        if self._at < len(self._data):
            self._needed = end - self._at
            self._pending += self._data[self._at :]
        self._data, self._at = b"", 0

    def _long_size(self, at: int) -> tuple[int, int]:
        """The size of a payload whose length has a longer form, and where it begins. 0 while the head is incomplete."""
        marker = self._data[at + 1]
        if marker & MASKED:
            raise BrokenFrame(PROTOCOL_ERROR, "the server masks its frames")
        body = at + (4 if marker == 126 else 10)
        size = int.from_bytes(self._data[at + 2 : body], "big") if body <= len(self._data) else 0
        return size, body

    def _check(self, first: int, size: int) -> None:
        """Raise BrokenFrame if a frame other than a message in one piece may not come now."""
        if first & 0x0F >= CLOSE:
            if first not in _CONTROLS or size > LARGEST_CONTROL:
                raise BrokenFrame(PROTOCOL_ERROR, "the server sends a control frame that is none")
        elif first & ~FIN != CONTINUATION if self._kind else first not in _FIRSTS:
            raise BrokenFrame(PROTOCOL_ERROR, "the server sends a frame that cannot come here")

    def _fragment(self, first: int, payload: bytes) -> tuple[int, bytes] | None:
        """A part of a message; the message, if it is the last one."""
        self._kind = self._kind or first & 0x0F
        self._fragments.append(payload)
        self._size += len(payload)
        if first < FIN:
            return None
        message = self._kind, b"".join(self._fragments)
        self._fragments.clear()
        self._kind, self._size = CONTINUATION, 0
        return message
