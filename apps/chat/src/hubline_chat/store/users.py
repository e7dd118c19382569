"""The table of people with an account, guests among them."""

import secrets
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, TypedDict

from sqlalchemy import Row, and_, delete, exists, func, select, update
from sqlalchemy.exc import IntegrityError
from typing_extensions import Unpack

from hubline_chat.contract import Role, TierName
from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import SESSIONS, USAGE, USERS

MAXIMUM = 50_000
"""Accounts, guests included."""
LISTED = 1_000
"""Accounts that one list shows, the newest."""

_IS_ACTIVE_ADMIN = (USERS.c.role == "admin") & ~USERS.c.is_disabled
_HAS_SESSION = exists().where(SESSIONS.c.user_id == USERS.c.id)


@dataclass(frozen=True, slots=True)
class User:
    """A person with an account."""

    id: str
    name: str
    role: Role
    tier: TierName
    is_disabled: bool = False
    """An administrator has shut the account: it has no session, and nobody can sign in."""
    has_password: bool = False
    """Guests have none, nor do people whom only a provider signs in."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A user as administrators see one."""

    user: User
    created_at: datetime
    used_today: int


class UserChange(TypedDict, total=False):
    """Columns of a user that administrators change; `None` is no change."""

    role: Role | None
    tier: TierName | None
    is_disabled: bool | None


class NameTaken(Exception):
    """Another user has this name, or one that differs only in case or form."""


class LastAdmin(Exception):
    """The change would leave no administrator who can sign in."""


class Full(Exception):
    """The maximum number of accounts is reached."""


def folded(name: str) -> str:
    """The form of a name for comparisons: names that look the same are the same."""
    name = " ".join(name.replace("\0", "").split())
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())


class Users:
    """All people with an account."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def add(self, name: str, role: Role, tier: TierName, password: str | None = None) -> User:
        """A new user. `password` is its hash.

        Raises:
            NameTaken, Full
        """
        user = User(secrets.token_urlsafe(12), name, role, tier, has_password=password is not None)
        now = datetime.now(UTC)
        row = {"folded": folded(name), "password": password, "created_at": now}
        try:
            async with self.database.writing() as connection:
                if (await connection.scalar(select(func.count()).select_from(USERS)) or 0) >= MAXIMUM:
                    raise Full
                values = {"id": user.id, "name": name, "role": role, "tier": tier} | row
                await connection.execute(USERS.insert().values(values))
        except IntegrityError as error:
            raise NameTaken(name) from error
        return user

    @unbroken
    async def get(self, user_id: str) -> User | None:
        return await self._one(USERS.c.id == user_id)

    @unbroken
    async def named(self, name: str) -> User | None:
        return await self._one(USERS.c.folded == folded(name))

    @unbroken
    async def called(self, names: Collection[str]) -> dict[str, User]:
        """The users with these names, which are `folded`, by folded name."""
        async with self.database.reading() as connection:
            rows = (await connection.execute(select(USERS).where(USERS.c.folded.in_(names)))).all()
        return {row.folded: user_of(row) for row in rows}

    @unbroken
    async def credentials(self, name: str) -> tuple[User, str] | None:
        """The user with this name, and the hash of the password. `None` also for guests, who have none."""
        query = select(USERS).where(USERS.c.folded == folded(name), USERS.c.password.is_not(None))
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else (user_of(row), str(row.password))

    @unbroken
    async def set_password(self, user_id: str, password: str) -> bool:
        """Change the password; whether there is such a user. `password` is a hash."""
        async with self.database.writing() as connection:
            changed = await connection.execute(update(USERS).where(USERS.c.id == user_id).values(password=password))
        return bool(changed.rowcount)

    @unbroken
    async def change(self, user_id: str, **change: Unpack[UserChange]) -> User | None:
        """The changed user; `None` if there is none. Values that are `None` stay.

        Raises:
            LastAdmin: there is no other administrator.
        """
        changes = {name: value for name, value in change.items() if value is not None}
        is_no_admin = changes.get("is_disabled", False) or changes.get("role", "admin") != "admin"
        async with self.database.writing() as connection:
            admins = (await connection.execute(select(USERS.c.id).where(_IS_ACTIVE_ADMIN).with_for_update())).scalars()
            if is_no_admin and list(admins) == [user_id]:
                raise LastAdmin
            if changes:
                await connection.execute(update(USERS).where(USERS.c.id == user_id).values(changes))
            row = (await connection.execute(select(USERS).where(USERS.c.id == user_id))).one_or_none()
        return None if row is None else user_of(row)

    @unbroken
    async def admin(self) -> User | None:
        """The first administrator who is not disabled: there is always one."""
        query = select(USERS).where(_IS_ACTIVE_ADMIN).order_by(USERS.c.created_at).limit(1)
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else user_of(row)

    @unbroken
    async def admins(self) -> Sequence[User]:
        query = select(USERS).where(USERS.c.role == "admin").order_by(USERS.c.created_at)
        async with self.database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [user_of(row) for row in rows]

    @unbroken
    async def list(self, day: date) -> Sequence[Listed]:
        """The newest of them, with the tokens they have used on `day`."""
        used = and_(USAGE.c.user_id == USERS.c.id, USAGE.c.day == day)
        query = (
            select(USERS, func.coalesce(USAGE.c.tokens, 0).label("used"))
            .select_from(USERS.outerjoin(USAGE, used))
            .order_by(USERS.c.created_at.desc(), USERS.c.id)
            .limit(LISTED)
        )
        async with self.database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [Listed(user_of(row), row.created_at, row.used) for row in rows]

    @unbroken
    async def find(self, text: str, limit: int) -> Sequence[User]:
        """Those with an account that is not disabled whose names begin with `text`."""
        query = (
            select(USERS)
            .where(USERS.c.folded.startswith(folded(text), autoescape=True))
            .where(USERS.c.role != "guest", ~USERS.c.is_disabled)
            .order_by(USERS.c.folded)
            .limit(limit)
        )
        async with self.database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [user_of(row) for row in rows]

    @unbroken
    async def idle_guests(self, before: datetime) -> Sequence[User]:
        """Guests without a session who were made before then."""
        query = select(USERS).where(USERS.c.role == "guest", USERS.c.created_at < before, ~_HAS_SESSION)
        async with self.database.reading() as connection:
            rows = (await connection.execute(query)).all()
        return [user_of(row) for row in rows]

    @unbroken
    async def is_idle(self, user_id: str) -> bool:
        """Whether the user has no session."""
        query = select(exists().where(USERS.c.id == user_id, _HAS_SESSION))
        async with self.database.reading() as connection:
            return not await connection.scalar(query)

    @unbroken
    async def delete(self, user_id: str) -> None:
        """Delete a user with sessions and memberships."""
        async with self.database.writing() as connection:
            await connection.execute(delete(USERS).where(USERS.c.id == user_id))

    async def _one(self, condition: Any) -> User | None:
        async with self.database.reading() as connection:
            row = (await connection.execute(select(USERS).where(condition))).one_or_none()
        return None if row is None else user_of(row)


def user_of(row: Row[Any]) -> User:
    """The user of a row of `USERS`."""
    return User(row.id, row.name, row.role, row.tier, row.is_disabled, row.password is not None)
