"""Whether PostgreSQL tells this server of new messages. A pool in transaction mode takes LISTEN and tells nothing."""

import asyncio
import logging

from hubline.backplanes.lines import PATIENCE

logger = logging.getLogger("hubline.backplane")

OFTEN = 0.05
"""Seconds between two reads while PostgreSQL tells nothing. Ours: the `poll` that the guides name for PgBouncer."""


class Notices:
    """Compares the messages that this server stores, as its heartbeats, with the notifications that come."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        """Set when it is time to read."""
        self.silent = False
        """No notification has come for a message that is stored."""
        self.count = 0
        """Changes with each notification, and with each connection."""
        self._listens = self._overdue = False
        self._limit: asyncio.TimerHandle | None = None

    def begin(self, *, listens: bool) -> None:
        """A connection is there. Without `listens` none is expected to tell."""
        self.end()
        self.count += 1
        self._listens = listens

    def end(self) -> None:
        """The connection is lost."""
        self._listens = False
        self._expect_none()

    def stored(self, before: int) -> None:
        """A message of this server is stored, which was sent when `count` was `before`."""
        if self._listens and self._limit is None and self.count == before:
            self._limit = asyncio.get_running_loop().call_later(PATIENCE, self._late)

    def heard(self) -> None:
        """A notification has come."""
        self.count += 1
        self._expect_none()
        self.news.set()
        if self.silent:
            self.silent = False
            logger.warning("PostgreSQL tells this server of new messages again")

    def read(self) -> None:
        """The database has answered a read: a notification that had come before it is known by now."""
        if self._overdue and not self.silent:
            self.silent = True
            logger.error(
                "PostgreSQL does not tell this server of new messages: one was stored, and no notification has come "
                "within %g s. PgBouncer in transaction mode passes none on: give PostgresBackplane `poll=%g`, or the "
                "direct address of the database. Until notifications come this server looks every %g s",
                *(PATIENCE, OFTEN, OFTEN),
            )

    def _late(self) -> None:
        self._overdue = True
        self.news.set()

    def _expect_none(self) -> None:
        self._overdue = False
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None
