"""Decodes an argument to the type of a parameter.

msgspec decodes most types directly. If a value must be prepared first (see `incoming.py`), it is decoded, prepared and
converted. Types with dates are only prepared if decoding them directly fails.
"""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar, cast

from msgspec import DecodeError, Raw, ValidationError, convert, inspect

from hubline.wire.foreign import is_pydantic_model, refuse_what_is_skipped, validate
from hubline.wire.incoming import Read, holds, no_form, preparation

T = TypeVar("T")

_MALFORMED = (DecodeError, ValueError, TypeError, RecursionError)


def value_reader(
    kind: type[T],
    *,
    decoder: Callable[[Any], Callable[[Raw], Any]],
    rename: Callable[[str], str],
    text_keys: bool,
    mend: Callable[[Raw], Raw] | None = None,
) -> Callable[[Raw], T]:
    """The result of `Codec.reader`. `decoder` makes a decoding function for a type. JSON has only `text_keys`.

    `mend` repairs a payload that could not be decoded. It is used for types that may contain dates.

    Raises:
        TypeError: a type in `kind` has no encoding, or has features that would be ignored.
    """
    refuse_what_is_skipped(kind)
    decode_any = decoder(Any)

    def two_steps(prepare: Read) -> Callable[[Raw], Any]:
        return lambda raw: convert(prepare(decode_any(raw)), kind, dec_hook=read_custom, str_keys=text_keys)

    prepare = preparation(kind, rename, base64=text_keys)
    decode = decoder(kind) if prepare is None else two_steps(prepare)
    again: Callable[[Raw], Any] | None = None
    if holds(kind, inspect.DateTimeType) and (dates := preparation(kind, rename, lenient=True, base64=text_keys)):
        again = two_steps(dates)
    elif mend is not None and holds(kind, inspect.AnyType):
        again = decode

    def read(raw: Raw) -> T:
        try:
            value: T = decode(raw)
        except _MALFORMED as error:
            if again is not None:
                with suppress(*_MALFORMED):
                    return cast("T", again(raw if mend is None else mend(raw)))
            if isinstance(error, ValidationError):
                raise
            raise ValidationError(f"the value is malformed: {error}") from error
        return value

    return read


def read_custom(kind: Any, value: Any) -> Any:
    """The `dec_hook` of both codecs: makes values that msgspec cannot make."""
    if kind is object:
        return value
    if not is_pydantic_model(kind):
        raise TypeError(no_form(kind))
    return validate(kind.model_validate, value)
