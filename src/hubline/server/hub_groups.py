"""The groups of a hub, for the code of applications."""

from collections.abc import Coroutine
from typing import Any, Protocol

from hubline.backplanes.envelope import Selection
from hubline.server.connections import HubConnections
from hubline.server.ports import GroupMember

LISTED = 1_000
"""Members of a group that are listed at once. Ours."""


class Keeper(Protocol):
    """What keeps the groups: `FanOut`."""

    connections: HubConnections

    def join(self, connection_id: str, group: str) -> Coroutine[Any, Any, None]: ...
    def leave(self, connection_id: str, group: str) -> Coroutine[Any, Any, None]: ...


class HubGroups:
    """The groups of a hub, for code inside and outside of hubs: `GroupManager`."""

    __slots__ = ("_keeper",)

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    def add(self, connection_id: str, name: str) -> Coroutine[Any, Any, None]:
        return self._keeper.join(connection_id, name)

    def remove(self, connection_id: str, name: str) -> Coroutine[Any, Any, None]:
        return self._keeper.leave(connection_id, name)

    async def members(self, name: str, *, after: str = "", limit: int = LISTED) -> list[GroupMember]:
        which = Selection(group=name)
        found = await self._keeper.connections.listed(which, after=after, limit=max(0, min(limit, LISTED)))
        return [GroupMember(*each) for each in found.listed]

    async def count(self, name: str) -> int:
        return (await self._keeper.connections.listed(Selection(group=name), limit=0)).count
