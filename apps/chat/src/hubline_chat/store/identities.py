"""The table of identities: which account belongs to whom an OpenID Connect provider has signed in."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import IDENTITIES, USERS
from hubline_chat.store.users import User, user_of


class Identities:
    """Accounts by issuer and subject, which together name one person for good (OpenID Connect Core, section 5.7)."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def find(self, issuer: str, subject: str) -> User | None:
        """The user whom this issuer calls so."""
        query = select(USERS).join_from(IDENTITIES, USERS)
        query = query.where(IDENTITIES.c.issuer == issuer, IDENTITIES.c.subject == subject)
        async with self.database.reading() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else user_of(row)

    @unbroken
    async def link(self, issuer: str, subject: str, user_id: str) -> bool:
        """Link an account; `False` if another one is linked already."""
        values = {"issuer": issuer, "subject": subject, "user_id": user_id}
        try:
            async with self.database.writing() as connection:
                await connection.execute(IDENTITIES.insert().values(values))
        except IntegrityError:
            return False
        return True
