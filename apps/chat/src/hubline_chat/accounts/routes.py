"""The routes under `/api/` for one's own account."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from hubline_chat.accounts.requests import Cookie, accounts_of, address_of, body, current, same_site, signed_in
from hubline_chat.accounts.service import Accounts, SignedIn
from hubline_chat.accounts.tokens import make_token
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Session, User

router = APIRouter(prefix="/api", dependencies=[Depends(same_site)])

Service = Annotated[Accounts, Depends(accounts_of)]
Own = Annotated[Session, Depends(signed_in)]


class Credentials(BaseModel):
    name: str
    password: str


class GuestName(BaseModel):
    name: str


class NewPassword(BaseModel):
    current: str
    new: str


class Removal(BaseModel):
    """`messages`: they stay under another name, or are deleted with the account."""

    messages: Literal["keep", "delete"]


class OwnRemoval(Removal):
    password: str


class Nothing(BaseModel):
    pass


@router.get("/session")
async def session(request: Request, response: Response, own: Annotated[Session | None, Depends(current)]) -> object:
    """The user of this window, and the other possible actions."""
    settings: ChatSettings = request.app.state.settings
    response.headers["cache-control"] = "no-store"
    return {
        "user": None if own is None else user_json(own.user),
        "signUp": settings.sign_up,
        "guests": settings.guests_allowed,
        "openId": None if settings.openid is None else settings.openid.name,
    }


@router.post("/sign-in")
async def sign_in(
    request: Request, response: Response, accounts: Service, given: Annotated[Credentials, Depends(body(Credentials))]
) -> object:
    signed = await accounts.sign_in(given.name, given.password, address_of(request))
    return await _welcome(request, response, accounts, signed)


@router.post("/sign-up", status_code=201)
async def sign_up(
    request: Request, response: Response, accounts: Service, given: Annotated[Credentials, Depends(body(Credentials))]
) -> object:
    signed = await accounts.sign_up(given.name, given.password, address_of(request))
    return await _welcome(request, response, accounts, signed)


@router.post("/guest", status_code=201)
async def guest(
    request: Request, response: Response, accounts: Service, given: Annotated[GuestName, Depends(body(GuestName))]
) -> object:
    signed = await accounts.guest(given.name, address_of(request))
    return await _welcome(request, response, accounts, signed)


@router.post("/sign-out", status_code=204, dependencies=[Depends(body(Nothing))])
async def sign_out(
    request: Request, response: Response, accounts: Service, own: Annotated[Session | None, Depends(current)]
) -> None:
    """End the session and its connections; without a session, do nothing."""
    if own is not None:
        await accounts.sign_out(own)
    del response.headers["set-cookie"]
    Cookie(request).clear(response)


@router.post("/token", dependencies=[Depends(body(Nothing))])
async def token(request: Request, response: Response, own: Own) -> object:
    """A token for the hub."""
    settings: ChatSettings = request.app.state.settings
    made, seconds = make_token(own, request.app.state.token_key, settings.token_seconds)
    response.headers["cache-control"] = "no-store"
    return {"token": made, "expiresIn": seconds}


@router.post("/password", status_code=204)
async def password(accounts: Service, own: Own, given: Annotated[NewPassword, Depends(body(NewPassword))]) -> None:
    await accounts.change_password(own, given.current, given.new)


@router.post("/account/remove", status_code=204)
async def remove(
    request: Request,
    response: Response,
    accounts: Service,
    own: Own,
    given: Annotated[OwnRemoval, Depends(body(OwnRemoval))],
) -> None:
    """Remove one's own account, with every session."""
    await accounts.remove_own(own, given.password, erase=given.messages == "delete")
    del response.headers["set-cookie"]
    Cookie(request).clear(response)


def user_json(user: User) -> dict[str, object]:
    known: dict[str, object] = {"id": user.id, "name": user.name, "role": user.role, "tier": user.tier}
    return known | {"hasPassword": user.has_password}


async def _welcome(request: Request, response: Response, accounts: Accounts, signed: SignedIn) -> object:
    """Replace the session of the window by a new one."""
    cookie = Cookie(request)
    former = await accounts.session(cookie.secret)
    if former is not None:
        await accounts.sign_out(former)
    settings: ChatSettings = request.app.state.settings
    cookie.set(response, signed.secret, settings.session_seconds)
    response.headers["cache-control"] = "no-store"
    return {"user": user_json(signed.user)}
