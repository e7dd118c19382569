"""The routes for administrators to see and change accounts."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field

from hubline_chat.accounts.errors import AccountError
from hubline_chat.accounts.requests import accounts_of, administrator, body, same_site
from hubline_chat.accounts.routes import Removal, user_json
from hubline_chat.accounts.service import Accounts
from hubline_chat.contract import Role, TierName
from hubline_chat.store import Session, Store, User

router = APIRouter(prefix="/api/people", dependencies=[Depends(same_site), Depends(administrator)])


class Change(BaseModel):
    """The new values; omitted ones stay. `isDisabled`: nobody can sign in, and its sessions end."""

    tier: TierName | None = None
    role: Role | None = None
    password: str | None = None
    is_disabled: Annotated[bool | None, Field(alias="isDisabled")] = None


@router.get("")
async def people(request: Request, response: Response) -> object:
    store: Store = request.app.state.store
    found = await store.users.list(datetime.now(UTC).date())
    response.headers["cache-control"] = "no-store"
    return {
        "people": [
            {**_person_json(each.user), "usedToday": each.used_today, "createdAt": each.created_at.isoformat()}
            for each in found
        ]
    }


@router.patch("/{user_id}")
async def change(
    user_id: str,
    accounts: Annotated[Accounts, Depends(accounts_of)],
    own: Annotated[Session, Depends(administrator)],
    wanted: Annotated[Change, Depends(body(Change))],
) -> object:
    if wanted.is_disabled is not None:
        _check_another(own, user_id)
    user = await accounts.change(
        user_id, role=wanted.role, tier=wanted.tier, password=wanted.password, is_disabled=wanted.is_disabled
    )
    return {"user": _person_json(user)}


@router.post("/{user_id}/remove", status_code=204)
async def remove(
    user_id: str,
    accounts: Annotated[Accounts, Depends(accounts_of)],
    own: Annotated[Session, Depends(administrator)],
    wanted: Annotated[Removal, Depends(body(Removal))],
) -> None:
    """Remove an account, or a guest."""
    _check_another(own, user_id)
    await accounts.remove(user_id, erase=wanted.messages == "delete")


def _check_another(own: Session, user_id: str) -> None:
    if own.user.id == user_id:
        problem = "This is your own account. You can remove it in your account's menu, where your password is asked."
        raise AccountError(409, "own-account", problem)


def _person_json(user: User) -> dict[str, object]:
    """A user as administrators see one."""
    return {**user_json(user), "isDisabled": user.is_disabled}
