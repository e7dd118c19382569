"""The routes by which administrators see and change accounts."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel

from hubline_chat.accounts.requests import accounts_of, administrator, body, same_site
from hubline_chat.accounts.routes import user_json
from hubline_chat.accounts.service import Accounts
from hubline_chat.contract import Role, TierName
from hubline_chat.store import Store

router = APIRouter(prefix="/api/people", dependencies=[Depends(same_site), Depends(administrator)])


class Change(BaseModel):
    """What is to be another; what is left out stays."""

    tier: TierName | None = None
    role: Role | None = None
    password: str | None = None


@router.get("")
async def people(request: Request, response: Response) -> object:
    store: Store = request.app.state.store
    found = await store.users.list(datetime.now(UTC).date())
    response.headers["cache-control"] = "no-store"
    return {
        "people": [
            {**user_json(each.user), "usedToday": each.used_today, "createdAt": each.created_at.isoformat()}
            for each in found
        ]
    }


@router.patch("/{user_id}")
async def change(
    user_id: str,
    accounts: Annotated[Accounts, Depends(accounts_of)],
    wanted: Annotated[Change, Depends(body(Change))],
) -> object:
    user = await accounts.change(user_id, role=wanted.role, tier=wanted.tier, password=wanted.password)
    return {"user": user_json(user)}
