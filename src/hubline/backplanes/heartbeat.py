"""Checks that a server receives: a message that it publishes for itself must come back through the backplane."""

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.base import BackplaneLink, SeveralBrokers
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

INTERVAL = 5.0
"""Seconds between two heartbeats. Ours: a failure is noticed soon, and twelve small messages a minute cost little."""

MISSED = 3
"""Missing heartbeats after which the link is renewed. Ours: a broker that stands still for ten
seconds, to save its data or to fail over, is not taken for a dead one."""

CHANNELS = 512
"""The number of channels from which each broker gets one. Ours: with 128 partitions, each broker has some of them."""


class Beat:
    """The heartbeat through one broker."""

    __slots__ = ("channel", "deaf", "failure", "heard_at", "lag", "listens", "sending")

    def __init__(self, channel: str, now: float) -> None:
        self.channel, self.heard_at = channel, now
        self.lag: float | None = None
        self.deaf = self.listens = False
        self.failure: BackplaneError | None = None
        """The error of the last one, if it was not sent."""
        self.sending: asyncio.Task[None] | None = None

    def end(self) -> None:
        if self.sending is not None:
            self.sending.cancel()


class Heartbeat:
    """Publishes to channels of this server alone, one for each broker, and records when each message comes back.

    It measures the network, so `clock` is the system clock, not the application's.
    """

    def __init__(self, channel: str, clock: Clock) -> None:
        self.channel, self._clock = channel, clock
        self.lag: float | None = None
        """Seconds that the last heartbeat took; `None` before the first."""
        self._channels = (channel, *(f"{channel}:{number}" for number in range(1, CHANNELS)))
        self._beats: dict[str, Beat] = {}
        """By the names of the brokers. A link with one broker has one heartbeat, without a name."""

    @property
    def deaf(self) -> bool:
        """Whether no broker has returned a heartbeat for too long."""
        return bool(self._beats) and all(beat.deaf for beat in self._beats.values())

    @property
    def deaf_brokers(self) -> int:
        """The number of brokers that have not returned a heartbeat for too long."""
        return sum(beat.deaf for beat in self._beats.values())

    def statistics(self) -> dict[str, dict[str, Any]]:
        """The lag of each of several brokers, and whether it is deaf."""
        return {name: {"lag": beat.lag, "deaf": beat.deaf} for name, beat in self._beats.items() if name}

    async def beat(self, link: BackplaneLink) -> None:
        """Run until cancelled. Renews the links to brokers that have not returned a heartbeat for too long."""
        self._beats = {}
        tasks = TaskOwner("hubline: heartbeats")
        try:
            await self._follow(link)
            while True:
                await self._clock.sleep(INTERVAL)
                await self._follow(link)
                for name, beat in self._beats.items():
                    if beat.sending is None or beat.sending.done():  # none waits for another broker
                        beat.sending = tasks.start(self._beat(link, name, beat))
        except asyncio.CancelledError:
            for beat in self._beats.values():
                beat.end()
            raise

    def heard(self, channel: str, payload: bytes) -> bool:
        """A heartbeat has come back, if the channel is one of its own."""
        for name, beat in self._beats.items():
            if beat.channel == channel:
                beat.heard_at = self._clock.now()
                _became(beat, name, deaf=False)
                beat.lag = self.lag = beat.heard_at - float(payload)
        return False

    async def _follow(self, link: BackplaneLink) -> None:
        """One heartbeat for each present broker. It keeps its channel as long as the broker has it."""
        brokers: Mapping[str, str] = {"": self.channel}
        if isinstance(link, SeveralBrokers):
            brokers = link.brokers([*(beat.channel for beat in self._beats.values()), *self._channels]) or brokers
        before, now = self._beats, self._clock.now()
        self._beats = {
            name: kept if (kept := before.get(name)) is not None and kept.channel == channel else Beat(channel, now)
            for name, channel in brokers.items()
        }
        for beat in set(before.values()).difference(self._beats.values()):
            beat.end()
        gone = {beat.channel for beat in before.values() if beat.listens} - set(brokers.values())
        if gone:
            try:
                await link.unsubscribe(sorted(gone))
            except BackplaneError as error:
                logger.debug("heartbeats that are not needed any more stay: %s", error)

    async def _beat(self, link: BackplaneLink, name: str, beat: Beat) -> None:
        if self._clock.now() - beat.heard_at > MISSED * INTERVAL:
            _became(beat, name, deaf=True)
            beat.heard_at = self._clock.now()
            if isinstance(link, SeveralBrokers) and name:
                link.renew_broker(name)
            else:
                link.renew()
        try:
            if not beat.listens:
                await link.subscribe([beat.channel])
                beat.listens = True
            await link.publish([beat.channel], repr(self._clock.now()).encode())
            beat.failure = None
        except BackplaneError as error:
            beat.failure = error
            if beat.lag is None:  # a right that it lacks, most likely: a server that never heard anything serves nobody
                _became(beat, name, deaf=True)


def _became(beat: Beat, broker: str, *, deaf: bool) -> None:
    if deaf is not beat.deaf:
        beat.deaf = deaf
        through = f" through {broker}" if broker else ""
        if deaf:
            why = beat.failure or "each was sent, and none came back"
            since = "yet" if beat.lag is None else f"for {MISSED * INTERVAL:g} s"
            logger.error("this server has not received its heartbeat%s %s: %s", through, since, why)
        else:
            logger.warning("this server receives its heartbeat%s%s", through, "" if beat.lag is None else " again")
