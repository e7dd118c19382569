"""Whether news or entries of runs were lost: it bounds the time for which they are missing, whatever the cause."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from hubline._clock import Clock, MonotonicClock
from hubline._tasks import TaskOwner
from hubline.backplanes.heartbeat import Heartbeat
from hubline.backplanes.redis_commands import Commands
from hubline.backplanes.redis_hearing import Hearing
from hubline.errors import BackplaneError
from hubline.runs.log import FencedError, LogGoneError
from hubline.runs.names import beat_channel
from hubline.runs.owned import Owned
from hubline.runs.redis_keys import keys_of
from hubline.runs.shared_tapes import Followed, Tapes

logger = logging.getLogger("hubline.runs")

LOOK = 10.0
"""Seconds between two looks; lost news are noticed within three of them. Ours: a look costs one short command for each
run of another server that is viewed here and says nothing."""

WriteAgain = Callable[[Followed, int, int], Awaitable[None]]
"""Write what Redis lacks of a tape, with this fence: what is behind this entry. Raises FencedError, LogGoneError."""


class Checks:
    """Three of them: this server's heartbeat must come back; the tapes of other servers' runs must have what Redis has;
    and after an interruption, Redis must have what those of this server have."""

    def __init__(
        self,
        node: str,
        commands: Commands,
        hearing: Hearing,
        tapes: Tapes,
        owned: Owned,
        write_again: WriteAgain,
        clock: Clock,
    ) -> None:
        self._commands, self._hearing, self._tapes, self._owned = commands, hearing, tapes, owned
        self._write_again, self._clock = write_again, clock
        self._heartbeat = Heartbeat(beat_channel(node), MonotonicClock())
        self._suspicious = False

    def start(self, tasks: TaskOwner) -> None:
        tasks.start(self._heartbeat.beat(self), name="hubline.runs: heartbeat")
        tasks.start(self._look_again_and_again(), name="hubline.runs: lost news")

    def received(self, channel: str, payload: bytes) -> bool:
        """Whether it was a heartbeat."""
        if channel != self._heartbeat.channel:
            return False
        self._heartbeat.heard(channel, payload)
        return True

    def interrupted(self) -> None:
        """Redis was away: it may have lost what it had confirmed, as one does that takes over from another."""
        self._suspicious = True

    async def look(self) -> None:
        """Once. Raises BackplaneError."""
        if self._suspicious:
            self._suspicious = False
            try:
                await self._look_for_lost_entries()
            except BaseException:
                self._suspicious = True
                raise
        lost = await self._tapes.look_for_lost_news(self._newest)
        if lost:
            logger.error("news of %d runs were lost: subscribing anew", lost)
            self._hearing.renew()

    async def subscribe(self, channels: Sequence[str]) -> None:
        await self._hearing.subscribe(channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        await self._hearing.unsubscribe(channels)

    async def publish(self, channels: Sequence[str], payload: bytes) -> int | None:
        heard: int = await self._commands.call("PUBLISH", channels[0], payload)
        return heard

    def renew(self) -> None:
        self._hearing.renew()

    async def close(self) -> None:
        """Its owner closes the connections."""

    async def _look_again_and_again(self) -> None:
        while True:
            await self._clock.sleep(LOOK)
            try:
                await self.look()
            except BackplaneError as error:
                logger.debug("looking for lost news: %s", error)
            except Exception:
                logger.exception("looking for lost news failed")

    async def _look_for_lost_entries(self) -> None:
        for run_id, (fence, followed) in list(self._owned.runs.items()):
            async with followed.writing:
                end, tape = await self._newest(run_id), followed.tape
                if end is not None and tape is not None and end < tape.end and run_id in self._owned.runs:
                    with suppress(FencedError, LogGoneError):  # the next append is told
                        await self._write_again(followed, fence, end)

    async def _newest(self, run_id: str) -> int | None:
        """The number of the last entry in Redis; `None` if there is no log. Raises BackplaneError."""
        (seq,) = await self._commands.call("HMGET", keys_of(run_id)[0], "seq")
        return int(seq) if seq is not None else None
