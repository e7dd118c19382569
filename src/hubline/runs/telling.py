"""Reports the states of this server's runs to other servers, until it has succeeded."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from hubline._tasks import TaskOwner, wake_up
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.runs.elsewhere import about_of
from hubline.runs.log import FencedError, LogGoneError
from hubline.runs.record import Record
from hubline.runs.settings import Settings

SETTLING = 1.0
"""Seconds for the last reports to other servers, at a shutdown. Ours."""


SHORT = 3
"""The attempt after which pauses do not grow while `on_end` waits: less than a second, also at a shutdown. Ours."""


class Telling:
    """Reports to the log, and repeats a report while the log cannot be reached."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._tasks = TaskOwner("hubline.runs: telling other servers")
        self._sharing: dict[Record, bool] = {}
        """Runs of this server that are being reported, and whether they have changed since."""
        self._tellings: dict[Record, asyncio.Task[None]] = {}
        """The tasks that report them."""
        self._settling = 0
        self._settled: asyncio.Future[None] | None = None
        self._hurried: asyncio.Future[None] | None = None
        """Done when the server stops: reports that wait for their next attempt are sent now."""

    async def tell(self, record: Record) -> None:
        """Report to other servers that a run exists. Raises the errors of the log."""
        if self._settings.log.shared:
            record.attempt_told = record.attempt
            await self._settings.log.describe(about_of(record), fence=record.fence)

    def share(self, record: Record) -> None:
        """Report the state of a run to other servers; of several changes, the newest."""
        if self._settings.log.shared and not record.is_lost:
            if record not in self._sharing:
                self._tellings[record] = self._tasks.start(self._share(record))
            self._sharing[record] = True

    async def count(self, record: Record) -> None:
        """Have an attempt counted where other servers look, before it begins: it may be this server's last."""
        if self._settings.log.shared and not record.is_lost:
            if record.attempt_told < record.attempt:
                self.share(record)
            telling = self._tellings.get(record)
            if telling is not None:
                await asyncio.wait([telling])

    async def hand_over(self, records: Iterable[Record]) -> None:
        """Have it counted that this server is about to stop, and that these have done it no harm."""
        for record in records:
            record.handed_over += 1
            record.hands_over = True
            self.share(record)
        await self.told()

    async def may_end(self, record: Record, waits: Callable[[], bool]) -> bool:
        """Whether `on_end` is for this server to call: no other has taken the run over, and called it.

        While Redis is away nobody knows, and this waits as long as `waits()` is true. Then the answer is yes, because
        `on_end` is called at least once.
        """
        if not self._settings.log.shared:
            return True
        attempt = 0
        while True:
            try:
                if await self._settings.log.owns(record.id, fence=record.fence):
                    return True
                record.taken_over()
                return False
            except LogGoneError:
                return True
            except BackplaneError:
                if not waits():
                    return True
                await self._settings.clock.sleep(pause(min(attempt, SHORT)))
                attempt += 1

    def settle(self, record: Record) -> None:
        """`on_end` was called: no other server needs to call it."""
        if self._settings.log.shared and not record.is_lost:
            self._settling += 1
            self._tasks.start(self._settle(record))

    async def finish(self) -> None:
        """Return when all reports are sent, or after a second. After that nothing is reported."""
        await self.told()
        await self._tasks.cancel()

    async def told(self) -> None:
        """Return when all reports are sent, or after a second."""
        wake_up(self._hurry())
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLING):
                while self._sharing or self._settling:
                    self._settled = asyncio.get_running_loop().create_future()
                    await self._settled

    def forget(self) -> None:
        """Drop everything, because its event loop does not run any more."""
        self._tasks.forget()
        self._hurried = None

    def _hurry(self) -> "asyncio.Future[None]":
        if self._hurried is None:
            self._hurried = asyncio.get_running_loop().create_future()
        return self._hurried

    async def _share(self, record: Record) -> None:
        try:
            while self._sharing[record]:
                self._sharing[record] = False
                await self._until_told(record, lambda: self.tell(record))
        finally:
            del self._sharing[record], self._tellings[record]
            wake_up(self._settled)

    async def _settle(self, record: Record) -> None:
        try:
            await self._until_told(record, lambda: self._settings.log.settle(record.id, fence=record.fence))
        finally:
            self._settling -= 1
            wake_up(self._settled)

    async def _until_told(self, record: Record, tell: Callable[[], Awaitable[None]]) -> None:
        attempt = 0
        while True:
            try:
                await tell()
                return
            except FencedError:
                record.taken_over()  # its present owner reports it
                return
            except LogGoneError:
                return
            except BackplaneError:
                hurried = self._hurry()
                seconds = pause(0 if hurried.done() else attempt)
                sleeping = self._settings.clock.sleep(seconds)
                await (sleeping if hurried.done() else self._tasks.done_before(hurried, sleeping))
                attempt += 1
