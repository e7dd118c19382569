"""The table of values that the program makes once."""

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from hubline_chat.store.database import Database, unbroken
from hubline_chat.store.tables import SETTINGS


class Values:
    """Single values by name."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @unbroken
    async def once(self, name: str, value: str) -> str:
        """The value of this name; `value` if there was none. Concurrent callers get the same value."""
        query = select(SETTINGS.c.value).where(SETTINGS.c.name == name)
        async with self.database.reading() as connection:
            known = await connection.scalar(query)
        if known is not None:
            return str(known)
        try:
            async with self.database.writing() as connection:
                await connection.execute(SETTINGS.insert().values(name=name, value=value))
        except IntegrityError:
            return await self.once(name, value)
        return value
