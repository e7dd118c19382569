"""The JSON codec.

Hub protocol specification, "JSON Hub Protocol Encoding". The texts of refusals are those of ASP.NET Core 10, asked from
a running server. The original accepts text after a message, which JSON does not allow; we refuse it.
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, TypeVar

from msgspec import UNSET, DecodeError, Raw, inspect
from msgspec.json import Decoder, Encoder
from msgspec.structs import replace

from hubline.errors import RemoteProtocolError
from hubline.wire.codec import Splitter, TransferFormat
from hubline.wire.encoded import Encoded, shared_by_id
from hubline.wire.framing import RECORD_SEPARATOR, RecordSplitter
from hubline.wire.inside import Inside
from hubline.wire.items import ReadItems, json_items, json_stream
from hubline.wire.json_faults import refuse, repair
from hubline.wire.messages import (
    Ack,
    Close,
    Completion,
    Invocation,
    Message,
    Ping,
    Sequence,
    StreamInvocation,
    StreamItem,
)
from hubline.wire.names import FieldNames, OutgoingNames, as_written, camel_case
from hubline.wire.reading import read_custom, value_reader

T = TypeVar("T")

END_OF_ITEM = b"}" + RECORD_SEPARATOR

MAXIMUM_DEPTH = 64
"""The maximum depth of objects and arrays, the message included. Source: `JsonReaderOptions.MaxDepth`; measured."""

_any_value = Decoder(Raw).decode

_DECIMALS = Inside(Decimal, inspect.DecimalType, from_raw=Decoder(float_hook=Decimal).decode)
"""What is encoded already is read with every digit of its numbers."""

_WITHOUT_ID = frozenset((Ping, Close, Ack, Sequence))

_ARRAY = b"["[0]

_NOT_BRACKETS = re.compile(rb'"(?:[^"\\]+|\\.)*"?|[^][{}"]+', re.DOTALL)
"""Input that does not change the depth. The last quote is optional: incomplete text must match too, in linear time."""


class JsonCodec:
    """Messages are JSON objects, each followed by a record separator."""

    name = "json"
    transfer_format = TransferFormat.TEXT

    def __init__(self, *, field_names: FieldNames = "by_codec") -> None:
        self._named = OutgoingNames(
            camel_case if field_names == "by_codec" else as_written,
            pydantic_mode="json",
            special={Decimal: _number, Raw: _checked, Encoded: self._form},
            left_alone=_DECIMALS.writer,
        )
        encoder = Encoder(enc_hook=self._named.unknown, decimal_format="string")
        self._encode, self._encode_lines = encoder.encode, encoder.encode_lines
        self._decode = Decoder(Message).decode
        self._value: Callable[[Any], bytes] = lambda value: self._encode(self._named(value))
        self._item_encoders = shared_by_id(self._new_item_encoder)

    def splitter(self, limit: int | None) -> Splitter:
        return RecordSplitter(limit)

    def encode(self, message: Message) -> bytes:
        if type(message) is Completion:
            result = message.result
            if type(result) not in self._named.plain and (named := self._named(result)) is not result:
                message = replace(message, result=named)
        elif type(message) is Invocation or type(message) is StreamInvocation:
            arguments = message.arguments
            if type(arguments) is Raw or not self._named.plain.issuperset(map(type, arguments)):
                message = replace(message, arguments=self._named.each(arguments))
        elif type(message) is StreamItem and (item := self._named(message.item)) is not message.item:
            message = replace(message, item=item)
        return self._encode(message) + RECORD_SEPARATOR

    def item_encoder(self, invocation_id: str) -> Callable[[Any], bytes]:
        return self._item_encoders(invocation_id)

    def _new_item_encoder(self, invocation_id: str) -> Callable[[Any], bytes]:
        encode, named, plain = self._encode, self._named, self._named.plain
        start, end = self._start_of_item(invocation_id), END_OF_ITEM

        def encode_item(item: Any) -> bytes:
            kind = type(item)
            if kind is Encoded:
                form: bytes = start + item.form(self._value) + end
                return form
            return start + encode(item if kind in plain else named(item)) + end

        return encode_item

    def encode_texts(self, invocation_id: str, texts: Iterable[str]) -> bytes:
        start = self._start_of_item(invocation_id)
        lines = self._encode_lines(texts)  # a text in JSON has no line break of its own
        return start + lines[:-1].replace(b"\n", END_OF_ITEM + start) + END_OF_ITEM

    def _start_of_item(self, invocation_id: str) -> bytes:
        return self._encode(StreamItem(invocation_id=invocation_id, item=0)).removesuffix(b"0}")

    def decode(self, payload: bytes) -> Message | None:
        if len(payload) > 2 * MAXIMUM_DEPTH and payload.count(b"[") + payload.count(b"{") > MAXIMUM_DEPTH:
            _check_depth(payload)
        try:
            message: Message = self._decode(payload)
        except (DecodeError, UnicodeDecodeError, RecursionError) as error:
            repaired = repair(payload)
            if repaired != payload:
                return self.decode(repaired)
            refuse(payload, error)
            return None
        if type(message) is Invocation:
            if memoryview(message.arguments)[0] != _ARRAY:
                raise RemoteProtocolError("Expected 'arguments' to be of type Array.")
        elif type(message) is StreamItem and message.invocation_id:
            pass  # the call of a function costs as much as the rest, and of items there are many
        elif type(message) not in _WITHOUT_ID:
            _check(message)
        return message

    def reader(self, kind: type[T]) -> Callable[[Raw], T]:
        return value_reader(kind, decoder=_decoder, rename=camel_case, text_keys=True)

    def stream_of(self, data: bytes) -> str:
        return json_stream(data)

    def items_reader(self, kind: Any) -> ReadItems | None:
        return json_items(kind, MAXIMUM_DEPTH)

    def _form(self, value: Encoded[Any]) -> Raw:
        return value.form(self._value)


def _checked(value: Raw) -> Raw:
    """Check JSON that the application has encoded itself. A mistake in it would end the connection of every client."""
    try:
        _any_value(value)
        str(memoryview(value), "utf-8")
    except DecodeError as error:
        raise ValueError(f"a Raw holds no JSON value: {error}") from error
    return value


def _number(value: Decimal) -> Raw | None:
    """A Decimal as a number with all its digits. NaN and infinities are null, as for floats.

    The encoder itself writes Decimals as text, so a Decimal that was not replaced, such as a key, is still valid JSON.
    """
    return Raw(str(value)) if value.is_finite() else None


def _decoder(kind: Any) -> Callable[[Raw], Any]:
    return Decoder(kind, dec_hook=read_custom).decode


def _check_depth(payload: bytes) -> None:
    depth = 0
    for bracket in _NOT_BRACKETS.sub(b"", payload):
        depth += 1 if bracket in b"[{" else -1
        if depth > MAXIMUM_DEPTH:
            raise RemoteProtocolError("Error reading JSON.")


def _check(message: Any) -> None:
    if not message.invocation_id:
        raise RemoteProtocolError("Missing required property 'invocationId'.")
    if type(message) is Completion:
        if message.error is not UNSET and message.result is not UNSET:
            raise RemoteProtocolError("The 'error' and 'result' properties are mutually exclusive.")
    elif type(message) is StreamInvocation and memoryview(message.arguments)[0] != _ARRAY:
        raise RemoteProtocolError("Expected 'arguments' to be of type Array.")
