"""The MessagePack codec.

Hub protocol specification, "MessagePack Hub Protocol Encoding". The texts of errors are those of ASP.NET Core 10, if
it has one. If the list of arguments is missing, the original fails the call; we refuse the message.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, TypeVar, assert_never

from msgspec import UNSET, DecodeError, Raw, inspect
from msgspec.msgpack import Decoder, Encoder, Ext

from hubline.wire.codec import Splitter, TransferFormat
from hubline.wire.encoded import Encoded, shared_by_id
from hubline.wire.framing import SHORT_LENGTHS, VarintSplitter, frame_with_length
from hubline.wire.inside import Inside
from hubline.wire.items import ReadItems, packed_items, packed_stream
from hubline.wire.messages import (
    Ack,
    CancelInvocation,
    Close,
    Completion,
    Invocation,
    Message,
    Ping,
    Sequence,
    StreamInvocation,
    StreamItem,
)
from hubline.wire.moments import within_the_last_second
from hubline.wire.msgpack_forms import ERROR, NOTHING, RESULT, Form, refuse
from hubline.wire.names import FieldNames, OutgoingNames, as_written, pascal_case
from hubline.wire.reading import read_custom, value_reader

T = TypeVar("T")

_any_value = Decoder(Raw).decode

_MOMENTS = Inside(
    datetime,
    inspect.DateTimeType,
    concerns=lambda moment: moment.tzinfo is None,
    kept=(bytes, bytearray, memoryview, Ext, Raw),
)


class MessagePackCodec:
    """Messages are MessagePack arrays, each after its length."""

    name = "messagepack"
    transfer_format = TransferFormat.BINARY

    def __init__(self, *, field_names: FieldNames = "by_codec") -> None:
        rename = pascal_case if field_names == "by_codec" else as_written
        self._named = OutgoingNames(
            rename,
            pydantic_mode="python",
            special={datetime: _with_zone, Raw: _checked, Encoded: self._prepared},
            left_alone=_MOMENTS.writer,
        )
        self._plain = self._named.plain
        self._encode = Encoder(enc_hook=self._named.unknown).encode
        self._decode = Decoder(Form).decode
        self._value: Callable[[Any], bytes] = lambda value: self._encode(self._named(value))
        self._item_encoders = shared_by_id(self._new_item_encoder)

    def splitter(self, limit: int | None) -> Splitter:
        return VarintSplitter(limit)

    def encode(self, message: Message) -> bytes:
        if type(message) is Completion and message.error is UNSET and message.result is not UNSET:
            result = message.result if type(message.result) in self._plain else self._named(message.result)
            payload = self._encode((3, message.headers or {}, message.invocation_id, RESULT, result))
            if len(payload) < 256:  # a faster way for the usual answer to a call
                return SHORT_LENGTHS[len(payload)] + payload
        else:
            payload = self._encode(self._form(message))
        return frame_with_length(payload)

    def item_encoder(self, invocation_id: str) -> Callable[[Any], bytes]:
        return self._item_encoders(invocation_id)

    def _new_item_encoder(self, invocation_id: str) -> Callable[[Any], bytes]:
        encode, named, plain = self._encode, self._named, self._named.plain
        start = self._start_of_item(invocation_id)

        def encode_item(item: Any) -> bytes:
            kind = type(item)
            if kind is Encoded:
                return frame_with_length(start + item.form(self._value))
            return frame_with_length(start + encode(item if kind in plain else named(item)))

        return encode_item

    def encode_texts(self, invocation_id: str, texts: Iterable[str]) -> bytes:
        start, encode = self._start_of_item(invocation_id), self._encode
        return b"".join([frame_with_length(start + encode(text)) for text in texts])

    def _start_of_item(self, invocation_id: str) -> bytes:
        return self._encode(self._form(StreamItem(invocation_id=invocation_id, item=0)))[:-1]

    def decode(self, payload: bytes) -> Message | None:
        try:
            form: Form = self._decode(payload)
        except (DecodeError, UnicodeDecodeError, RecursionError) as error:
            refuse(payload, error)
            return None
        return form.message()

    def reader(self, kind: type[T]) -> Callable[[Raw], T]:
        return value_reader(kind, decoder=_decoder, rename=pascal_case, text_keys=False, mend=_mend)

    def stream_of(self, data: bytes) -> str:
        return packed_stream(data)

    def items_reader(self, kind: Any) -> ReadItems | None:
        return packed_items(kind)

    def _prepared(self, value: Encoded[Any]) -> Raw:
        return value.form(self._value)

    def _form(self, message: Message) -> tuple[Any, ...]:
        """The items of the array. Integers get their shortest encoding."""
        match message:
            case Completion():
                headers, invocation_id = message.headers or {}, message.invocation_id
                if message.error is not UNSET:
                    return 3, headers, invocation_id, ERROR, message.error
                return 3, headers, invocation_id, NOTHING
            case StreamItem():
                return 2, message.headers or {}, message.invocation_id, self._named(message.item)
            case Invocation() | StreamInvocation():
                kind = 1 if isinstance(message, Invocation) else 4
                arguments = self._named.each(message.arguments)
                identifier = message.invocation_id or None
                return kind, message.headers or {}, identifier, message.target, arguments, message.stream_ids
            case CancelInvocation():
                return 5, message.headers or {}, message.invocation_id
            case Ping():
                return (6,)
            case Close():
                return 7, None if message.error is UNSET else message.error, message.allow_reconnect
            case Ack():
                return 8, message.sequence_id
            case Sequence():
                return 9, message.sequence_id
            case _:
                assert_never(message)


def _decoder(kind: Any) -> Callable[[Raw], Any]:
    return Decoder(kind, dec_hook=read_custom).decode


def _mend(raw: Raw) -> Raw:
    return Raw(within_the_last_second(bytes(raw)))


def _checked(value: Raw) -> Raw:
    """Check MessagePack that the application has encoded itself. A mistake would end the connection of every client."""
    try:
        _any_value(value)
    except DecodeError as error:
        raise ValueError(f"a Raw holds no MessagePack value: {error}") from error
    return value


def _with_zone(moment: datetime) -> datetime:
    """A timestamp of MessagePack is in UTC. A `datetime` without a zone is taken as UTC, as in MessagePack for C#."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
