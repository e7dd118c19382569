"""Tells hubs that messages of other servers may have been lost."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from typing import TypeAlias

from hubline._tasks import TaskOwner, ends_its_task
from hubline.server.ports import HubConnection
from hubline.server.yielding import STRIDE

logger = logging.getLogger("hubline.connection")

Tell: TypeAlias = Callable[[HubConnection, datetime, datetime], Awaitable[None]]
"""Runs `on_backplane_gap` for a connection."""


class Gaps:
    """Tells the hub of a gap, once for each connection of this server, in parallel with its calls."""

    def __init__(self, tell: Tell, connections: Callable[[], Collection[HubConnection]], tasks: TaskOwner) -> None:
        self._tell, self._connections, self._tasks = tell, connections, tasks

    def interrupted(self, since: datetime, until: datetime) -> None:
        """Start telling the present connections. Later connections have missed nothing."""
        self._tasks.start(self._tell_all(list(self._connections()), since, until), name="hubline: gap")

    async def _tell_all(self, connections: list[HubConnection], since: datetime, until: datetime) -> None:
        for number, connection in enumerate(connections):
            if number % STRIDE == STRIDE - 1:
                await asyncio.sleep(0)
            if not connection.context.aborted.requested:
                self._tasks.start(self._tell_one(connection, since, until), context=connection.variables)

    async def _tell_one(self, connection: HubConnection, since: datetime, until: datetime) -> None:
        try:
            await self._tell(connection, since, until)
        except BaseException as error:
            if ends_its_task(error):
                raise
            logger.exception("connection %s: on_backplane_gap failed", connection.id)
