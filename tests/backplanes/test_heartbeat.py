"""Whether a server hears itself: what it notes, when it is deaf, and what it does about that."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from hubline._tasks import TaskOwner
from hubline.backplanes.heartbeat import INTERVAL, MISSED, Heartbeat
from hubline.errors import BackplaneError
from hubline.testing import ManualClock, settle


class Echo:
    """A link that brings back what is published, unless told otherwise."""

    def __init__(self) -> None:
        self.heartbeat: Heartbeat
        self.comes_back, self.fails = True, False
        self.renewed = self.subscribed = 0

    async def publish(self, channels: Sequence[str], payload: bytes) -> int:
        if self.fails:
            raise BackplaneError("gone")
        if self.comes_back:
            self.heartbeat.heard(payload)
        return 0

    async def subscribe(self, channels: Sequence[str]) -> None:
        if self.fails:
            raise BackplaneError("gone")
        self.subscribed += 1

    async def unsubscribe(self, channels: Sequence[str]) -> None: ...

    def renew(self) -> None:
        self.renewed += 1

    async def close(self) -> None: ...


class Beats:
    def __init__(self) -> None:
        self.clock, self.link = ManualClock(), Echo()
        self.link.heartbeat = self.heartbeat = Heartbeat("h", self.clock)

    async def pass_beats(self, count: int) -> None:
        for _ in range(count):
            await self.clock.advance(INTERVAL)
            await settle()


@asynccontextmanager
async def beating() -> AsyncIterator[Beats]:
    beats, tasks = Beats(), TaskOwner("test")
    tasks.start(beats.heartbeat.beat(beats.link))
    await settle()
    yield beats
    await tasks.cancel()


async def test_the_lag_is_how_long_one_takes() -> None:
    async with beating() as beats:
        assert beats.heartbeat.lag is None
        await beats.pass_beats(1)
        assert beats.heartbeat.lag == 0
        beats.link.comes_back = False
        await beats.pass_beats(1)
        sent = repr(beats.clock.now()).encode()
        await beats.clock.advance(0.25)
        beats.heartbeat.heard(sent)
        assert beats.heartbeat.lag == pytest.approx(0.25)
        assert beats.link.subscribed == 1


async def test_silence_is_deafness_and_renews_the_link_until_it_hears(caplog: pytest.LogCaptureFixture) -> None:
    async with beating() as beats:
        await beats.pass_beats(1)
        beats.link.comes_back = False
        await beats.pass_beats(MISSED)
        assert not beats.heartbeat.deaf
        await beats.pass_beats(1)
        assert beats.heartbeat.deaf
        assert beats.link.renewed == 1
        await beats.pass_beats(MISSED + 1)
        assert beats.link.renewed == 2
        beats.link.comes_back = True
        await beats.pass_beats(1)
        assert not beats.heartbeat.deaf
        levels = [record.levelno for record in caplog.records]
        assert levels == [logging.ERROR, logging.WARNING], "once each, however long it lasts"


async def test_a_link_that_raises_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    async with beating() as beats:
        beats.link.fails = True
        await beats.pass_beats(MISSED + 2)
        assert beats.heartbeat.deaf
        assert beats.link.subscribed == 0
        beats.link.fails = False
        await beats.pass_beats(1)
        assert not beats.heartbeat.deaf
