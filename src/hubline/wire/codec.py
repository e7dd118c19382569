"""What a codec is. The original says "hub protocol"; we say codec: `Protocol` already means two things in Python."""

from collections.abc import Callable
from enum import Enum
from typing import Any, Protocol, TypeVar

from msgspec import Raw

from hubline.errors import RemoteProtocolError
from hubline.wire.messages import Message

T = TypeVar("T")


class TransferFormat(Enum):
    """What a transport carries; the values are those of the negotiate response."""

    TEXT = "Text"
    """UTF-8, which every transport carries; what the JSON codec writes."""
    BINARY = "Binary"
    """Any bytes, which Server-Sent Events cannot carry; what the MessagePack codec writes."""


class Splitter(Protocol):
    """Cuts a stream of bytes, received in any pieces, into the payloads of single messages."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that are complete now, without their framing.

        A payload that breaks the limit or the framing ends the list; the error is kept in `error` and every later
        call returns nothing. So the messages before it are still answered (spec §12, statement 105).
        """

    @property
    def error(self) -> RemoteProtocolError | None:
        """What broke the framing."""

    @property
    def pending(self) -> int:
        """How many bytes of an unfinished message are held; never more than the limit."""


class Codec(Protocol):
    """Turns messages into framed bytes and payloads into messages. Stateless; one object serves every connection."""

    @property
    def name(self) -> str:
        """As in the handshake: `json`, `messagepack`."""

    @property
    def transfer_format(self) -> TransferFormat: ...

    def splitter(self, limit: int | None) -> Splitter:
        """A splitter for one connection; `limit` bytes for a message with its framing, `None` for no limit."""

    def encode(self, message: Message) -> bytes:
        """One whole message, framed.

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: a value in it has no form on the wire.
        """

    def item_encoder(self, invocation_id: str) -> Callable[[Any], bytes]:
        """A function that encodes one item of a stream as `encode(StreamItem(…))` does: what stays the same, once."""

    def decode(self, payload: bytes) -> Message | None:
        """The message in a payload; `None` for an unknown type, which is to be ignored.

        Raises:
            RemoteProtocolError: the payload is not a message.
        """

    def reader(self, kind: type[T]) -> Callable[[Raw], T]:
        """A function that reads a `Raw` of this codec as `kind`; make it once, use it often.

        It raises `msgspec.ValidationError`, worded for the caller, when the value does not fit.
        """
