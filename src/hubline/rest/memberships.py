"""Groups that users are in, whether they have a connection or not."""

import asyncio
import logging
from collections.abc import Sequence
from typing import Protocol

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.envelope import Selection
from hubline.errors import BackplaneError
from hubline.server.fanout import FanOut

logger = logging.getLogger("hubline.rest")

SWEPT = 5.0
"""Seconds between two looks for memberships whose time is over. Ours."""

LONGEST = 365 * 86_400
"""Seconds that a membership lasts at most. Source: Azure's description of `ttl`."""


class Memberships(Protocol):
    """Groups of users, by the name of a hub (`HubRoute.name`), each for a time. All methods raise BackplaneError."""

    async def add(self, hub: str, user_id: str, group: str, seconds: int) -> None:
        """From now on, for so many seconds. If the user is in the group, these count."""

    async def remove(self, hub: str, user_id: str, group: str | None = None) -> None:
        """The user is not in the group any more; `None`: in none."""

    async def groups(self, hub: str, user_id: str) -> Sequence[str]:
        """The groups of a user."""

    async def expired(self) -> Sequence[tuple[str, str, str]]:
        """Memberships whose time is over, as hub, user and group: each once, to one server. They are forgotten."""


class Remembered:
    """The memberships of the users of some hubs, and what follows for their connections."""

    def __init__(self, memberships: Memberships, hubs: Sequence[FanOut], tasks: TaskOwner, clock: Clock) -> None:
        self._memberships, self._hubs = memberships, {each.hub: each for each in hubs}
        self._tasks, self._clock = tasks, clock
        self._sweeping: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        for each in hubs:
            each.joins = self._came

    async def add(self, hub: FanOut, user_id: str, group: str, seconds: int | None) -> None:
        """All connections of a user join a group, now and later. Raises BackplaneError."""
        self._sweep()
        await self._memberships.add(hub.hub, user_id, group, LONGEST if seconds is None else min(seconds, LONGEST))
        await hub.connections.join(Selection(user_id=user_id), group)

    async def remove(self, hub: FanOut, user_id: str, group: str | None = None) -> None:
        """They are not to join it later. Raises BackplaneError."""
        await self._memberships.remove(hub.hub, user_id, group)

    async def has(self, hub: FanOut, user_id: str, group: str) -> bool:
        """Whether a user is in a group. Raises BackplaneError."""
        return group in await self._memberships.groups(hub.hub, user_id)

    async def _came(self, hub: FanOut, connection_id: str, user_id: str) -> None:
        """A user has a new connection. Raises BackplaneError."""
        self._sweep()
        groups = await self._memberships.groups(hub.hub, user_id)
        for group in groups:
            await hub.join(connection_id, group)
        if groups:  # one may have been removed meanwhile, from the connections that were in it
            for group in set(groups).difference(await self._memberships.groups(hub.hub, user_id)):
                await hub.leave(connection_id, group)

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        if self._sweeping is None or self._sweeping.done() or self._loop is not loop:
            self._loop = loop
            self._sweeping = self._tasks.start(self._keep_sweeping(), name="hubline.rest: memberships")

    async def _keep_sweeping(self) -> None:
        while True:
            await self._clock.sleep(SWEPT)
            try:
                for name, user_id, group in await self._memberships.expired():
                    if name in self._hubs:
                        await self._end(self._hubs[name], user_id, group)
            except BackplaneError as error:
                logger.warning("connections may stay in groups whose time is over: %s", error)

    async def _end(self, hub: FanOut, user_id: str, group: str) -> None:
        everywhere = Selection(user_id=user_id)
        await hub.connections.leave(everywhere, group)
        if await self.has(hub, user_id, group):  # added again meanwhile
            await hub.connections.join(everywhere, group)
