"""The sender of a request, the JSON in its body, and answers in JSON."""

import json
import logging
import math
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any, TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from hubline import HubError
from hubline.connection import ConnectionScope
from hubline.runs.info import NO_RUN
from hubline.runs.values import whole
from hubline.transports.admission import Refused, token_given
from hubline.transports.responses import refused

logger = logging.getLogger("hubline.runs")

Admit: TypeAlias = Callable[[MutableMapping[str, Any]], Awaitable[ConnectionScope]]
"""Returns the sender of a request, from its ASGI scope. Raises `Refused`."""

Permit: TypeAlias = Callable[[ConnectionScope, str, Sequence[Any]], Awaitable[int | None]]
"""Whether the sender of a request may call a method of the runs' hub, by the name of its function, with these
arguments: `None`, or the status of the refusal."""

BODY = 131_072
"""Bytes of the body of a call: twice the size of the largest value. Ours."""

TEXTS = {
    401: "Sign in first, or with a token that is valid.",
    403: "This is not for you.",
    500: "An error happened on the server.",
}


class Answered(Exception):
    """The request is answered with `response`, and not handled further."""

    def __init__(self, response: Response) -> None:
        self.response = response


def problem(status: int, text: str) -> JSONResponse:
    """An answer with the error."""
    return JSONResponse({"error": text}, status)


async def sender(request: Request, admit: Admit) -> ConnectionScope:
    """The sender of a request. A request with an invalid token is refused, not handled as anonymous.

    Raises:
        Answered: 401, 403, or 500 when the sender could not be determined.
    """
    try:
        scope = await admit(request.scope)
        if scope.identity is None and token_given(scope):
            raise Refused(refused(401, token_given=True))
    except Refused as refusal:
        answer = refusal.response
        response = problem(answer.status, TEXTS.get(answer.status, "Refused."))
        response.raw_headers += [each for each in answer.headers if each[0] == b"www-authenticate"]
        raise Answered(response) from None
    return scope


async def everybody(scope: ConnectionScope, method: str, arguments: Sequence[Any]) -> int | None:
    """Without a hub there are no methods with rights of their own."""
    return None


async def permitted(scope: ConnectionScope, permit: Permit, method: str, *arguments: Any) -> None:
    """Apply the hub's rules for a method to the address that does the same.

    Raises:
        Answered: 401 or 403; with the text of a policy's HubError, if it raised one.
    """
    try:
        status = await permit(scope, method, arguments)
    except HubError as error:
        raise Answered(problem(403, str(error))) from None
    if status is not None:
        raise Answered(problem(status, TEXTS[status]))


def must_be_json(request: Request) -> None:
    """For addresses that can be guessed: a page of another origin cannot send this type without a preflight request.

    Raises:
        Answered: 415.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Answered(problem(415, "The body must be `application/json`."))


async def body(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object in the body, whatever its content type. Raises Answered: 400 or 413."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Answered(problem(413, f"The body may have {limit} bytes."))
        parts.append(part)
    try:
        raw = b"".join(parts)
        found = json.loads(raw, parse_constant=_no_number, parse_float=_number, object_pairs_hook=_object)
        if b"\\u" in raw:  # an escape may be a lone surrogate, which has no form in UTF-8 and cannot be sent on
            found = whole(found)
    except RecursionError:
        raise Answered(problem(400, "The body must be a JSON object. It is nested too deeply.")) from None
    except ValueError as error:
        raise Answered(problem(400, f"The body must be a JSON object. {error}.")) from None
    if not isinstance(found, dict):
        raise Answered(problem(400, "The body must be a JSON object."))
    return found


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is no JSON")


def _number(text: str) -> float:
    """A finite number: Python reads a number that is too large as infinity."""
    found = float(text)
    if math.isinf(found):
        raise ValueError(f"The number {text:.20} is too large")
    return found


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a repeated name: an earlier check of the body, such as a proxy, may have read the other value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("An object has the same name twice")
    return found


async def value(request: Request) -> Any:
    """The `value` in the body. Raises Answered."""
    found = await body(request, BODY)
    if "value" not in found:
        raise Answered(problem(400, "The body must have a `value`."))
    return found["value"]


def answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A handler whose errors are answers: 404 for a run that does not exist, 409 for a call that is refused.

    Answers must not be cached: they change, and are for one user.
    """

    async def answer(request: Request) -> Response:
        response = await attempt(request)
        response.headers.setdefault("cache-control", "no-store")
        return response

    async def attempt(request: Request) -> Response:
        try:
            return await handler(request)
        except Answered as answered:
            return answered.response
        except ClientDisconnect:
            return Response(status_code=400)  # the client has gone
        except HubError as error:
            return problem(404 if str(error) == NO_RUN else 409, str(error))
        except Exception:
            logger.exception("%s %s failed", request.method, request.url.path)
            return problem(500, TEXTS[500])

    return answer
