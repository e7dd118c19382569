"""The MessagePack arrays of messages, for reading only.

Hub protocol specification, "MessagePack Hub Protocol Encoding". Readers ignore additional items, and accept arrays
without the items that were added later (`streamIds`, `allowReconnect`). The classes correspond to those of
`messages.py`, where fields may be absent; in an array every item has its place.
"""

from typing import NoReturn, TypeAlias

from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, ValidationError
from msgspec.msgpack import decode

from hubline.errors import RemoteProtocolError
from hubline.wire.messages import (
    Ack,
    CancelInvocation,
    Close,
    Completion,
    Headers,
    Invocation,
    Ping,
    Sequence,
    StreamInvocation,
    StreamItem,
)

ERROR, NOTHING, RESULT = 1, 2, 3
"""The content of a completion: hub protocol specification, "Completion Message Encoding", `ResultKind`."""


class _Invocation(Struct, array_like=True, tag_field="type", tag=1, gc=False):
    headers: Headers
    invocation_id: str | None
    target: str | None
    arguments: Raw
    stream_ids: tuple[str, ...] = ()

    def message(self) -> Invocation:
        return Invocation(
            headers=_checked(self.headers) if self.headers else UNSET,
            invocation_id=self.invocation_id or "",
            target=self.target or _refuse("Null or empty target for Invocation message."),
            arguments=self.arguments,
            stream_ids=self.stream_ids,
        )


class _StreamInvocation(Struct, array_like=True, tag_field="type", tag=4, gc=False):
    headers: Headers
    invocation_id: str | None
    target: str | None
    arguments: Raw
    stream_ids: tuple[str, ...] = ()

    def message(self) -> StreamInvocation:
        return StreamInvocation(
            headers=_checked(self.headers) if self.headers else UNSET,
            invocation_id=self.invocation_id or _refuse("Null or empty invocation ID for StreamInvocation message."),
            target=self.target or _refuse("Null or empty target for StreamInvocation message."),
            arguments=self.arguments,
            stream_ids=self.stream_ids,
        )


class _StreamItem(Struct, array_like=True, tag_field="type", tag=2, gc=False):
    headers: Headers
    invocation_id: str | None
    item: Raw

    def message(self) -> StreamItem:
        return StreamItem(
            headers=_checked(self.headers) if self.headers else UNSET,
            invocation_id=self.invocation_id or _refuse("Null or empty invocation ID for StreamItem message."),
            item=self.item,
        )


class _Completion(Struct, array_like=True, tag_field="type", tag=3, gc=False):
    headers: Headers
    invocation_id: str | None
    kind: int
    payload: Raw | UnsetType = UNSET

    def message(self) -> Completion:
        error: str | UnsetType = UNSET
        result: Raw | UnsetType = UNSET
        if self.kind == RESULT:
            result = self.payload if self.payload is not UNSET else _refuse("Reading 'result' failed.")
        elif self.kind == ERROR:
            error = _error_text(self.payload)
        elif self.kind != NOTHING:
            _refuse("Invalid invocation result kind.")
        return Completion(
            headers=_checked(self.headers) if self.headers else UNSET,
            invocation_id=self.invocation_id or _refuse("Null or empty invocation ID for Completion message."),
            error=error,
            result=result,
        )


class _CancelInvocation(Struct, array_like=True, tag_field="type", tag=5, gc=False):
    headers: Headers
    invocation_id: str | None

    def message(self) -> CancelInvocation:
        return CancelInvocation(
            headers=_checked(self.headers) if self.headers else UNSET,
            invocation_id=self.invocation_id or _refuse("Null or empty invocation ID for CancelInvocation message."),
        )


class _Ping(Struct, array_like=True, tag_field="type", tag=6, gc=False):
    def message(self) -> Ping:
        return Ping()


class _Close(Struct, array_like=True, tag_field="type", tag=7, gc=False):
    error: str | None
    allow_reconnect: bool = False

    def message(self) -> Close:
        return Close(error=UNSET if self.error is None else self.error, allow_reconnect=self.allow_reconnect)


class _Ack(Struct, array_like=True, tag_field="type", tag=8, gc=False):
    sequence_id: int

    def message(self) -> Ack:
        return Ack(sequence_id=self.sequence_id)


class _Sequence(Struct, array_like=True, tag_field="type", tag=9, gc=False):
    sequence_id: int

    def message(self) -> Sequence:
        return Sequence(sequence_id=self.sequence_id)


Form: TypeAlias = (
    _Invocation | _StreamInvocation | _StreamItem | _Completion | _CancelInvocation | _Ping | _Close | _Ack | _Sequence
)
"""One of the arrays; `message()` is what it says, or raises `RemoteProtocolError`."""


def _refuse(text: str) -> NoReturn:
    raise RemoteProtocolError(text)


def _checked(headers: Headers) -> Headers:
    if "" in headers:
        _refuse("Null or empty key in header.")
    if "" in headers.values():
        _refuse("Null or empty value in header.")
    return headers


def _error_text(payload: Raw | UnsetType) -> str | UnsetType:
    """The error text of a completion. Nil is an empty text, as in the original."""
    try:
        text = None if payload is UNSET else decode(payload, type=str | None)
    except (ValidationError, UnicodeDecodeError):
        payload = UNSET
    if payload is UNSET:
        _refuse("Reading 'error' as String failed.")
    return UNSET if text is None else text


class _Unknown(Struct, array_like=True):
    type: int


_KNOWN_TYPES = range(1, 10)


def refuse(payload: bytes, cause: Exception) -> None:
    """Return if the payload is a message of an unknown type, which must be ignored. Raise otherwise."""
    try:
        kind = decode(payload, type=_Unknown).type
    except ValidationError:
        raise RemoteProtocolError("Reading 'messageType' as Int32 failed.") from cause
    except (DecodeError, UnicodeDecodeError, RecursionError):
        raise RemoteProtocolError(f"Reading the message failed: {cause}") from cause
    if kind in _KNOWN_TYPES:
        raise RemoteProtocolError(f"Reading the message failed: {cause}") from cause
