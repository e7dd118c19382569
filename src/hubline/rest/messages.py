"""The message in the body of a request: `PayloadMessage` of Azure's data plane, in JSON or MessagePack."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct
from starlette.requests import Request

from hubline.rest.answers import Problem
from hubline.wire.messages import Invocation

_JSON = ("application/json", "text/json", "")
_MESSAGEPACK = ("application/x-msgpack",)

DISCARDED = 8
"""How many times the limit of a body is read before a larger one is refused. Ours."""


class PayloadMessage(Struct):
    """Unknown fields are ignored."""

    target: str
    arguments: list[Any] | None = None


_DECODERS: dict[str, Callable[[bytes], PayloadMessage]] = {
    **dict.fromkeys(_JSON, msgspec.json.Decoder(PayloadMessage).decode),
    **dict.fromkeys(_MESSAGEPACK, msgspec.msgpack.Decoder(PayloadMessage).decode),
}


async def message_of(request: Request, limit: int) -> Invocation:
    """The call to clients that the body describes. Raises Problem: 400, 413 or 415."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    decode = _DECODERS.get(media_type)
    if decode is None:
        raise Problem(415, "The body must be application/json or application/x-msgpack.", target="payload")
    try:
        found = decode(await _body(request, limit))
    except RecursionError:
        raise Problem(400, "The message is nested too deeply.", target="payload") from None
    except (msgspec.DecodeError, ValueError) as error:  # a ValidationError is a DecodeError
        raise Problem(400, f"The message cannot be read: {error}.", target="payload") from None
    if not found.target:
        raise Problem(400, "The target must not be empty.", target="target")
    return Invocation(target=found.target, arguments=tuple(found.arguments or ()))


async def _body(request: Request, limit: int) -> bytes:
    """What is too much is read too, within reason: a server that is not read to the end may reset the connection."""
    held, size = bytearray(), 0
    async for part in request.stream():
        size += len(part)
        if size <= limit:
            held += part
        elif size > limit * DISCARDED:
            break
        else:
            held.clear()
    if size > limit:
        raise Problem(413, f"The body may have {limit} bytes.", target="payload")
    return bytes(held)
