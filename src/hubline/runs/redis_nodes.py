"""The servers that share a log in Redis, and the runs that each owns."""

from collections.abc import Sequence
from typing import ClassVar

from hubline.backplanes.redis_commands import Commands
from hubline.runs.redis_keys import ADOPT, NODES, OWN, keys_of, lease_key, owned_key


class RedisMembers:
    """`Members` in Redis. `lease` and `life` are in milliseconds.

    `life` is how long what a server has outlasts it where nobody is left to look after it. A subclass has other keys,
    and other things that a server owns.
    """

    nodes: ClassVar[str] = NODES

    def __init__(self, commands: Commands, lease: int, life: int) -> None:
        self._commands, self._lease, self._life = commands, lease, life

    def lease_key(self, node: str) -> str:
        return lease_key(node)

    def owned_key(self, node: str) -> str:
        return owned_key(node)

    async def renew(self, node: str) -> bool:
        lapsed = not await self.lives(node)
        await self._commands.call("SET", self.lease_key(node), "1", "PX", self._lease)
        await self._commands.run(OWN, [self.nodes], node, self._life)
        await self._commands.call("PEXPIRE", self.owned_key(node), self._life)
        return lapsed

    async def give_up(self, node: str) -> None:
        await self._commands.call("DEL", self.lease_key(node))

    async def lives(self, node: str) -> bool:
        return bool(await self._commands.call("EXISTS", self.lease_key(node)))

    async def names(self) -> Sequence[str]:
        return [name.decode() for name in await self._commands.call("SMEMBERS", self.nodes)]

    async def runs_of(self, node: str) -> Sequence[str]:
        return [run.decode() for run in await self._commands.call("SMEMBERS", self.owned_key(node))]

    async def adopt(self, run_id: str, gone: str, node: str) -> int:
        await self._commands.run(OWN, [self.owned_key(node)], run_id, self._life)
        fence: int = await self._commands.run(ADOPT, keys_of(run_id)[:1], gone, node)
        if not fence:  # another server was faster
            await self.disown(run_id, node)
        await self.disown(run_id, gone)
        return fence

    async def adopted(self, run_id: str, node: str) -> int:
        fence: int = await self._commands.run(ADOPT, keys_of(run_id)[:1], node, node)
        if fence:
            await self._commands.run(OWN, [self.owned_key(node)], run_id, self._life)
        return fence

    async def disown(self, run_id: str, node: str) -> None:
        await self._commands.call("SREM", self.owned_key(node), run_id)

    async def forget(self, node: str) -> None:
        if await self.lives(node):
            return
        await self._commands.call("SREM", self.nodes, node)
        if await self.lives(node):  # it came back meanwhile, and may own runs again
            await self._commands.run(OWN, [self.nodes], node, self._life)
