"""The subscriptions of one app: one link for all its hubs, and the handler of each channel."""

import asyncio
import itertools
import logging
import socket
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from hubline._clock import Clock, MonotonicClock
from hubline._tasks import TaskOwner
from hubline.backplanes.base import Backplane, BackplaneLink
from hubline.backplanes.heartbeat import Heartbeat
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

GAPS_KEPT = 10
"""How many gaps `statistics` lists. Ours."""

Handler: TypeAlias = Callable[[bytes], bool]
"""Takes a payload; True asks for a turn of the event loop."""


class Subscriptions:
    """The link of one app to a backplane; made when it is first needed, or at `open`.

    Subscriptions are joined in rounds: all changes that are asked for during one round are made together in the next.
    A caller that subscribes waits for the round that has its channel.
    """

    def __init__(self, backplane: Backplane, tasks: TaskOwner, clock: Clock | None = None) -> None:
        self._backplane, self._tasks, self._clock = backplane, tasks, clock or MonotonicClock()
        self.local_first = backplane.local_first
        """See `Backplane.local_first`."""
        self.server = f"{socket.gethostname()}_{uuid.uuid4().hex}"
        """The name of this server, unique to the process. Source: the original's."""
        self.on_gap: list[Callable[[datetime, datetime], None]] = []
        """Called with the times between which messages of other servers may have been lost."""
        self.begin_anew()

    def begin_anew(self) -> None:
        """Drop the link without closing it: its event loop no longer runs."""
        self._link: BackplaneLink | None = None
        self._handlers: dict[str, Handler] = {}
        self._held: set[str] = set()
        self._changed: set[str] = set()
        self._round: asyncio.Task[Exception | None] | None = None
        self._lock = asyncio.Lock()
        self._connecting: asyncio.Future[BackplaneLink | BackplaneError] | None = None
        self._unreachable = False
        self._beating: asyncio.Task[None] | None = None
        self._heartbeat = Heartbeat(f"hubline:heartbeat:{self.server}", self._clock)
        self._gaps: list[tuple[datetime, datetime]] = []
        self._gap_seconds, self._gaps_in_all = 0.0, 0

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
            return channel == self._heartbeat.channel and self._heartbeat.heard(payload)
        try:
            return handler(payload)
        except Exception as error:  # no message of another server may end the link of this one
            logger.warning("channel %s: a message of another server was dropped: %.200r", channel, error)
            return False

    def interrupted(self, since: datetime, until: datetime) -> None:
        self._gaps_in_all += 1
        self._gap_seconds += (until - since).total_seconds()
        self._gaps = [*self._gaps[1 - GAPS_KEPT :], (since, until)]
        logger.error("messages of other servers may have been lost between %s and %s", since, until)
        for tell in self.on_gap:
            tell(since, until)

    @property
    def ready(self) -> bool:
        """False if the backplane cannot be reached, or if this server's heartbeat does not come back."""
        return not self._unreachable and not self._heartbeat.deaf

    def statistics(self) -> dict[str, Any]:
        """The state of the subscriptions, and the gaps since the start.

        `channels` counts subscriptions; `ready` as the property; `lag` is the seconds that the last heartbeat took
        through the backplane, if any has come; `gaps` counts the times in which messages may have been lost, which are
        `gap_seconds` in all, and `last_gaps` are the last of them, each with its beginning and its end in UTC.
        """
        return {
            "channels": len(self._held),
            "ready": self.ready,
            "lag": self._heartbeat.lag,
            "gaps": self._gaps_in_all,
            "gap_seconds": self._gap_seconds,
            "last_gaps": list(self._gaps),
        }

    async def open(self) -> None:
        """Make the link. Tries until it succeeds."""
        for attempt in itertools.count():
            try:
                await self._connect()
                return
            except BackplaneError:
                await self._clock.sleep(pause(attempt))

    async def close(self) -> None:
        """End the link. A later use makes a new one."""
        link, beating = self._link, self._beating
        self.begin_anew()
        if beating is not None:
            beating.cancel()
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
        """The link. Callers that ask while it is being made wait for the same attempt."""
        if self._link is not None:
            return self._link
        if self._connecting is not None:
            made = await asyncio.shield(self._connecting)
        else:
            self._connecting = asyncio.get_running_loop().create_future()
            made = BackplaneError("nobody waits for the link to the backplane any more")
            try:
                made = await self._try_to_connect()
            finally:
                self._connecting.set_result(made)
                self._connecting = None
        if isinstance(made, BackplaneError):
            raise BackplaneError(str(made)) from made
        return made

    async def _try_to_connect(self) -> BackplaneLink | BackplaneError:
        try:
            link = self._link = await self._backplane.connect(self)
        except BackplaneError as error:
            if not self._unreachable:
                logger.error("%s", error)
            self._unreachable = True
            return error
        self._unreachable = False
        self._beating = self._tasks.start(self._heartbeat.beat(link), name="hubline: heartbeat")
        return link
