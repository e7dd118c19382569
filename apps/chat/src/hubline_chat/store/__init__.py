"""What outlives the process: one module for the SQL of each table, over SQLite or PostgreSQL."""

from hubline_chat.store.database import Database, StoreError
from hubline_chat.store.messages import Messages
from hubline_chat.store.rooms import RoomStore
from hubline_chat.store.sessions import Session, Sessions
from hubline_chat.store.usage import Usage
from hubline_chat.store.users import User, Users
from hubline_chat.store.values import Values

__all__ = ["Session", "Store", "StoreError", "User"]


class Store:
    """Every table of one database. `open` it first, on the event loop that uses it."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError when the URL is of no database that is supported here."""
        self.database = Database(url)
        self.users = Users(self.database)
        self.sessions = Sessions(self.database)
        self.rooms = RoomStore(self.database)
        self.messages = Messages(self.database)
        self.usage = Usage(self.database)
        self.values = Values(self.database)

    async def open(self) -> None:
        """Raises ConfigurationError when the database cannot be used."""
        await self.database.open()

    async def close(self) -> None:
        await self.database.close()
