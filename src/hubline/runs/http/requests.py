"""What a request says: who it comes from, and the JSON in its body; and answers in JSON."""

import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
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
"""Says who sends a request, by its ASGI scope. Raises `Refused`."""

BODY = 131_072
"""Bytes of the body of a call: twice what the largest value may have. Ours."""

TEXTS = {
    401: "Sign in first, or with a token that is valid.",
    403: "This is not for you.",
    500: "An error happened on the server.",
}


class Answered(Exception):
    """The request is answered with `response`, and goes no further."""

    def __init__(self, response: Response) -> None:
        self.response = response


def problem(status: int, text: str) -> JSONResponse:
    """An answer that says what is wrong."""
    return JSONResponse({"error": text}, status)


async def sender(request: Request, admit: Admit) -> ConnectionScope:
    """Who sends a request. A token that is not valid is none, and who sent one expects to be known.

    Raises:
        Answered: 401, 403, or 500 when it could not be found out.
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


def must_be_json(request: Request) -> None:
    """For addresses that can be guessed: a page of another origin cannot send this type without having asked first.

    Raises:
        Answered: 415.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise Answered(problem(415, "The body must be `application/json`."))


async def body(request: Request, limit: int) -> dict[str, Any]:
    """The JSON object in the body, whatever its type is said to be. Raises Answered: 400 or 413."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > limit:
            raise Answered(problem(413, f"The body may have {limit} bytes."))
        parts.append(part)
    try:
        raw = b"".join(parts)
        found = json.loads(raw)
        if b"\\u" in raw:  # what an escape may bring has no form in UTF-8, nor in anything that is sent on
            found = whole(found)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Answered(problem(400, "The body must be a JSON object."))
    return found


async def value(request: Request) -> Any:
    """The `value` in the body. Raises Answered."""
    found = await body(request, BODY)
    if "value" not in found:
        raise Answered(problem(400, "The body must have a `value`."))
    return found["value"]


def answering(handler: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """A handler whose errors are answers: 404 for a run that is not there, 409 for what a call refuses.

    No answer may be kept: each changes while it is looked at, and is for one user.
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
            return Response(status_code=400)  # nobody reads it
        except HubError as error:
            return problem(404 if str(error) == NO_RUN else 409, str(error))
        except Exception:
            logger.exception("%s %s failed", request.method, request.url.path)
            return problem(500, TEXTS[500])

    return answer
