"""The errors of the account routes."""

import math

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from hubline_chat.store import StoreError


class AccountError(Exception):
    """A refusal: a status, a sentence for people, and a code for the page."""

    def __init__(self, status: int, code: str, sentence: str, *, retry_after: float | None = None) -> None:
        self.status, self.code, self.sentence = status, code, sentence
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))
        super().__init__(sentence)


def too_many(retry_after: float) -> AccountError:
    """429, with the time to wait in words."""
    seconds = max(1, math.ceil(retry_after))
    wait = f"{seconds} s" if seconds < 120 else f"{math.ceil(seconds / 60)} minutes"
    return AccountError(429, "too-many", f"Too many attempts. Try again in {wait}.", retry_after=seconds)


def disabled() -> AccountError:
    return AccountError(403, "disabled", "This account is disabled. Ask an administrator.")


def signed_out() -> AccountError:
    return AccountError(401, "signed-out", "Your session has ended. Sign in again.")


async def broken_off(request: Request, error: Exception) -> Response:
    """The end of a request whose sender went away in the middle of its body. Nobody reads it."""
    return Response(status_code=400)


async def refused(request: Request, error: Exception) -> JSONResponse:
    """The answer to a request that an `AccountError` or `StoreError` ended."""
    if isinstance(error, StoreError):
        error = AccountError(503, "unavailable", str(error), retry_after=5)
    assert isinstance(error, AccountError)
    body: dict[str, object] = {"error": error.sentence, "code": error.code}
    headers = {"cache-control": "no-store"}
    if error.retry_after is not None:
        body["retryAfter"] = error.retry_after
        headers["retry-after"] = str(error.retry_after)
    return JSONResponse(body, error.status, headers)
