"""Changes of runs that this server may not have heard of are read from the storage."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Sequence

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.runs.log import About, RunServer
from hubline.runs.shared_tapes import Tapes


class Missed:
    """Tells `server` of the runs that are followed here, and of those in the lists `groups`, when news may be lost."""

    def __init__(
        self,
        server: RunServer | None,
        tapes: Tapes,
        groups: Collection[str],
        about: Callable[[str], Awaitable[About | None]],
        listed: Callable[[str], Awaitable[Sequence[About]]],
        tasks: TaskOwner,
        clock: Clock,
    ) -> None:
        self._server, self._tapes, self._groups = server, tapes, groups
        self._about, self._listed, self._tasks, self._clock = about, listed, tasks, clock
        self._behind = False
        self._telling: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """News may be lost. What they said is told; other changes may be told again."""
        self._behind = True
        if self._server is not None and (self._telling is None or self._telling.done()):
            self._telling = self._tasks.start(self._tell(self._server), name="hubline.runs: lost changes")

    async def _tell(self, server: RunServer) -> None:
        attempt = 0
        while self._behind:
            self._behind = False
            try:
                for group in list(self._groups):
                    for about in await self._listed(group):
                        server.changed(about, group)
                for run_id in self._tapes.others():
                    if (found := await self._about(run_id)) is not None:
                        server.changed(found, None)
            except BackplaneError:
                self._behind = True
                await self._clock.sleep(pause(attempt))
                attempt += 1
