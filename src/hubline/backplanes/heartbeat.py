"""Checks that a server receives: what it publishes for itself must come back through the backplane."""

import logging

from hubline._clock import Clock
from hubline.backplanes.base import BackplaneLink
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

INTERVAL = 5.0
"""Seconds between two heartbeats. Ours: a failure is noticed soon, and twelve small messages a minute cost little."""

MISSED = 3
"""Missing heartbeats after which the link is renewed. Ours: a broker that stands still for ten
seconds, to save its data or to fail over, is not taken for a dead one."""


class Heartbeat:
    """Publishes to a channel of this server alone, and records when each message comes back.

    It measures the network, so `clock` is the system clock, not the application's.
    """

    def __init__(self, channel: str, clock: Clock) -> None:
        self.channel, self._clock = channel, clock
        self.lag: float | None = None
        """Seconds that the last heartbeat took; `None` before the first."""
        self.deaf = False
        """Whether nothing has come back for too long."""
        self._heard_at = 0.0
        self._listens = False

    async def beat(self, link: BackplaneLink) -> None:
        """Run until cancelled. Renews the link whenever nothing has come back for too long."""
        self._heard_at, self._listens = self._clock.now(), False
        while True:
            await self._clock.sleep(INTERVAL)
            if self._clock.now() - self._heard_at > MISSED * INTERVAL:
                self._became(deaf=True)
                self._heard_at = self._clock.now()
                link.renew()
            try:
                if not self._listens:
                    await link.subscribe([self.channel])
                    self._listens = True
                await link.publish([self.channel], repr(self._clock.now()).encode())
            except BackplaneError as error:
                logger.debug("no heartbeat: %s", error)

    def heard(self, payload: bytes) -> bool:
        """A heartbeat has come back."""
        self._heard_at = self._clock.now()
        self.lag = self._heard_at - float(payload)
        self._became(deaf=False)
        return False

    def _became(self, *, deaf: bool) -> None:
        if deaf is not self.deaf:
            self.deaf = deaf
            if deaf:
                logger.error("this server has not heard its own heartbeat for %g s: not ready", MISSED * INTERVAL)
            else:
                logger.warning("this server hears its own heartbeat again")
