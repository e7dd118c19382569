"""The subscriptions of one app: one link for all its hubs, and the handler of each channel."""

import asyncio
import logging
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TypeAlias

from hubline._tasks import TaskOwner
from hubline.backplanes.base import Backplane, BackplaneLink
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

Handler: TypeAlias = Callable[[bytes], bool]
"""Takes a payload; True asks for a turn of the event loop."""


class Subscriptions:
    """The link of one app to a backplane; made when it is first needed.

    Subscriptions are joined in rounds: all changes that are asked for during one round are made together in the next.
    A caller that subscribes waits for the round that has its channel.
    """

    def __init__(self, backplane: Backplane, tasks: TaskOwner) -> None:
        self._backplane, self._tasks = backplane, tasks
        self.server = f"{socket.gethostname()}_{uuid.uuid4().hex}"
        """The name of this server, unique to the process. Source: the original's."""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Drop the link without closing it: its event loop no longer runs."""
        self._link: BackplaneLink | None = None
        self._handlers: dict[str, Handler] = {}
        self._held: set[str] = set()
        self._changed: set[str] = set()
        self._round: asyncio.Task[Exception | None] | None = None
        self._lock = asyncio.Lock()
        self._connecting = asyncio.Lock()
        self._gaps = 0

    async def publish(self, channels: Sequence[str], payload: bytes) -> int | None:
        """See `BackplaneLink.publish`."""
        link = self._link or await self._connect()
        return await link.publish(channels, payload)

    async def subscribe(self, handlers: Mapping[str, Handler]) -> None:
        """Subscribe to these channels and set their handler; returns when the subscriptions are active.

        Raises:
            BackplaneError: the subscriptions failed.
        """
        wanted = [channel for channel in handlers if channel not in self._held or channel in self._changed]
        self._handlers.update(handlers)
        if wanted:
            failure = await asyncio.shield(self._next_round(wanted))
            if failure is not None:
                raise BackplaneError(f"cannot subscribe to the backplane: {failure}") from failure

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Remove the handlers of these channels. The next round unsubscribes from them."""
        gone = [channel for channel in channels if self._handlers.pop(channel, None) is not None]
        if gone:
            self._next_round(gone)

    def received(self, channel: str, payload: bytes) -> bool:
        handler = self._handlers.get(channel)
        if handler is None:
            return False
        try:
            return handler(payload)
        except Exception as error:  # no message of another server may end the link of this one
            logger.warning("channel %s: a message of another server was dropped: %.200r", channel, error)
            return False

    def interrupted(self, since: datetime, until: datetime) -> None:
        self._gaps += 1
        logger.error("messages of other servers may have been lost between %s and %s", since, until)

    def statistics(self) -> dict[str, int]:
        """How many channels are heard, and how often messages may have been lost since the start."""
        return {"channels": len(self._held), "gaps": self._gaps}

    async def close(self) -> None:
        """End the link. A later use makes a new one."""
        link = self._link
        self.begin_anew()
        if link is not None:
            await link.close()

    def _next_round(self, channels: Iterable[str]) -> "asyncio.Task[Exception | None]":
        self._changed.update(channels)
        if self._round is None:
            self._round = self._tasks.start(self._settle(), name="hubline: subscriptions")
        return self._round

    async def _settle(self) -> Exception | None:
        """Subscribe and unsubscribe until the channels are those with handlers. The next round retries failures."""
        async with self._lock:
            self._round = None
            changed, self._changed = self._changed, set()
            more = [channel for channel in changed if channel in self._handlers and channel not in self._held]
            fewer = [channel for channel in changed if channel in self._held and channel not in self._handlers]
            try:
                link = self._link or await self._connect()
                if more:
                    await link.subscribe(more)
                    self._held.update(more)
                if fewer:
                    # before the call: a caller that subscribes in the meantime must wait for the next round
                    self._held.difference_update(fewer)
                    await link.unsubscribe(fewer)
            except Exception as error:
                self._held.update(fewer)
                self._changed.update(changed)
                logger.warning("%d subscriptions could not be changed: %.200r", len(more) + len(fewer), error)
                return error
            return None

    async def _connect(self) -> BackplaneLink:
        async with self._connecting:
            if self._link is None:
                self._link = await self._backplane.connect(self)
            return self._link
