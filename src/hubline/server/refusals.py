"""What the log says of calls that came to nothing."""

import logging

from hubline._clock import Clock

logger = logging.getLogger("hubline.dispatcher")

REFUSALS_LOGGED = 10
"""Of one connection a minute: a flood of calls that come to nothing must not become a flood of lines. Ours."""


class RefusalLog:
    """The refusals of one connection."""

    __slots__ = ("_clock", "_connection_id", "_count", "_minute")

    def __init__(self, connection_id: str, clock: Clock) -> None:
        self._connection_id, self._clock = connection_id, clock
        self._count, self._minute = 0, float("-inf")

    def note(self, where: str, text: str) -> None:
        """Note a call, on one line: the text may be the peer's."""
        now = self._clock.now()
        if now - self._minute >= 60:
            self._count, self._minute = 0, now
        self._count += 1
        if self._count <= REFUSALS_LOGGED:
            more = "; more of this minute are not logged" if self._count == REFUSALS_LOGGED else ""
            logger.info("connection %s: %s%.200r%s", self._connection_id, where, text, more)
