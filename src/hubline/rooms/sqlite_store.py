"""Rooms in a file of SQLite, so that several processes of one machine have them. Needs nothing but Python."""

import os

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.rooms.shared_store import check
from hubline.rooms.sql_store import SqlRoomStore, schema
from hubline.runs.sql_database import Events
from hubline.runs.sqlite_database import SQLiteDatabase
from hubline.runs.sqlite_wakes import wakes_of
from hubline.sql.sqlite_programs import check_path

__all__ = ["SQLiteRoomStore"]


class SQLiteRoomStore(SqlRoomStore):
    """A `RoomStore` in the file `path`, for the processes of one machine: the workers of `hubline run --workers`.

    The newest `history` messages of each room are kept, none older than `keep` seconds. A process renews its lease of
    `lease` seconds, also while its event loop is blocked; when it lapses, others remove its devices. After `keep`
    seconds without a message and a member a room is forgotten. An object is for one `Rooms`.

    The file is made if it is not there, with two more whose names begin with its name. It may be that of a
    `SQLiteRunLog`, and must be on a local disk. Workers wake each other through their hub; other processes look for
    changes every 20 ms while they follow a room. With `temporary` nothing waits for the disk, and the file may be
    damaged when the machine loses its power.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        history: int = 1_000,
        keep: float = 86_400.0,
        lease: float = 5.0,
        temporary: bool = False,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("SQLiteRoomStore")
        check_path(mistakes, path)
        check(mistakes, history=history, keep=keep, lease=lease, clock=clock)
        mistakes.flag("temporary", temporary)
        mistakes.tell()
        self._path, self._lasting, self._schema = os.fspath(path), not temporary, schema(round(keep * 1000))
        super().__init__(self._database_at, history=history, keep=round(keep * 1000), lease=lease, clock=clock)

    def _database_at(self, events: Events, node: str) -> SQLiteDatabase:
        wakes = wakes_of(self._path)
        return SQLiteDatabase(
            self._path, self._schema, events, node, lease=self._lease, lasting=self._lasting, wakes=wakes
        )
