"""The stored data: one module for the SQL of each table, over SQLite or PostgreSQL."""

from hubline_chat.store.claim import Taken
from hubline_chat.store.database import Database, StoreError, database_name
from hubline_chat.store.files import FileStore
from hubline_chat.store.identities import Identities
from hubline_chat.store.marks import Marks
from hubline_chat.store.messages import Messages
from hubline_chat.store.rooms import RoomStore
from hubline_chat.store.search import MessageSearch
from hubline_chat.store.sessions import Session, Sessions
from hubline_chat.store.usage import Usage
from hubline_chat.store.users import User, Users
from hubline_chat.store.values import Values
from hubline_chat.store.versions import Versions

__all__ = ["Session", "Store", "StoreError", "Taken", "User", "database_name"]


class Store:
    """Every table of one database. `open` it first, on the event loop that uses it."""

    def __init__(self, url: str) -> None:
        """Raises ConfigurationError when the URL is not of a supported database."""
        self.database = Database(url)
        self.users = Users(self.database)
        self.identities = Identities(self.database)
        self.sessions = Sessions(self.database)
        self.rooms = RoomStore(self.database)
        self.messages = Messages(self.database)
        self.versions = Versions(self.database)
        self.files = FileStore(self.database)
        self.search = MessageSearch(self.database)
        self.marks = Marks(self.database)
        self.usage = Usage(self.database)
        self.values = Values(self.database)

    async def open(self) -> None:
        """Raises ConfigurationError when the database cannot be used."""
        await self.database.open()

    async def close(self) -> None:
        await self.database.close()
