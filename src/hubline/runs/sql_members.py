"""The servers and the owned runs of a log in SQL, as the leases of all shared logs use them."""

from collections.abc import Awaitable, Callable, Sequence

from hubline.runs.log import About
from hubline.runs.owned import Living, Lost, Turns
from hubline.runs.sql_database import Database
from hubline.runs.sql_nodes import adopt, forget, give_up, lives, names, renew_lease, runs_of
from hubline.runs.sql_programs import about, renew, settle


class SqlMembers:
    """`Members` in SQL. `lease` is in milliseconds.

    `returned` is called when the lease of this server had lapsed: others may have forgotten what it hears.
    """

    def __init__(self, database: Database, lease: int, returned: Callable[[], Awaitable[None]]) -> None:
        self._database, self._lease, self._returned = database, lease, returned
        self._has_renewed = self._had_lapsed = False

    async def renew(self, node: str) -> bool:
        lapsed = await self._database.run(renew_lease(node, self._lease))
        self._had_lapsed = self._had_lapsed or (lapsed and self._has_renewed)
        self._has_renewed = True
        if self._had_lapsed:
            await self._returned()
            self._had_lapsed = False
        return lapsed

    async def give_up(self, node: str) -> None:
        await self._database.run(give_up(node))

    async def lives(self, node: str) -> bool:
        return await self._database.run(lives(node), reads=True)

    async def names(self) -> Sequence[str]:
        return await self._database.run(names(), reads=True)

    async def runs_of(self, node: str) -> Sequence[str]:
        return await self._database.run(runs_of(node), reads=True)

    async def adopt(self, run_id: str, gone: str, node: str) -> int:
        return await self._database.run(adopt(run_id, gone, node))

    async def adopted(self, run_id: str, node: str) -> int:
        return await self._database.run(adopt(run_id, node, node))

    async def disown(self, run_id: str, node: str) -> None:
        """A run has one owner, so there is nothing to do."""

    async def forget(self, node: str) -> None:
        await self._database.run(forget(node))


class SqlOwned:
    """`OwnedStorage` in SQL, for the server `node`. `life` and `keep` are in milliseconds."""

    def __init__(self, database: Database, node: str, *, life: int, keep: int) -> None:
        self._database, self._node, self._life, self._keep = database, node, life, keep

    async def settle(self, run_id: str, fence: int) -> None:
        await self._database.run(settle(run_id, fence, self._keep))

    async def renew(self, runs: Living, lost: Lost, turns: Turns) -> None:
        fences = dict(runs)
        taken_over, rooms = await self._database.run(renew(self._node, fences, self._life))
        for run_id in taken_over:
            await lost(run_id, fences[run_id])
        for room in rooms:
            turns(room)

    async def spare(self, node: str) -> None:
        await self._database.run(renew(node, {}, self._life))

    async def about(self, run_id: str) -> About | None:
        return await self._database.run(about(run_id), reads=True)
