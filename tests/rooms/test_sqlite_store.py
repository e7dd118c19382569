"""Rooms in SQLite keep what every storage of rooms must."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from hubline.rooms import RoomStore
from hubline.rooms.sqlite_store import SQLiteRoomStore
from hubline.testing import RoomStoreSuite


class TestSQLiteRoomStore(RoomStoreSuite):
    @pytest.fixture(autouse=True)
    def _path(self, tmp_path: Path) -> None:
        self.path = tmp_path / "rooms.sqlite"

    @asynccontextmanager
    async def stores(self, history: int, count: int) -> AsyncIterator[Sequence[RoomStore]]:
        stores = [SQLiteRoomStore(self.path, history=history) for _ in range(count)]
        try:
            yield stores
        finally:
            for store in stores:
                await store.close()
