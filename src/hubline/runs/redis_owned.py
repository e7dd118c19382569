"""The runs that a server owns in Redis: what Redis holds of them is renewed, and of ended ones kept for their time."""

from hubline.backplanes.redis_commands import Commands
from hubline.runs.log import About
from hubline.runs.owned import Living, Lost, Turns
from hubline.runs.redis_keys import RENEW, SETTLE, about_of, keys_of, owned_key
from hubline.runs.redis_lists import put
from hubline.runs.redis_registry import RedisRegistry

WHOEVER = 2**53
"""A fence above all others: the owner is not asked for."""


class RedisOwned:
    """`OwnedStorage` in Redis, for the server `node`. `life` and `keep` are in milliseconds."""

    def __init__(self, commands: Commands, registry: RedisRegistry, node: str, *, life: int, keep: int) -> None:
        self._commands, self._registry, self._node, self._life, self._keep = commands, registry, node, life, keep

    async def settle(self, run_id: str, fence: int) -> None:
        await self._commands.run(SETTLE, keys_of(run_id), fence, self._keep)
        await self._commands.call("SREM", owned_key(self._node), run_id)

    async def renew(self, runs: Living, lost: Lost, turns: Turns) -> None:
        for run_id, fence in runs:
            status, _number = await self._commands.run(RENEW, keys_of(run_id), fence, self._life)
            if status == b"fenced":
                await lost(run_id, fence)
            else:
                await self._renew_what_belongs_to(await self.about(run_id), turns)

    async def spare(self, node: str) -> None:
        await self._commands.call("PEXPIRE", owned_key(node), self._life)
        for name in await self._commands.call("SMEMBERS", owned_key(node)):
            run_id = name.decode()
            await self._commands.run(RENEW, keys_of(run_id), WHOEVER, self._life)
            about = await self.about(run_id)
            if about is not None and not about["ended"]:
                await put(self._commands, about["groups"], run_id, self._life)
                await self._registry.spare(about)

    async def about(self, run_id: str) -> About | None:
        return await about_of(self._commands, run_id)

    async def _renew_what_belongs_to(self, about: About | None, turns: Turns) -> None:
        if about is None or about["ended"]:
            return
        await put(self._commands, about["groups"], about["id"], self._life)
        state = await self._registry.renew(about)
        if any(standing != "active" for _, standing in state):
            turns(about["room"])
