"""Deletes old data. Messages are kept, unless the settings or those of their room limit their age."""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from hubline_chat.accounts.service import Accounts
from hubline_chat.room import Room
from hubline_chat.rooms import Rooms
from hubline_chat.store import Store, StoreError

logger = logging.getLogger("hubline_chat")

INTERVAL_SECONDS = 600.0
IDLE_GUEST = timedelta(hours=1)
"""The least time that a guest is kept: a new guest has no session for a moment."""
USAGE_DAYS = 35


class Housekeeping:
    """Deletes expired sessions, guests who have left, old usage and, where their age is limited, messages.

    `told` is called for a room whose messages before a number were deleted.
    """

    def __init__(
        self,
        store: Store,
        accounts: Accounts,
        rooms: Rooms,
        *,
        retention_days: int | None,
        told: Callable[[Room, int], Awaitable[None]],
    ) -> None:
        self._store, self._accounts, self._rooms = store, accounts, rooms
        self._retention_days, self._told = retention_days, told

    async def __call__(self) -> None:
        """Delete old data, if the database allows it."""
        try:
            await self.tidy(datetime.now(UTC))
        except StoreError:
            logger.warning("old data could not be deleted; the next attempt is in %d s", INTERVAL_SECONDS)

    async def tidy(self, now: datetime) -> None:
        """Raises StoreError when the database fails; then some old data may be left."""
        await self._store.sessions.purge(now)
        for guest in await self._store.users.idle_guests(now - IDLE_GUEST):
            await self._accounts.forget(guest)
        await self._store.usage.forget((now - timedelta(days=USAGE_DAYS)).date())
        for room in self._rooms.all():
            limits = [days for days in (room.retention_days, self._retention_days) if days is not None]
            if limits:
                await self._expire(room, now - timedelta(days=min(limits)))

    async def _expire(self, room: Room, before: datetime) -> None:
        """Delete the messages of a room that were sent before a moment."""
        last = await self._store.messages.expired(room.id, before)
        if last is not None:
            await self._rooms.clear(room, last + 1)
            await self._told(room, last + 1)
