"""The table of tokens used and paid, by user and day: a `hubline.limits.UsageStore`."""

from datetime import date
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import USAGE


class Usage:
    """The used tokens of all users."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def used(self, user_id: str, day: date) -> int:
        query = select(USAGE.c.tokens).where(USAGE.c.user_id == user_id, USAGE.c.day == day)
        async with self.database.reading() as connection:
            return int(await connection.scalar(query) or 0)

    @unbroken
    async def add(self, user_id: str, day: date, tokens: int) -> int:
        """Add tokens in one statement, so that concurrent additions are not lost; returns the new total."""
        insert: Any = sqlite_insert if self.database.is_sqlite else postgresql_insert
        added = insert(USAGE).values(user_id=user_id, day=day, tokens=tokens)
        added = added.on_conflict_do_update(
            index_elements=[USAGE.c.user_id, USAGE.c.day], set_={"tokens": USAGE.c.tokens + added.excluded.tokens}
        )
        async with self.database.writing() as connection:
            return int(await connection.scalar(added.returning(USAGE.c.tokens)) or 0)

    @unbroken
    async def paid(self, user_id: str, day: date) -> int:
        """What the answers of a day have cost, in millionths of the currency."""
        query = select(USAGE.c.cost).where(USAGE.c.user_id == user_id, USAGE.c.day == day)
        async with self.database.reading() as connection:
            return int(await connection.scalar(query) or 0)

    @unbroken
    async def pay(self, user_id: str, day: date, cost: int) -> None:
        """Add to what the answers of a day have cost, in one statement too."""
        insert: Any = sqlite_insert if self.database.is_sqlite else postgresql_insert
        added = insert(USAGE).values(user_id=user_id, day=day, tokens=0, cost=cost)
        added = added.on_conflict_do_update(
            index_elements=[USAGE.c.user_id, USAGE.c.day], set_={"cost": USAGE.c.cost + added.excluded.cost}
        )
        async with self.database.writing() as connection:
            await connection.execute(added)

    @unbroken
    async def forget(self, before: date) -> None:
        """Delete the usage of earlier days."""
        async with self.database.writing() as connection:
            await connection.execute(delete(USAGE).where(USAGE.c.day < before))
