"""Checks of account requests: they come from our own page, are short, and have a session if one is needed."""

import re
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.datastructures import URL

from hubline_chat.accounts.errors import AccountError, signed_out
from hubline_chat.accounts.service import Accounts
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Session

COOKIE = "hubline_session"
SEAT = "x-hubline-seat"
BODY_BYTES = 4_096
PORTS = {"http": 80, "https": 443}
SAFE_METHODS = frozenset({"GET", "HEAD"})

Body = TypeVar("Body", bound=BaseModel)


async def same_site(request: Request) -> None:
    """Only our own page may change data: a page of another origin cannot send JSON, nor hide its origin."""
    if request.method in SAFE_METHODS:
        return
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" or not _from_our_page(request):
        raise AccountError(403, "cross-site", "This request did not come from the chat's own page.")


async def our_page(request: Request) -> None:
    """The same for requests whose body is not JSON: the cookie is not sent with those of other sites."""
    if request.method not in SAFE_METHODS and not _from_our_page(request):
        raise AccountError(403, "cross-site", "This request did not come from the chat's own page.")


def _from_our_page(request: Request) -> bool:
    origin = request.headers.get("origin")
    if origin is None:
        return request.headers.get("sec-fetch-site") in (None, "same-origin")
    settings: ChatSettings = request.app.state.settings
    return origin in settings.allowed_origins or _same(URL(origin), request.url)


def _same(origin: URL, url: URL) -> bool:
    """Whether both are the same origin. A page with https may come through a proxy that uses http to us."""
    try:
        if origin.scheme not in ("https", url.scheme) or origin.hostname != url.hostname:
            return False
        return (origin.port or PORTS[origin.scheme]) == (url.port or PORTS[origin.scheme])
    except ValueError:  # one of them is no address
        return False


def body(model: type[Body]) -> Callable[[Request], Awaitable[Body]]:
    """Read a short JSON body of this form. A longer one is refused without being read."""

    async def read(request: Request) -> Body:
        received = b""
        async for piece in request.stream():
            received += piece
            if len(received) > BODY_BYTES:
                raise AccountError(413, "too-large", f"The request is too large: {BODY_BYTES:,} bytes are allowed.")
        try:
            return model.model_validate_json(received)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False, include_context=False)[0]
            place = ".".join(map(str, first["loc"])) or "body"
            raise AccountError(422, "bad-request", f"{place}: {first['msg'][:200]}.") from None

    return read


def accounts_of(request: Request) -> Accounts:
    accounts: Accounts = request.app.state.accounts
    return accounts


def address_of(request: Request) -> str:
    """The address of a request, for limits; with IPv6, the network of one household.

    Behind trusted proxies, a middleware has replaced their address by that of the client.
    """
    host = request.client.host if request.client else "unknown"
    return ":".join(host.split(":")[:4]) if ":" in host else host


class Cookie:
    """The session cookie of one seat: one browser can hold several people, each in a window of its own."""

    def __init__(self, request: Request, seat: str | None = None) -> None:
        """`seat`: if neither the header nor the address has it."""
        seat = request.headers.get(SEAT, request.query_params.get("seat", seat))  # pictures and links have no headers
        if seat is not None and not re.fullmatch("[a-z0-9]{1,12}", seat, re.ASCII):
            raise AccountError(400, "bad-seat", "The name of this window's seat is not valid. Reload the page.")
        self._name = f"{COOKIE}_{seat}" if seat else COOKIE
        self._is_secure = request.url.scheme == "https"
        self.secret = request.cookies.get(self._name)

    def set(self, response: Response, secret: str, seconds: int) -> None:
        response.set_cookie(
            self._name, secret, max_age=seconds, path="/", httponly=True, samesite="lax", secure=self._is_secure
        )

    def clear(self, response: Response) -> None:
        response.delete_cookie(self._name, path="/", httponly=True, samesite="lax", secure=self._is_secure)


async def current(
    request: Request, response: Response, accounts: Annotated[Accounts, Depends(accounts_of)]
) -> Session | None:
    """The session of the request's cookie. The cookie lasts as long as the session, so it is renewed with it."""
    cookie = Cookie(request)
    session = await accounts.session(cookie.secret)
    if session is not None and cookie.secret is not None:
        settings: ChatSettings = request.app.state.settings
        cookie.set(response, cookie.secret, settings.session_seconds)
    return session


async def signed_in(session: Annotated[Session | None, Depends(current)]) -> Session:
    if session is None:
        raise signed_out()
    return session


async def administrator(session: Annotated[Session, Depends(signed_in)]) -> Session:
    if session.user.role != "admin":
        raise AccountError(403, "not-allowed", "Only administrators can do this.")
    return session
