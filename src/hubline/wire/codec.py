"""The interface of a codec. The original says "hub protocol"; we say codec, because `Protocol` has another meaning."""

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Protocol, TypeVar

from msgspec import Raw

from hubline.errors import RemoteProtocolError
from hubline.wire.items import ReadItems
from hubline.wire.messages import Message

T = TypeVar("T")


class TransferFormat(Enum):
    """The formats that transports carry. The values are those of the negotiate response."""

    TEXT = "Text"
    """UTF-8 text, which every transport carries. The JSON codec writes it."""
    BINARY = "Binary"
    """Any bytes, which Server-Sent Events cannot carry. The MessagePack codec writes them."""


class Splitter(Protocol):
    """Cuts a stream of bytes, received in any pieces, into the payloads of single messages."""

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads that are complete now, without their framing.

        The list ends before a payload that exceeds the limit or breaks the framing. The error is stored in `error`, and
        later calls return nothing. So the messages before it are still answered (spec §12, statement 105).
        """

    @property
    def error(self) -> RemoteProtocolError | None:
        """The error that broke the framing, if there was one."""

    @property
    def pending(self) -> int:
        """The number of bytes that are kept of an unfinished message, never more than the limit."""


class Codec(Protocol):
    """Encodes messages to framed bytes, and decodes payloads to messages. Stateless: all connections use one object."""

    @property
    def name(self) -> str:
        """The name in the handshake: `json`, `messagepack`."""

    @property
    def transfer_format(self) -> TransferFormat: ...

    def splitter(self, limit: int | None) -> Splitter:
        """A splitter for one connection; `limit` bytes for a message with its framing, `None` for no limit."""

    def encode(self, message: Message) -> bytes:
        """Encode one message, with its framing.

        Raises:
            TypeError, ValueError, OverflowError, RecursionError: a value in it cannot be encoded.
        """

    def item_encoder(self, invocation_id: str) -> Callable[[Any], bytes]:
        """A function that encodes items of one stream as `encode(StreamItem(…))` does, but faster.

        Mostly the same one for the same id: who sends an item to many streams may encode it once for each function.
        """

    def encode_texts(self, invocation_id: str, texts: Iterable[str]) -> bytes:
        """Encode texts as items of one stream, as many calls of its item encoder do, but faster."""

    def decode(self, payload: bytes) -> Message | None:
        """Decode a payload. Returns `None` for a message of an unknown type, which must be ignored.

        Raises:
            RemoteProtocolError: the payload is not a message.
        """

    def reader(self, kind: type[T]) -> Callable[[Raw], T]:
        """A function that decodes a `Raw` of this codec to `kind`. Make it once and use it often.

        It raises `msgspec.ValidationError`, with a text for the caller, if the value does not fit.
        """

    def stream_of(self, data: bytes) -> str:
        """The id of the stream whose item comes first in these bytes; empty if that is not seen at a glance."""

    def items_reader(self, kind: Any) -> ReadItems | None:
        """What reads bytes that are nothing but items of this type as `decode` and `reader(kind)` would, but faster.

        None if there is nothing faster for the type.
        """
