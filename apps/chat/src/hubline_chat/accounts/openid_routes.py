"""The two addresses of a sign-in by a provider. They are opened as pages, so they answer with redirects."""

import logging
import re
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from starlette.responses import RedirectResponse

from hubline_chat.accounts.errors import AccountError
from hubline_chat.accounts.openid import PENDING_SECONDS, OpenId, OpenIdError, Pending
from hubline_chat.accounts.requests import Cookie, accounts_of, address_of
from hubline_chat.accounts.service import Accounts
from hubline_chat.settings import ChatSettings
from hubline_chat.store import StoreError

logger = logging.getLogger("hubline_chat")

router = APIRouter(prefix="/api/openid")

COOKIE, PATH = "hubline_openid", "/api/openid"
PLACE = re.compile(r"/room/[\w%.~/-]{1,200}", re.ASCII)


def openid_of(request: Request) -> OpenId:
    openid: OpenId | None = request.app.state.openid
    if openid is None:
        raise AccountError(404, "no-provider", "Signing in by a provider is not set up here.")
    return openid


Service = Annotated[OpenId, Depends(openid_of)]


@router.get("/begin")
async def begin(
    request: Request, openid: Service, accounts: Annotated[Accounts, Depends(accounts_of)], place: str = ""
) -> RedirectResponse:
    """To the provider. `place`: the room to return to, as in the page's address, without its `#`."""
    place = place if PLACE.fullmatch(place) else ""
    Cookie(request)  # refuses a seat that is none
    try:
        accounts.admit_openid(address_of(request))
        url, binding = await openid.begin(_back(request), request.query_params.get("seat") or None, place)
    except (OpenIdError, AccountError) as error:
        return _refused(error, place)
    answer = _to(url)
    secure = request.url.scheme == "https"
    answer.set_cookie(
        COOKIE, binding, max_age=int(PENDING_SECONDS), path=PATH, httponly=True, samesite="lax", secure=secure
    )
    return answer


@router.get("/callback")
async def callback(
    request: Request,
    openid: Service,
    accounts: Annotated[Accounts, Depends(accounts_of)],
    state: str | None = None,
    code: str | None = None,
    error: str | None = None,
) -> RedirectResponse:
    """Back from the provider: a session, or the page with the reason why there is none."""
    pending = openid.take(request.cookies.get(COOKIE))
    place = "" if pending is None else pending.place
    try:
        if pending is None:
            raise OpenIdError("expired")
        answer = await _signed_in(request, accounts, openid, pending, (state, code, error))
    except (OpenIdError, AccountError, StoreError) as refusal:
        answer = _refused(refusal, place)
    answer.delete_cookie(COOKIE, path=PATH, httponly=True)
    return answer


async def _signed_in(
    request: Request,
    accounts: Accounts,
    openid: OpenId,
    pending: Pending,
    told: tuple[str | None, str | None, str | None],
) -> RedirectResponse:
    signed = await accounts.sign_in_by(await openid.finish(pending, *told))
    cookie = Cookie(request, pending.seat)
    former = await accounts.session(cookie.secret)
    if former is not None:
        await accounts.sign_out(former)
    settings: ChatSettings = request.app.state.settings
    answer = _to(f"/#{pending.place}" if pending.place else "/")
    cookie.set(answer, signed.secret, settings.session_seconds)
    return answer


def _back(request: Request) -> str:
    """The address that the provider has to know."""
    return str(request.url_for("callback"))


def _refused(error: Exception, place: str) -> RedirectResponse:
    code = error.code if isinstance(error, OpenIdError | AccountError) else "unavailable"
    logger.warning("a sign-in by the provider failed: %s", str(error)[:200])
    return _to(f"/?sign-in={code}" + (f"#{place}" if place else ""))


def _to(url: str) -> RedirectResponse:
    headers = {"cache-control": "no-store", "referrer-policy": "no-referrer"}
    return RedirectResponse(url, 303, headers)
