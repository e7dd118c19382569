"""What the workers of `hubline run --workers` tell each other of themselves, so that each can answer for all."""

import asyncio
import itertools
import json
import logging
import os
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from hubline._clock import Clock, MonotonicClock
from hubline._tasks import TaskOwner, wake_up
from hubline._worker import Worker
from hubline.backplanes.base import BackplaneLink
from hubline.backplanes.local import LocalBackplane
from hubline.errors import BackplaneError
from hubline.statistics import combined, decoded, encoded

logger = logging.getLogger("hubline.workers")

INTERVAL = 1.0
"""Seconds between two reports of a worker. Ours: as often as its connections are looked after."""

COUNTED = 1_000
"""Connections that a worker counts in a second, and more connections mean fewer reports. Ours: 0.5 % of a core."""

MISSED = 5
"""Reports that may be missing until a worker is left out. Ours: it hangs or has been killed, or the hub has."""

CHANNEL = "hubline:workers"

ANSWERED_WITHIN = 2.0
"""Seconds in which the others must answer a question. Ours: one that hangs is left out."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker has said of itself."""

    number: int
    pid: int
    ready: bool
    """Whether clients can come to it; also while it leaves, since others take them then."""
    statistics: dict[str, Any]
    heard_at: float
    until: float
    """When it is left out, if it says nothing more."""


@dataclass(slots=True)
class Question:
    """One that all others answer."""

    expected: int
    done: asyncio.Future[None]
    answers: list[Any] = field(default_factory=list)

    def heard(self, answer: Any) -> None:
        """One has answered."""
        self.answers.append(answer)
        if len(self.answers) >= self.expected:
            wake_up(self.done)


class FellowWorkers:
    """The other workers, as one app in this one knows them.

    Each tells its figures every second through the hub of the workers, whatever the backplane of the app. So any of
    them can answer at once and in any thread; what it says of others is up to a second old, or as many seconds as the
    other one has times 1,000 connections.
    """

    def __init__(
        self,
        worker: Worker,
        statistics: Callable[[], Mapping[str, Any]],
        in_turns: Callable[[], Awaitable[Mapping[str, Any]]],
        ready: Callable[[], bool],
        clock: Clock | None = None,
    ) -> None:
        """`in_turns` returns the same as `statistics`, and lets other tasks run meanwhile."""
        self._worker, self._ready, self._clock = worker, ready, clock or MonotonicClock()
        self._statistics, self._in_turns = statistics, in_turns
        self._channel = f"{CHANNEL}:{next(worker.apps)}"  # each worker loads the same apps in the same order
        self._tasks = TaskOwner("hubline: workers")
        self._id = secrets.token_hex(8)
        self._asked, self._answered = f"{self._channel}:asked", f"{self._channel}:{self._id}"
        self._reports: dict[str, Report] = {}
        """By the ids that workers give themselves."""
        self.describe: Callable[[], Awaitable[Any]] | None = None
        """What this one answers to `ask`: as JSON. Set before the start in all workers, or in none."""
        self._questions: dict[int, Question] = {}
        self._numbers = itertools.count(1)
        self._link: BackplaneLink | None = None

    def start(self) -> None:
        """Tell the others from now on. A second call does nothing."""
        if not len(self._tasks):
            self._tasks.start(self._tell())

    def begin_anew(self) -> None:
        """Forget everything, because its event loop does not run any more."""
        self._tasks.forget()
        self._reports, self._link = {}, None

    async def close(self) -> None:
        """Tell the others that this one is gone."""
        await self._tasks.cancel()
        link, self._link = self._link, None
        if link is not None:
            try:
                async with asyncio.timeout(INTERVAL):
                    await link.publish([self._channel], encoded([self._id]))
            except (BackplaneError, TimeoutError) as error:
                logger.debug("the other workers do not hear that this one is gone: %s", error)
            await link.close()
        self._reports = {}

    @property
    def ready(self) -> bool:
        """Whether no other worker says that clients cannot come to it."""
        return all(report.ready for report in self._present().values())

    def all(self) -> dict[str, Any]:
        """The statistics of all together, and under `workers` those of each.

        Those have three more items: `number` and `pid` of the worker, and `age`, the seconds since it has told them.
        """
        now = self._clock.now()
        own = {"number": self._worker.number, "pid": os.getpid(), "age": 0.0, **self._statistics()}
        others = [
            {"number": report.number, "pid": report.pid, "age": now - report.heard_at, **report.statistics}
            for report in self._present().values()
        ]
        workers = sorted([own, *others], key=lambda each: (each["number"], each["pid"]))
        return {**combined(workers), "workers": workers}

    async def ask(self) -> list[Any]:
        """What `describe` of each of the others returns. Those that do not answer in time are left out."""
        others = len(self._present())
        if self._link is None or not others:
            return []
        number, question = next(self._numbers), Question(others, asyncio.get_running_loop().create_future())
        self._questions[number] = question
        try:
            async with asyncio.timeout(ANSWERED_WITHIN):
                await self._link.publish([self._asked], encoded([self._id, number]))
                await question.done
        except (BackplaneError, TimeoutError) as error:
            logger.debug("%d of %d workers have answered: %s", len(question.answers), others, error)
        finally:
            del self._questions[number]
        return question.answers

    def received(self, channel: str, payload: bytes) -> bool:
        """A report, a question or an answer. See `BackplaneListener.received`."""
        try:
            name, *said = json.loads(payload)
            if channel == self._asked:
                if name != self._id:
                    self._tasks.start(self._answer(name, *said))
            elif channel == self._answered:
                if (question := self._questions.get(said[0])) is not None:
                    question.heard(said[1])
            elif not said:
                self._reports.pop(name, None)
            elif name != self._id:
                (number, pid, ready, every, statistics), now = said, self._clock.now()
                self._reports[name] = Report(number, pid, ready, decoded(statistics), now, now + MISSED * every)
        except Exception as error:  # of another version, while workers are replaced
            logger.debug("the report of another worker cannot be read: %.200r", error)
        return False

    def interrupted(self, since: datetime, until: datetime) -> None:
        """Nothing is missed: everybody says everything again."""

    async def _answer(self, name: str, number: int) -> None:
        if (link := self._link) is None:  # it leaves, or has only begun
            return
        try:
            found = None if self.describe is None else await self.describe()
            await link.publish([f"{self._channel}:{name}"], encoded([name, number, found]))
        except BackplaneError as error:
            logger.debug("another worker gets no answer: %s", error)

    def _present(self) -> dict[str, Report]:
        now = self._clock.now()
        reports = list(self._reports.items())  # one atomic step: other threads read
        return {name: report for name, report in reports if now < report.until}

    async def _connect(self) -> BackplaneLink:
        link = await LocalBackplane(self._worker.hub, clock=self._clock).connect(self)
        try:
            await link.subscribe([self._channel, self._asked, self._answered])
        except BaseException:  # with a link that hears nothing, this one would know of nobody for ever
            await link.close()
            raise
        return link

    async def _tell(self) -> None:
        while True:
            statistics = await self._in_turns()
            every = max(INTERVAL, statistics["transports"].connections / COUNTED)
            try:
                if self._link is None:
                    self._link = await self._connect()
                report = [self._id, self._worker.number, os.getpid(), self._ready(), every, statistics]
                await self._link.publish([self._channel], encoded(report))
            except BackplaneError as error:
                logger.debug("the other workers do not hear this one: %s", error)
            self._reports = self._present()
            await self._clock.sleep(every)
