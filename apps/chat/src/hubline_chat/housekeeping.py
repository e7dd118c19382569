"""Forgets what nobody needs any more, so that the database does not grow for ever."""

import logging
from datetime import UTC, datetime, timedelta

from hubline_chat.accounts.service import Accounts
from hubline_chat.rooms import Rooms
from hubline_chat.store import Store, StoreError

logger = logging.getLogger("hubline_chat")

INTERVAL_SECONDS = 600.0
IDLE_GUEST = timedelta(hours=1)
"""A guest whose sessions have all expired is kept for so long after coming: a new one has none for a moment."""
USAGE_DAYS = 35


class Housekeeping:
    """Sessions that have expired, guests that are gone, messages that are too old, and usage of long ago."""

    def __init__(self, store: Store, accounts: Accounts, rooms: Rooms) -> None:
        self._store, self._accounts, self._rooms = store, accounts, rooms

    async def __call__(self) -> None:
        """Tidy, if the database lets us."""
        try:
            await self.tidy(datetime.now(UTC))
        except StoreError:
            logger.warning("nothing could be tidied up; it is tried again in %d s", INTERVAL_SECONDS)

    async def tidy(self, now: datetime) -> None:
        """Raises StoreError when the database cannot do it; then some may be left."""
        await self._store.sessions.purge(now)
        for guest in await self._store.users.idle_guests(now - IDLE_GUEST):
            await self._accounts.forget(guest)
        await self._store.messages.trim(self._rooms.oldest())
        await self._store.usage.forget((now - timedelta(days=USAGE_DAYS)).date())
