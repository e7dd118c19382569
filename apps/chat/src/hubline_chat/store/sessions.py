"""The table of sessions: users, cookies, and times of expiry."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, select, update

from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import SESSIONS, USERS
from hubline_chat.store.users import User, user_of

PER_USER = 20
"""Sessions of one user; a further one ends the oldest."""


@dataclass(frozen=True, slots=True)
class Session:
    """`id` is public: tokens of the session have it. Only the cookie has the secret."""

    id: str
    user: User
    expires_at: datetime
    begun_at: datetime


class Disabled(Exception):
    """The account is disabled, or was removed meanwhile."""


class Sessions:
    """The sessions of all users. All methods except `alive` take the time, so that there is one clock."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def begin(self, user_id: str, now: datetime, expires_at: datetime) -> tuple[str, Sequence[str]]:
        """A new session: the secret for its cookie, and the ids of older ones that had to end for it.

        Raises:
            Disabled
        """
        secret = secrets.token_urlsafe(32)
        row = {"id": secrets.token_urlsafe(12), "token": _digest(secret), "user_id": user_id}
        async with self.database.writing() as connection:
            # Locked, so that a session which begins while its account is disabled is ended with the others.
            user = select(USERS.c.id).where(USERS.c.id == user_id, ~USERS.c.is_disabled).with_for_update()
            if await connection.scalar(user) is None:
                raise Disabled
            values = row | {"created_at": now, "expires_at": expires_at}
            await connection.execute(SESSIONS.insert().values(values))
            newest = select(SESSIONS.c.id).where(SESSIONS.c.user_id == user_id)
            newest = newest.order_by(SESSIONS.c.created_at.desc(), SESSIONS.c.id).offset(PER_USER)
            surplus = (await connection.execute(newest)).scalars().all()
            if surplus:
                await connection.execute(delete(SESSIONS).where(SESSIONS.c.id.in_(surplus)))
        return secret, surplus

    @unbroken
    async def find(self, secret: str, now: datetime) -> Session | None:
        """The session that a cookie opens, if it has not ended."""
        query = (
            select(
                SESSIONS.c.id.label("session"), SESSIONS.c.expires_at, SESSIONS.c.created_at.label("begun_at"), USERS
            )
            .join_from(SESSIONS, USERS)
            .where(SESSIONS.c.token == _digest(secret), SESSIONS.c.expires_at > now)
        )
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        return Session(row.session, user_of(row), row.expires_at, row.begun_at)

    @unbroken
    async def alive(self, session_id: str, now: datetime) -> bool:
        """Whether a session has neither been ended nor expired."""
        query = select(exists().where(SESSIONS.c.id == session_id, SESSIONS.c.expires_at > now))
        async with self.database.reading() as connection:
            return bool(await connection.scalar(query))

    @unbroken
    async def extend(self, session_id: str, expires_at: datetime) -> None:
        async with self.database.writing() as connection:
            change = update(SESSIONS).where(SESSIONS.c.id == session_id).values(expires_at=expires_at)
            await connection.execute(change)

    @unbroken
    async def end(self, session_id: str) -> None:
        async with self.database.writing() as connection:
            await connection.execute(delete(SESSIONS).where(SESSIONS.c.id == session_id))

    @unbroken
    async def end_of(self, user_id: str, *, but: str | None = None) -> Sequence[str]:
        """End every session of a user except one; the ids of those that ended."""
        gone = delete(SESSIONS).where(SESSIONS.c.user_id == user_id, SESSIONS.c.id != (but or ""))
        async with self.database.writing() as connection:
            return (await connection.execute(gone.returning(SESSIONS.c.id))).scalars().all()

    @unbroken
    async def purge(self, now: datetime) -> None:
        """Delete expired sessions."""
        async with self.database.writing() as connection:
            await connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= now))


def _digest(secret: str) -> str:
    """The stored hash of a cookie, which cannot be used as a cookie."""
    return hashlib.sha256(secret.encode()).hexdigest()
