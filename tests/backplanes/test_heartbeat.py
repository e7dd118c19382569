"""Whether a server hears itself: what it notes, when it is deaf, and what it does about that."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
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
        self.answers, self.publishing = asyncio.Event(), set[str]()
        self.answers.set()

    async def publish(self, channels: Sequence[str], payload: bytes) -> int:
        await self._answered(channels[0])
        if self.fails:
            raise BackplaneError("gone")
        if self.comes_back:
            self.heartbeat.heard(channels[0], payload)
        return 0

    async def _answered(self, channel: str) -> None:
        self.publishing.add(channel)
        try:
            await self.answers.wait()
        finally:
            self.publishing.discard(channel)

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
        beats.heartbeat.heard("h", sent)
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
        await beats.pass_beats(1)
        beats.link.fails = True
        await beats.pass_beats(MISSED)
        assert not beats.heartbeat.deaf
        await beats.pass_beats(2)
        assert beats.heartbeat.deaf
        assert caplog.messages == ["this server has not received its heartbeat for 15 s: gone"], "it says why"
        beats.link.fails = False
        await beats.pass_beats(1)
        assert not beats.heartbeat.deaf


async def test_a_server_that_may_not_even_subscribe_is_deaf_at_its_first_heartbeat(
    caplog: pytest.LogCaptureFixture,
) -> None:
    beats, tasks = Beats(), TaskOwner("test")
    beats.link.fails = True
    tasks.start(beats.heartbeat.beat(beats.link))
    await settle()
    await beats.pass_beats(1)
    assert beats.heartbeat.deaf
    assert beats.link.renewed == 0
    await beats.pass_beats(1)
    beats.link.fails = False
    await beats.pass_beats(1)
    assert not beats.heartbeat.deaf
    assert caplog.messages == [
        "this server has not received its heartbeat yet: gone",
        "this server receives its heartbeat",
    ]
    await tasks.cancel()


class Brokers(Echo):
    """Two brokers, one for channels with an even number at the end. What goes through `lost` does not come back."""

    def __init__(self) -> None:
        super().__init__()
        self.names, self.lost = {"even", "odd"}, set[str]()
        self.channels: set[str] = set()
        self.renewals: list[str] = []

    def broker(self, channel: str) -> str:
        number = channel.rpartition(":")[2]
        return "odd" if number.isdecimal() and int(number) % 2 else "even"

    def brokers(self, channels: Iterable[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for channel in channels:
            if self.broker(channel) in self.names:
                found.setdefault(self.broker(channel), channel)
        return found

    def renew_broker(self, name: str) -> None:
        self.renewals.append(name)

    async def publish(self, channels: Sequence[str], payload: bytes) -> int:
        (channel,) = channels
        await self._answered(channel)
        if self.broker(channel) not in self.lost and channel in self.channels:
            self.heartbeat.heard(channel, payload)
        return 0

    async def subscribe(self, channels: Sequence[str]) -> None:
        self.channels.update(channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        self.channels.difference_update(channels)


async def test_each_of_several_brokers_has_a_heartbeat_and_only_the_silent_one_is_renewed() -> None:
    beats, tasks = Beats(), TaskOwner("test")
    link = beats.link = Brokers()
    link.heartbeat = beats.heartbeat
    tasks.start(beats.heartbeat.beat(link))
    await settle()
    await beats.pass_beats(2)
    assert link.channels == {"h", "h:1"}
    assert beats.heartbeat.statistics() == {name: {"lag": 0, "deaf": False} for name in ("even", "odd")}
    link.lost.add("odd")
    await beats.pass_beats(MISSED + 1)
    assert {name: each["deaf"] for name, each in beats.heartbeat.statistics().items()} == {"even": False, "odd": True}
    assert beats.heartbeat.deaf_brokers == 1
    assert link.renewals == ["odd"]
    assert link.renewed == 0
    assert not beats.heartbeat.deaf, "one of them brings it back"
    link.lost.add("even")
    await beats.pass_beats(MISSED + 1)
    assert beats.heartbeat.deaf
    link.lost.clear()
    await beats.pass_beats(1)
    assert not beats.heartbeat.deaf
    await tasks.cancel()


async def test_a_broker_that_leaves_has_no_heartbeat_any_more() -> None:
    beats, tasks = Beats(), TaskOwner("test")
    link = beats.link = Brokers()
    link.heartbeat = beats.heartbeat
    tasks.start(beats.heartbeat.beat(link))
    await settle()
    await beats.pass_beats(1)
    link.names.discard("odd")
    await beats.pass_beats(1)
    assert link.channels == {"h"}
    assert list(beats.heartbeat.statistics()) == ["even"]
    await tasks.cancel()


async def test_a_broker_that_does_not_answer_holds_up_no_other() -> None:
    answers = asyncio.Event()

    class Hangs(Brokers):
        async def subscribe(self, channels: Sequence[str]) -> None:
            if self.broker(channels[0]) == "odd":
                await answers.wait()
            await super().subscribe(channels)

    beats, tasks = Beats(), TaskOwner("test")
    link = beats.link = Hangs()
    link.heartbeat = beats.heartbeat
    tasks.start(beats.heartbeat.beat(link))
    await settle()
    await beats.pass_beats(MISSED + 2)
    assert beats.heartbeat.statistics()["even"] == {"lag": 0, "deaf": False}
    answers.set()
    await beats.pass_beats(1)
    assert link.renewals == []
    assert beats.heartbeat.deaf_brokers == 0
    await tasks.cancel()


async def test_a_heartbeat_that_nobody_answers_ends_with_its_broker() -> None:
    beats, tasks = Beats(), TaskOwner("test")
    link = beats.link = Brokers()
    link.heartbeat = beats.heartbeat
    tasks.start(beats.heartbeat.beat(link))
    await settle()
    link.answers.clear()
    await beats.pass_beats(1)
    assert link.publishing == {"h", "h:1"}
    link.names.discard("odd")
    await beats.pass_beats(1)
    assert link.publishing == {"h"}
    await tasks.cancel()
    assert link.publishing == set()
