"""A budget in a database that servers share: what is the same for SQLite and PostgreSQL (runs.md R26)."""

import json
from typing import Any

from hubline.runs.shared_budget import Report, SharedBudget
from hubline.sql.programs import VERSION, Ask, Lock, Program, Programs, stored

SCHEMA = 1
"""The version of the tables."""

TABLES = ("budgets", "version")

CREATE = (
    VERSION,
    # `holders` are the servers, in JSON: by name what each has reserved and charged, and until when its lease lasts
    """CREATE TABLE IF NOT EXISTS {budgets} (
        name TEXT, account TEXT, used BIGINT NOT NULL, began BIGINT NOT NULL, holders TEXT NOT NULL,
        until BIGINT NOT NULL, PRIMARY KEY (name, account)
    )""",
    "CREATE INDEX IF NOT EXISTS {budgets}_by_until ON {budgets} (until)",
)
"""Times are milliseconds since 1970."""

WRITE = (
    "INSERT INTO {budgets} (name, account, used, began, holders, until) VALUES (?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (name, account) DO UPDATE SET used = excluded.used, began = excluded.began, "
    "holders = excluded.holders, until = excluded.until"
)


def settle(name: str, account: str, report: Report) -> Program[tuple[int, int]]:
    """See `SharedBudget`. The first use of an account removes accounts that are not used any more."""
    names = stored(name), stored(account)
    yield Lock("budget " + " ".join(names))
    ((now,),) = yield Ask("SELECT {now}")
    rows = yield Ask("SELECT used, began, holders FROM {budgets} WHERE name = ? AND account = ?", names)
    used, began, text = rows[0] if rows else (0, now, "{}")
    if now - began >= report.window:
        used, began = 0, now
    holders: dict[str, Any] = json.loads(text)
    before = holders.pop(report.holder, {"charged": 0})
    used += report.charged - before["charged"]
    others = sum(each["reserved"] for each in holders.values() if now < each["until"])
    kept = {other: each for other, each in holders.items() if now - each["until"] <= report.outlived}
    granted = max(0, min(report.want, report.limit - used - others - report.reserved))
    reserved = report.reserved + granted
    kept[report.holder] = {"reserved": reserved, "charged": report.charged, "until": now + report.lease}
    until = max(began + report.window, now + report.outlived)
    yield Ask(WRITE, (*names, used, began, json.dumps(kept), until))
    if not rows:
        yield Lock("cleaning")
        yield Ask("DELETE FROM {budgets} WHERE until <= ?", (now,))
    return granted, max(0, report.limit - used - others - reserved)


def forget(name: str, account: str, holder: str) -> Program[None]:
    """A server has nothing to do with an account any more."""
    names = stored(name), stored(account)
    yield Lock("budget " + " ".join(names))
    rows = yield Ask("SELECT holders FROM {budgets} WHERE name = ? AND account = ?", names)
    if rows:
        holders = json.loads(rows[0][0])
        holders.pop(holder, None)
        yield Ask("UPDATE {budgets} SET holders = ? WHERE name = ? AND account = ?", (json.dumps(holders), *names))


class SqlBudget(SharedBudget):
    """A `Budget` in a database. A subclass sets `_programs`."""

    _programs: Programs

    async def _settle(self, account: str, report: Report) -> tuple[int, int]:
        return await self._programs.run(settle(self._name, account, report))

    async def _forget(self, account: str, holder: str) -> None:
        await self._programs.run(forget(self._name, account, holder))

    async def _close(self) -> None:
        await self._programs.close()
