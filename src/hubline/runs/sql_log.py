"""A run log in a database that servers share: what is the same for SQLite and PostgreSQL."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from hubline._clock import Clock
from hubline.errors import BackplaneError
from hubline.runs.calls import Calls
from hubline.runs.keys import MOST
from hubline.runs.log import About
from hubline.runs.shared_log import Parts, SharedRunLog
from hubline.runs.sql_appends import SqlAppends, checked
from hubline.runs.sql_database import Database, MakeDatabase, Schema, read_mail
from hubline.runs.sql_members import SqlMembers, SqlOwned
from hubline.runs.sql_nodes import clean, subscribe, tell, unsubscribe
from hubline.runs.sql_programs import (
    about,
    append,
    claim,
    create,
    describe,
    fence_of,
    listed,
    load,
    owner,
    remove,
)
from hubline.runs.sql_registry import SqlRegistry, bound_keys
from hubline.runs.sql_tables import CREATE, SCHEMA, TABLES

RUNS = Schema("the log of runs", TABLES, CREATE, SCHEMA, append, clean)

BOUNDED = 20
"""Renewals between two looks for surplus keys. Ours: a look takes milliseconds where there are a hundred thousand."""


class SqlRunLog(SharedRunLog):
    """A `RunLog` in a database, which `make` makes for a server's name. An object is for one `Runs`."""

    _registry: SqlRegistry

    def __init__(self, make: MakeDatabase, *, entries: int, lease: float, clock: Clock | None) -> None:
        super().__init__("SQL", entries=entries, lease=lease, clock=clock)
        self._make = make
        self._registry = SqlRegistry(self._at_hand, lease=lease, life=self._life)
        self._begin_anew()

    def news(self) -> None:
        """Something may have come for this server."""
        self._mail_came.set()

    def interrupted(self) -> None:
        """The database was away: what was published meanwhile is read from it."""
        self._tapes.interrupted()
        self._missed.tell()
        self._mail_came.set()

    def _parts(self) -> Parts:
        self._database = self._make(self, self.node)
        self._topics: set[str] = set()
        self._mail_came = asyncio.Event()
        self._calling = self._renewals = 0
        return Parts(
            SqlMembers(self._database, round(self._lease * 1000), self._returned),
            SqlOwned(self._database, self.node, life=self._life, keep=self._kept),
            SqlAppends(self._database, self._tapes, self._server, self._clock),
        )

    async def _start(self) -> None:
        await self._database.start()

    def _start_tasks(self) -> None:
        self._tasks.start(
            read_mail(self._database, self._mail_came, self._clock, self._received), name="hubline.runs: news"
        )

    async def _close(self) -> None:
        await self._database.close()

    def _forget(self) -> None:
        self._database.forget()
        self._tasks.forget()

    async def _at_hand(self) -> tuple[Database, str]:
        await self._connect()
        return self._database, self.node

    async def _create(self, run_id: str, epoch: str, fence: int) -> bool:
        return await self._database.run(create(run_id, epoch, fence, self.node, self._life))

    async def _claim(self, run_id: str, fence: int) -> None:
        checked(run_id, fence, await self._database.run(claim(run_id, fence, self.node)))

    async def _remove(self, run_id: str) -> None:
        await self._database.run(remove([run_id]))

    async def _describe(self, about: About, text: str, fence: int, life: int) -> None:
        checked(about["id"], fence, await self._database.run(describe(about, text, fence, life)))

    async def _fence(self, run_id: str) -> int | None:
        return await self._database.run(fence_of(run_id), reads=True)

    async def _owner(self, run_id: str) -> str | None:
        return await self._database.run(owner(run_id), reads=True)

    async def _about(self, run_id: str) -> About | None:
        return await self._database.run(about(run_id), reads=True)

    async def _listed(self, group: str) -> Sequence[About]:
        return await self._database.run(listed(group), reads=True)

    async def _ask(self, calls: Calls, node: str, run_id: str, request: Mapping[str, Any]) -> Any:
        self._calling += 1
        self._set_pace()
        try:
            return await super()._ask(calls, node, run_id, request)
        finally:
            self._calling -= 1
            self._set_pace()

    async def _load(self, run_id: str, after: int) -> Any:
        found = await self._database.run(load(run_id, after), reads=True)
        if found is None:
            return []
        epoch, folded, batches = found
        return epoch.encode(), folded, [(b"%d-0" % last, (b"entries", text)) for last, text in batches]

    async def _subscribe(self, channel: str) -> None:
        self._topics.add(channel)
        self._set_pace()
        await self._database.run(subscribe(self.node, [channel]))  # if it fails, the last one unsubscribes

    async def _unsubscribe(self, channel: str) -> None:
        self._topics.discard(channel)
        self._set_pace()
        with suppress(BackplaneError):  # what comes from there is passed over
            await self._database.run(unsubscribe(self.node, [channel]))

    async def _tell(self, node: str, message: Mapping[str, Any]) -> int:
        return await self._database.run(tell(node, json.dumps(message)))

    def _set_pace(self) -> None:
        """Each run of this server has a topic; with more, somebody here waits for news of others."""
        self._database.hurry(self._calling > 0 or len(self._topics) > len(self._owned.runs))

    async def _renew(self) -> None:
        await super()._renew()
        self._set_pace()
        await self._database.clean()
        self._renewals += 1
        if self._renewals % BOUNDED == 0:
            await self._database.run(bound_keys(MOST))
        self._mail_came.set()  # who should have woken this server may have died before

    async def _returned(self) -> None:
        """Others may have considered this server gone, and forgotten what it hears. Raises BackplaneError."""
        if self._topics:
            await self._database.run(subscribe(self.node, sorted(self._topics)))
            self._tapes.interrupted()
            self._missed.tell()

    def _received(self, channel: str, body: str) -> None:
        self._news.received(channel, body.encode())
