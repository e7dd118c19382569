"""From a value that is still encoded to the type a hub method wants.

msgspec decodes straight into most types. Where something has to be prepared first (see `incoming.py`) the value takes a
second step: decode, prepare, convert. Types with dates take it only when the first way fails.
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
    """What `Codec.reader` returns. `decoder` makes a decoding function for a type; JSON has `text_keys` only.

    `mend` gives what could not be decoded another form; it is asked where there may be dates.

    Raises:
        TypeError: something in `kind` has no form on the wire, or says of itself what would be skipped.
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
    """The `dec_hook` of both codecs: what msgspec itself cannot make."""
    if kind is object:
        return value
    if not is_pydantic_model(kind):
        raise TypeError(no_form(kind))
    return validate(kind.model_validate, value)
