"""Quotas in a database that servers share: what is the same for SQLite and PostgreSQL."""

from contextlib import suppress
from datetime import date

from hubline.errors import BackplaneError
from hubline.limits.shared_usage import KEPT, SharedUsage
from hubline.sql.programs import VERSION, Ask, Lock, Program, Programs, stored

SCHEMA = 1
"""The version of the tables."""

TABLES = ("usage", "questions", "version")

CREATE = (
    VERSION,
    """CREATE TABLE IF NOT EXISTS {usage} (
        account TEXT, day TEXT, tokens BIGINT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (account, day)
    )""",
    "CREATE INDEX IF NOT EXISTS {usage}_by_until ON {usage} (until)",
    """CREATE TABLE IF NOT EXISTS {questions} (
        account TEXT, ticket TEXT, until BIGINT NOT NULL, PRIMARY KEY (account, ticket)
    )""",
    "CREATE INDEX IF NOT EXISTS {questions}_by_until ON {questions} (until)",
)
"""Times are milliseconds since 1970."""


def used(user_id: str, day: date) -> Program[int]:
    """The tokens of a user on a day."""
    rows = yield Ask("SELECT tokens FROM {usage} WHERE account = ? AND day = ?", (stored(user_id), day.isoformat()))
    return int(rows[0][0]) if rows else 0


def add(user_id: str, day: date, tokens: int) -> Program[int]:
    """Add tokens; the new total."""
    ((total,),) = yield Ask(
        "INSERT INTO {usage} (account, day, tokens, until) VALUES (?, ?, ?, {now} + ?) "
        "ON CONFLICT (account, day) DO UPDATE SET tokens = {usage}.tokens + excluded.tokens, until = excluded.until "
        "RETURNING tokens",
        (stored(user_id), day.isoformat(), tokens, KEPT),
    )
    return int(total)


def clean() -> Program[None]:
    """Remove what is not used any more. A transaction of its own: it holds no row that another one waits for."""
    yield Lock("cleaning")
    yield Ask("DELETE FROM {usage} WHERE until <= {now}")
    yield Ask("DELETE FROM {questions} WHERE until <= {now}")


def enter(user_id: str, ticket: str, counted: int, most: int) -> Program[bool]:
    """Count a question for so many ms, unless `most` others of its user are counted; with 0, always."""
    name = stored(user_id)
    yield Lock("questions " + name)
    if most > 0:
        others = "SELECT count(*) FROM {questions} WHERE account = ? AND ticket <> ? AND until > {now}"
        ((count,),) = yield Ask(others, (name, ticket))
        if count >= most:
            return False
    yield Ask(
        "INSERT INTO {questions} (account, ticket, until) VALUES (?, ?, {now} + ?) "
        "ON CONFLICT (account, ticket) DO UPDATE SET until = excluded.until",
        (name, ticket, counted),
    )
    return True


def leave(user_id: str, ticket: str) -> Program[None]:
    """A question is over."""
    yield Ask("DELETE FROM {questions} WHERE account = ? AND ticket = ?", (stored(user_id), ticket))


class SqlUsage(SharedUsage):
    """Quotas in a database. A subclass sets `_programs`."""

    _programs: Programs

    async def used(self, user_id: str, day: date) -> int:
        """The tokens of this user on this day. Raises BackplaneError."""
        return await self._programs.run(used(user_id, day))

    async def add(self, user_id: str, day: date, tokens: int) -> int:
        """Add tokens; the new total. Raises BackplaneError: it is unknown whether they were added."""
        total = await self._programs.run(add(user_id, day, tokens))
        if total == tokens:  # the first ones of the day
            with suppress(BackplaneError):
                await self._programs.run(clean())
        return total

    async def _enter(self, user_id: str, ticket: str, most: int) -> bool:
        return await self._programs.run(enter(user_id, ticket, self._counted, most))

    async def _leave(self, user_id: str, ticket: str) -> None:
        await self._programs.run(leave(user_id, ticket))

    async def _close(self) -> None:
        await self._programs.close()
