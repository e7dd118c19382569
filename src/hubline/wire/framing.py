"""Framing: how messages are separated in a stream of bytes.

Hub protocol specification, "JSON Hub Protocol Encoding" (a record separator ends a message) and "MessagePack Hub
Protocol Encoding" (a length of one to five bytes precedes it). Limits are checked before bytes are stored: a splitter
never keeps more than `limit` bytes.
"""

from hubline.errors import MessageTooLarge, RemoteProtocolError

RECORD_SEPARATOR = b"\x1e"
LARGEST_MESSAGE = 2**31 - 1
"""Bytes: the largest length that may be announced. Source: `BinaryMessageParser` in aspnetcore."""

_RECORD_SEPARATOR = RECORD_SEPARATOR[0]
_UNLIMITED = 2**63


def frame_record(payload: bytes) -> bytes:
    """A payload with the record separator that ends it."""
    return payload + RECORD_SEPARATOR


def varint(number: int) -> bytes:
    """A number in groups of seven bits, the lowest first. The high bit says that more groups follow."""
    groups = bytearray()
    while number >= 0x80:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)


SHORT_LENGTHS = tuple(varint(number) for number in range(256))
"""Those of most messages, by their size in bytes."""


def frame_with_length(payload: bytes) -> bytes:
    """A payload after its length.

    Raises:
        OverflowError: it is larger than a length can express.
    """
    length = len(payload)
    if length < 256:
        return SHORT_LENGTHS[length] + payload
    if length > LARGEST_MESSAGE:
        raise OverflowError("Messages over 2GB in size are not supported.")
    return varint(length) + payload


class RecordSplitter:
    """Cuts at record separators. Only new bytes are searched."""

    __slots__ = ("_limit", "_pending", "error")

    def __init__(self, limit: int | None) -> None:
        self._limit = _UNLIMITED if limit is None else limit
        self._pending = bytearray()
        self.error: RemoteProtocolError | None = None

    @property
    def pending(self) -> int:
        return len(self._pending)

    def feed(self, data: bytes) -> list[bytes]:
        if self._pending or self.error is not None or len(data) > self._limit or data[-1:] != RECORD_SEPARATOR:
            return self._feed_pieces(data)
        payloads = data.split(RECORD_SEPARATOR)
        payloads.pop()
        return payloads

    def _feed_pieces(self, data: bytes) -> list[bytes]:
        payloads: list[bytes] = []
        start = 0
        while self.error is None:
            end = data.find(_RECORD_SEPARATOR, start)
            held = len(self._pending)
            if held + (len(data) if end < 0 else end + 1) - start > self._limit:
                self.error = MessageTooLarge(self._limit)
                self._pending.clear()
            elif end < 0:
                self._pending += data[start:]
                break
            else:
                payloads.append(bytes(self._pending) + data[start:end] if held else data[start:end])
                self._pending.clear()
                start = end + 1
        return payloads


class VarintSplitter:
    """Cuts by the length before each message. A length above the limit is refused without waiting for the message."""

    __slots__ = ("_limit", "_needed", "_pending", "error")

    def __init__(self, limit: int | None) -> None:
        self._limit = _UNLIMITED if limit is None else limit
        self._pending = bytearray()
        self._needed = 0
        """The size of the message in `_pending` with its length; 0 while the length is unknown."""
        self.error: RemoteProtocolError | None = None

    @property
    def pending(self) -> int:
        return len(self._pending)

    def feed(self, data: bytes) -> list[bytes]:
        if self.error is not None:
            return []
        if self._pending:
            if len(self._pending) + len(data) < self._needed:
                self._pending += data
                return []
            data = bytes(self._pending) + data
            self._pending.clear()
        if 0 < len(data) <= 0x80 and len(data) == data[0] + 1 <= self._limit:
            return [data[1:]]  # what most clients send: one short message
        return self._cut(data)

    def _cut(self, data: bytes) -> list[bytes]:
        payloads: list[bytes] = []
        available = len(data)
        position = 0
        while position < available:
            length = data[position]
            body = position + 1
            if length >= 0x80:
                length, body = self._long_length(data, position)
                if self.error is not None:
                    break
            end = body + length
            if end - position > self._limit:
                self.error = MessageTooLarge(self._limit)
                break
            if end > available or body > available:
                self._needed = end - position
                self._pending += data[position:]
                break
            payloads.append(data[body:end])
            position = end
        return payloads

    def _long_length(self, data: bytes, position: int) -> tuple[int, int]:
        """The announced length and where the message begins: beyond the data if the length is incomplete."""
        length = 0
        for count, group in enumerate(data[position : position + 5]):
            length |= (group & 0x7F) << 7 * count
            if length > LARGEST_MESSAGE or (count == 4 and group & 0x80):
                self.error = RemoteProtocolError("Messages over 2GB in size are not supported.")
            if not group & 0x80:
                return length, position + count + 1
        return 0, len(data) + 1
