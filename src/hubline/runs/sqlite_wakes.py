"""The workers of one machine wake each other through their hub when there is news in a file of SQLite."""

import hashlib
import os
from collections.abc import Callable, Collection
from contextlib import suppress
from datetime import datetime

from hubline import _worker
from hubline._tasks import TaskOwner
from hubline.backplanes.base import BackplaneLink
from hubline.backplanes.local import LocalBackplane
from hubline.errors import BackplaneError


class Wakes:
    """One worker's connection to the hub at the Unix socket `hub`. `file` names the file in all workers.

    A wake-up carries nothing: if it is lost, the worker looks later.
    """

    def __init__(self, hub: str, file: str) -> None:
        self._hub, self._prefix = LocalBackplane(hub), f"hubline.runs:{file}:"
        self._link: BackplaneLink | None = None
        self._tasks = TaskOwner("hubline: waking other workers")
        self._to_wake: set[str] = set()

    async def start(self, node: str, news: Callable[[], None]) -> None:
        """Call `news` when another worker wakes this one. Raises BackplaneError."""
        self._link = await self._hub.connect(_Hearing(news))
        await self._link.subscribe([self._prefix + node])

    def wake(self, nodes: Collection[str]) -> None:
        """Wake the workers with these names."""
        if self._link is not None:
            if not self._to_wake:
                self._tasks.start(self._publish(self._link))
            self._to_wake.update(nodes)

    async def close(self) -> None:
        """Leave the hub. Idempotent."""
        link, self._link = self._link, None
        if link is not None:
            await self._tasks.cancel()
            await link.close()

    async def _publish(self, link: BackplaneLink) -> None:
        channels = [self._prefix + node for node in self._to_wake]
        self._to_wake.clear()
        with suppress(BackplaneError):
            await link.publish(channels, b"")


class _Hearing:
    """What the hub tells."""

    def __init__(self, news: Callable[[], None]) -> None:
        self._news = news

    def received(self, channel: str, payload: bytes) -> bool:
        self._news()
        return False

    def interrupted(self, since: datetime, until: datetime) -> None:
        self._news()


def wakes_of(path: str) -> Wakes | None:
    """How this worker wakes the others for the file `path`; `None` in a process that serves alone."""
    if (worker := _worker.current) is None:
        return None
    name = os.path.realpath(path).encode("utf-8", "surrogateescape")
    return Wakes(worker.hub, hashlib.sha256(name).hexdigest()[:16])
