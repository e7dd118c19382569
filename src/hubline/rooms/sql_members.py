"""The servers that share rooms in SQL, and the rooms in which each has devices."""

import secrets
from collections.abc import Awaitable, Callable, Sequence

from hubline.rooms.sql_presence import Change, forget, rooms_of
from hubline.runs.sql_database import Database
from hubline.runs.sql_members import SqlMembers


class SqlRoomMembers(SqlMembers):
    """`Members` of leases: what a server owns are its devices, and to take them over is to remove them.

    `lease` and `life` are in milliseconds; `life` is how long a silent room stays. `returned` is called when the lease
    of this server had lapsed: others may have removed its devices, and what it hears.
    """

    def __init__(self, database: Database, lease: int, life: int, returned: Callable[[], Awaitable[None]]) -> None:
        super().__init__(database, lease, returned)
        self._life = life

    async def runs_of(self, node: str) -> Sequence[str]:
        return await self._database.run(rooms_of(node), reads=True)

    async def adopt(self, room: str, gone: str, node: str) -> int:
        """Remove the devices of a server that has gone. It may be repeated. 0: there is nothing to go on with."""
        await self._database.run(Change(room, secrets.token_urlsafe(6), self._life).sweep(gone))
        return 0

    async def adopted(self, room: str, node: str) -> int:
        """1, so that it is not asked for again."""
        return 1

    async def disown(self, room: str, node: str) -> None:
        """Nothing: what a server owns is where its devices are."""

    async def forget(self, node: str) -> None:
        await self._database.run(forget(node))
