"""The servers that share rooms in Redis, and the rooms in which each has devices."""

import secrets

from hubline.backplanes.redis_commands import Commands
from hubline.rooms.redis_scripts import NODES, SWEEP, channel_of, keys_of, lease_key, rooms_key
from hubline.runs.redis_keys import OWN
from hubline.runs.redis_nodes import RedisMembers


class RedisRoomMembers(RedisMembers):
    """`Members` of leases: what a server owns are its devices, and to take them over is to remove them.

    `lease` and `life` are in milliseconds. `life` is how long what a server has outlasts it if nobody looks after it.
    """

    nodes = NODES

    def __init__(self, commands: Commands, lease: int, life: int) -> None:
        super().__init__(commands, lease, life)
        self._renewed = False
        self.lapsed = False
        """Whether the lease was found lapsed: others may have removed the devices of this server."""

    def lease_key(self, node: str) -> str:
        return lease_key(node)

    def owned_key(self, node: str) -> str:
        return rooms_key(node)

    async def own(self, node: str, room: str) -> None:
        """A server has a device in a room. Raises BackplaneError."""
        await self._commands.run(OWN, [rooms_key(node)], room, self._life)

    async def renew(self, node: str) -> bool:
        lapsed = await super().renew(node)
        self.lapsed = self.lapsed or (lapsed and self._renewed)
        self._renewed = True
        return lapsed

    async def adopt(self, room: str, gone: str, node: str) -> int:
        """Remove the devices of a server that has gone. It may be repeated. 0: there is nothing to go on with."""
        state, _, members = keys_of(room)
        fixed = channel_of(room), secrets.token_urlsafe(6), self._life
        await self._commands.run(SWEEP, [state, members], *fixed, gone)
        await self.disown(room, gone)
        if await self.lives(gone):  # it came back meanwhile, and may have devices there again
            await self.own(gone, room)
        return 0

    async def adopted(self, room: str, node: str) -> int:
        """1, so that this server is not asked to `disown` a room in which it may have devices of its own."""
        return 1
