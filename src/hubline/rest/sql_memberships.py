"""Groups of users in a database that servers share: what is the same for SQLite and PostgreSQL."""

import json
from collections.abc import Sequence

from hubline.sql.programs import VERSION, Ask, Program, Programs, stored

SCHEMA = 1
"""The version of the tables."""

TABLES = ("memberships", "version")

CREATE = (
    VERSION,
    """CREATE TABLE IF NOT EXISTS {memberships} (
        account TEXT, place TEXT, names TEXT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (account, place)
    )""",
    "CREATE INDEX IF NOT EXISTS {memberships}_by_until ON {memberships} (until)",
)
"""`account` is a user of a hub, `place` a group; `names` has hub, user and group in JSON. Times are ms since 1970."""


def _account(hub: str, user_id: str) -> str:
    return stored(json.dumps([hub, user_id]))


def add(hub: str, user_id: str, group: str, life: int) -> Program[None]:
    """A user is in a group for so many ms."""
    yield Ask(
        "INSERT INTO {memberships} (account, place, names, until) VALUES (?, ?, ?, {now} + ?) "
        "ON CONFLICT (account, place) DO UPDATE SET until = excluded.until",
        (_account(hub, user_id), stored(group), json.dumps([hub, user_id, group]), life),
    )


def remove(hub: str, user_id: str, group: str | None) -> Program[None]:
    """A user is not in a group any more, or in none."""
    if group is None:
        yield Ask("DELETE FROM {memberships} WHERE account = ?", (_account(hub, user_id),))
    else:
        which = _account(hub, user_id), stored(group)
        yield Ask("DELETE FROM {memberships} WHERE account = ? AND place = ?", which)


def groups(hub: str, user_id: str) -> Program[list[str]]:
    """The groups of a user."""
    rows = yield Ask("SELECT names FROM {memberships} WHERE account = ? AND until > {now}", (_account(hub, user_id),))
    return sorted(json.loads(names)[2] for (names,) in rows)


def expired() -> Program[list[tuple[str, str, str]]]:
    """Memberships whose time is over, which are removed."""
    rows = yield Ask("DELETE FROM {memberships} WHERE until <= {now} RETURNING names")
    found = []
    for (names,) in rows:
        hub, user_id, group = json.loads(names)
        found.append((hub, user_id, group))
    return found


class SqlMemberships:
    """`Memberships` in a database. A subclass sets `_programs`."""

    _programs: Programs

    async def add(self, hub: str, user_id: str, group: str, seconds: int) -> None:
        """The user is in the group for so many seconds. Raises BackplaneError."""
        await self._programs.run(add(hub, user_id, group, seconds * 1000))

    async def remove(self, hub: str, user_id: str, group: str | None = None) -> None:
        """The user is not in the group any more; `None`: in none. Raises BackplaneError."""
        await self._programs.run(remove(hub, user_id, group))

    async def groups(self, hub: str, user_id: str) -> Sequence[str]:
        """The groups of a user. Raises BackplaneError."""
        return await self._programs.run(groups(hub, user_id))

    async def expired(self) -> Sequence[tuple[str, str, str]]:
        """Memberships whose time is over, each once. Raises BackplaneError."""
        return await self._programs.run(expired())

    async def close(self) -> None:
        """Close the connection. Used again, it opens it again."""
        await self._programs.close()
