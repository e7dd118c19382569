"""Rooms in PostgreSQL keep what every storage of rooms must, on a real server."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from hubline.rooms import RoomStore
from hubline.rooms.postgres_store import PostgresRoomStore
from hubline.testing import RoomStoreSuite

pytestmark = pytest.mark.postgres


class TestPostgresRoomStore(RoomStoreSuite):
    @pytest.fixture(autouse=True)
    def _database(self, postgres_url: str) -> None:
        self.url = postgres_url

    @asynccontextmanager
    async def stores(self, history: int, count: int) -> AsyncIterator[Sequence[RoomStore]]:
        stores = [PostgresRoomStore(self.url, history=history) for _ in range(count)]
        try:
            yield stores
        finally:
            for store in stores:
                await store.close()
