"""The subscriptions of one app: one link for all its hubs, and the handler of each channel."""

import asyncio
import logging
import math
import socket
import uuid
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeAlias

from hubline._clock import Clock, MonotonicClock
from hubline._tasks import TaskOwner
from hubline.backplanes.base import Backplane, BackplaneLink, SeveralBrokers, Transaction, present_transaction
from hubline.backplanes.heartbeat import Heartbeat
from hubline.backplanes.lines import Broker, KnowsBroker, Pauses
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

GAPS_KEPT = 10
"""How many gaps `statistics` lists. Ours."""

REFUSALS_EVERY = 60.0
"""Seconds between two lines of the log about clients that are refused. Ours."""

Handler: TypeAlias = Callable[[bytes], bool]
"""Takes a payload; True asks for a turn of the event loop."""

Change: TypeAlias = Callable[[BackplaneLink, list[str]], Coroutine[Any, Any, None]]
"""Subscribes to channels, or unsubscribes."""


class Refusals:
    """Clients that are refused because other servers could not reach them: a line each minute, however many."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._silent_until = -math.inf
        self._untold = 0
        self._outage = False
        """One was told of in the log, and none was admitted since."""

    def refused(self, error: BackplaneError) -> None:
        self._untold += 1
        now = self._clock.now()
        if now >= self._silent_until:
            self._silent_until, self._outage = now + REFUSALS_EVERY, True
            logger.warning("clients are refused, %d since this was last said: %.200s", self._untold, error)
            self._untold = 0

    def admitted(self) -> None:
        """Clients are admitted, perhaps again: then tell of those that were refused meanwhile."""
        if self._outage:
            self._outage = False
            logger.warning("clients are admitted again; %d more were refused meanwhile", self._untold)
            self._untold = 0


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

    def transaction(self) -> Transaction | None:
        """The transaction to which a message of the running task belongs. Raises RuntimeError: none of ours can."""
        return present_transaction(self._backplane)

    def begin_anew(self) -> None:
        """Drop the link without closing it: its event loop no longer runs."""
        self._link: BackplaneLink | None = None
        self._handlers: dict[str, Handler] = {}
        self._held: set[str] = set()
        self._changed: set[str] = set()
        self._round: asyncio.Task[dict[str, Exception]] | None = None
        self._lock = asyncio.Lock()
        self._connecting: asyncio.Future[BackplaneLink | BackplaneError] | None = None
        self._unreachable = False
        self._beating: asyncio.Task[None] | None = None
        self._heartbeat = Heartbeat(f"hubline:heartbeat:{self.server}", self._clock)
        self._gaps: list[tuple[datetime, datetime]] = []
        self._gap_seconds, self._gaps_in_all = 0.0, 0
        self._refusals = Refusals(self._clock)

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
        for channel in wanted:
            try:
                channel.encode()
            except UnicodeEncodeError as error:  # nor could the others of the round be sent
                raise BackplaneError(f"{channel[:100]!r} is no name of a channel: {error.reason}") from error
        self._handlers.update(handlers)
        if wanted:
            failed = await asyncio.shield(self._next_round(wanted))
            failure = next((failed[channel] for channel in wanted if channel in failed), None)
            if failure is not None:
                raise BackplaneError(f"cannot subscribe to the backplane: {failure}") from failure

    async def surely(self, handlers: Mapping[str, Handler], wanted: Callable[[], bool]) -> None:
        """The same as `subscribe`, as often as it takes, but not when they are `wanted` no more."""
        pauses = self._pauses()
        while wanted():
            try:
                await self.subscribe(handlers)
                return
            except BackplaneError:
                await pauses.next()

    async def admit(self, handlers: Mapping[str, Handler]) -> None:
        """The same as `subscribe`, for a client that is refused if this fails. Refusals are counted, and logged."""
        try:
            await self.subscribe(handlers)
        except BackplaneError as error:
            self._refusals.refused(error)
            raise
        self._refusals.admitted()

    def hears(self, channel: str) -> bool:
        """Whether the channel is subscribed to and stays so."""
        return channel in self._held and channel not in self._changed

    def unsubscribe(self, channels: Iterable[str]) -> None:
        """Remove the handlers of these channels. The next round unsubscribes from them."""
        gone = [channel for channel in channels if self._handlers.pop(channel, None) is not None]
        if gone:
            self._next_round(gone)

    def received(self, channel: str, payload: bytes) -> bool:
        handler = self._handlers.get(channel)
        try:
            return self._heartbeat.heard(channel, payload) if handler is None else handler(payload)
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
        """False if the backplane cannot be reached, or if no broker returns this server's heartbeat."""
        return not self._unreachable and not self._heartbeat.deaf

    def statistics(self) -> dict[str, Any]:
        """The state of the subscriptions, and the gaps since the start.

        `channels` is the number of subscriptions; `ready` is the property; `lag` is the time in seconds of the last
        heartbeat, if one has come back; `deaf` is the number of brokers that have returned no heartbeat for 15 seconds;
        `brokers` has the `lag` of each broker and whether it is `deaf`, if there are several. A gap is a time in which
        messages may have been lost: `gaps` is their number, `gap_seconds` their sum, and `last_gaps` has the last of
        them, each with its beginning and its end in UTC.
        """
        return {
            "channels": len(self._held),
            "ready": self.ready,
            "lag": self._heartbeat.lag,
            "deaf": self._heartbeat.deaf_brokers,
            "brokers": self._heartbeat.statistics(),
            "gaps": self._gaps_in_all,
            "gap_seconds": self._gap_seconds,
            "last_gaps": list(self._gaps),
        }

    async def open(self) -> None:
        """Make the link. Tries until it succeeds."""
        pauses = self._pauses()
        while True:
            try:
                await self._connect()
                return
            except BackplaneError:
                await pauses.next()

    async def close(self) -> None:
        """End the link. A later use makes a new one."""
        link, beating = self._link, self._beating
        self.begin_anew()
        if beating is not None:
            beating.cancel()
        if link is not None:
            await link.close()

    def _pauses(self) -> Pauses:
        known, tasks = self._backplane, self._tasks
        return known._pauses(tasks) if isinstance(known, KnowsBroker) else Pauses(Broker(), tasks, self._clock)

    def _next_round(self, channels: Iterable[str]) -> "asyncio.Task[dict[str, Exception]]":
        self._changed.update(channels)
        if self._round is None:
            self._round = self._tasks.start(self._settle(), name="hubline: subscriptions")
        return self._round

    async def _settle(self) -> dict[str, Exception]:
        """Subscribe and unsubscribe until the channels are those with handlers. The next round retries failures.

        Returns which channels could not be subscribed to, and why. Which could not be given up is told to nobody.
        """
        async with self._lock:
            self._round, held = None, self._held
            changed, self._changed = self._changed, set()
            more = [channel for channel in changed if channel in self._handlers and channel not in held]
            failed = await self._change(more, lambda link, channels: link.subscribe(channels))
            held.update(channel for channel in more if channel not in failed)
            # not before: who has subscribed to one of them meanwhile was told that it is subscribed to
            fewer = [channel for channel in changed if channel in held and channel not in self._handlers]
            held.difference_update(fewer)  # who subscribes from now on must wait for the next round
            kept = await self._change(fewer, lambda link, channels: link.unsubscribe(channels))
            held.update(kept)
            if held is self._held:  # and this was not closed meanwhile
                self._changed.update(failed, kept)
            return failed

    async def _change(self, channels: list[str], change: Change) -> dict[str, Exception]:
        """Which of the channels could not be changed, and why: a broker that is away fails none of another's."""
        if not channels:
            return {}
        parts, outcomes = [channels], list[BaseException | None]()
        try:
            link = self._link or await self._connect()
            parts = _by_broker(link, channels)
            outcomes += await asyncio.gather(*(change(link, part) for part in parts), return_exceptions=True)
        except Exception as error:
            outcomes = [error]
        failed: dict[str, Exception] = {}
        for part, outcome in zip(parts, outcomes, strict=True):
            if isinstance(outcome, Exception):
                failed |= dict.fromkeys(part, outcome)
                expected = logging.DEBUG if isinstance(outcome, BackplaneError) else logging.WARNING  # callers are told
                logger.log(expected, "%d subscriptions could not be changed: %.200r", len(part), outcome)
            elif outcome is not None:
                raise outcome
        return failed

    async def _connect(self) -> BackplaneLink:
        """The link. Concurrent callers wait for the same attempt."""
        if self._link is not None:
            return self._link
        if self._connecting is not None:
            made = await asyncio.shield(self._connecting)
        else:
            connecting = self._connecting = asyncio.get_running_loop().create_future()
            made = BackplaneError("no task waits for the link to the backplane any more")
            try:
                made = await self._try_to_connect(connecting)
            finally:
                connecting.set_result(made)
                if self._connecting is connecting:
                    self._connecting = None
        if isinstance(made, BackplaneError):
            raise BackplaneError(str(made)) from made
        return made

    async def _try_to_connect(self, connecting: "asyncio.Future[Any]") -> BackplaneLink | BackplaneError:
        try:
            link = await self._backplane.connect(self)
        except BackplaneError as error:
            if not self._unreachable:
                logger.error("%s", error)
            self._unreachable = True
            return error
        if self._connecting is not connecting:
            await link.close()
            return BackplaneError("the link to the backplane was closed")
        self._link, self._unreachable = link, False
        self._beating = self._tasks.start(self._heartbeat.beat(link), name="hubline: heartbeat")
        return link


def _by_broker(link: BackplaneLink, channels: list[str]) -> list[list[str]]:
    """The channels of each broker; of those that no broker has, or of a link with one, the channels together."""
    if not isinstance(link, SeveralBrokers):
        return [channels]
    parts: dict[str, list[str]] = {}
    for channel in channels:
        parts.setdefault(next(iter(link.brokers([channel])), ""), []).append(channel)
    return list(parts.values())
