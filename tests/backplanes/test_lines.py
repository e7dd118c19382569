"""A connection that is kept up: how it begins, how it comes back, how it ends."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from hubline._tasks import TaskOwner
from hubline.backplanes.lines import FIRST_PAUSE, GROWTH, LONGEST_PAUSE, Broker, Line, Pauses, pause
from hubline.errors import BackplaneError
from hubline.testing import ManualClock, settle


class Network:
    """Opens connections with a number each, and breaks them on demand."""

    def __init__(self) -> None:
        self.opened, self.ended = 0, list[tuple[int, str]]()
        self.refuses = False
        self.breaks = asyncio.Event()
        self.is_ready = True

    async def open(self) -> int:
        await asyncio.sleep(0)
        if self.refuses:
            raise OSError("refused")
        self.opened += 1
        return self.opened


class Numbered(Line[int]):
    def __init__(self, network: Network, clock: ManualClock, broker: Broker | None = None) -> None:
        super().__init__("a line", network.open, clock, broker)
        self.network = network

    async def _use(self, connection: int) -> None:
        if self.network.is_ready:
            self._is_ready(connection)
        await self.network.breaks.wait()
        self.network.breaks.clear()
        raise OSError("broken")

    async def _end(self, connection: int, error: Exception | None) -> None:
        self.network.ended.append((connection, str(error)))


@asynccontextmanager
async def line() -> AsyncIterator[tuple[Numbered, Network, ManualClock]]:
    network, clock = Network(), ManualClock()
    made = Numbered(network, clock)
    yield made, network, clock
    await made.close()
    await made.close()
    with pytest.raises(BackplaneError, match="the link is closed"):
        made.connection  # noqa: B018


async def test_it_is_ready_when_it_has_started() -> None:
    async with line() as (made, network, _):
        with pytest.raises(BackplaneError, match="cannot be reached at present"):
            made.connection  # noqa: B018
        await made.start()
        assert made.connection == 1
    assert network.ended == [(1, "None")]


async def test_a_start_that_fails_can_be_tried_again() -> None:
    async with line() as (made, network, _):
        network.refuses = True
        with pytest.raises(BackplaneError, match="the backplane cannot be reached: refused"):
            await made.start()
        network.refuses, network.is_ready = False, False
        network.breaks.set()
        with pytest.raises(BackplaneError, match="the backplane cannot be reached: broken"):
            await made.start()
        network.is_ready = True
        await made.start()
        assert made.connection == 2


async def test_a_broken_connection_is_made_again_after_pauses_that_grow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    async with line() as (made, network, clock):
        await made.start()
        network.refuses = True
        network.breaks.set()
        await settle()
        assert network.ended == [(1, "broken")]
        assert caplog.messages == ["a line: the connection is made anew: broken"], "nobody knows here that it is lost"
        with pytest.raises(BackplaneError, match="cannot be reached at present"):
            made.connection  # noqa: B018
        await clock.advance(FIRST_PAUSE)
        network.refuses = False
        await clock.advance(FIRST_PAUSE * (GROWTH - 0.1))
        await settle()
        assert network.opened == 1, "the second pause is longer"
        await clock.advance(FIRST_PAUSE * 0.1)
        await settle()
        assert made.connection == 2


@asynccontextmanager
async def two_lines(
    first: Broker | None, second: Broker | None
) -> AsyncIterator[tuple[Numbered, Network, Numbered, Network, ManualClock]]:
    """Both have lost their connections; the first waits for its second attempt, the second for its ninth."""
    clock = ManualClock()
    networks = Network(), Network()
    lines = [Numbered(network, clock, broker) for network, broker in zip(networks, (first, second), strict=True)]
    for each in lines:
        await each.start()
    for each, network, attempts in zip(lines, networks, (1, 8), strict=True):
        each._attempts, network.refuses = attempts, True
        network.breaks.set()
    await settle()
    yield lines[0], networks[0], lines[1], networks[1], clock
    for each in lines:
        await each.close()


async def test_a_line_that_connects_ends_the_pauses_of_the_others_to_its_broker() -> None:
    broker = Broker()
    async with two_lines(broker, broker) as (first, network, second, others, clock):
        network.refuses = others.refuses = False
        await clock.advance(pause_at_most(1))
        await settle()
        assert first.connection == second.connection == 2


async def test_lines_to_other_brokers_do_not_hear_of_it() -> None:
    async with two_lines(Broker(), None) as (first, network, second, others, clock):
        network.refuses = others.refuses = False
        await clock.advance(pause_at_most(1))
        await settle()
        assert first.is_ready
        assert not second.is_ready


async def test_lines_whose_connections_end_at_once_do_not_hurry_each_other_for_ever() -> None:
    """As with a proxy that accepts connections for a broker that is away."""
    broker = Broker()
    async with two_lines(broker, broker) as (_, network, _, others, clock):
        for each in (network, others):
            each.refuses = each.is_ready = False
            each.breaks = AlwaysSet()
        await clock.advance(pause_at_most(1))
        await settle()
        assert network.opened + others.opened <= 2 + 3


async def test_a_pause_that_was_cut_short_in_vain_is_followed_by_a_whole_one() -> None:
    broker = Broker()
    async with two_lines(broker, broker) as (_, network, second, others, clock):
        network.refuses = False
        await clock.advance(pause_at_most(1))
        await settle()
        broker.answers()
        others.refuses = False
        await settle()
        assert not second.is_ready, "its attempt had just failed"
        await clock.advance(pause_at_most(9))
        await settle()
        assert second.is_ready


def pause_at_most(attempt: int) -> float:
    return min(LONGEST_PAUSE, FIRST_PAUSE * GROWTH**attempt)


class AlwaysSet(asyncio.Event):
    """Connections that end as soon as they are used."""

    async def wait(self) -> Literal[True]:
        return True


async def test_who_waits_for_a_line_that_is_closed_is_told_so() -> None:
    for is_open in (False, True):
        async with line() as (made, network, _):
            network.is_ready = False
            starting = asyncio.create_task(made.start())
            if is_open:
                await settle()
            await made.close()
            with pytest.raises(BackplaneError):
                await starting
            assert network.ended == [(1, "None")]


@pytest.mark.parametrize("turns", range(6))
async def test_who_waits_for_a_line_that_is_closed_at_any_moment_is_told_so(turns: int) -> None:
    async with line() as (made, network, _):
        network.is_ready = False
        starting = asyncio.ensure_future(made.start())
        for _ in range(turns):
            await asyncio.sleep(0)
        await made.close()
        await settle()
        assert starting.done()
        assert isinstance(starting.exception(), BackplaneError)


async def test_renewing_drops_what_there_is() -> None:
    async with line() as (made, network, clock):
        made.renew()
        await made.start()
        made.renew()
        await settle()
        made.renew()
        assert network.ended == [(1, "None")]
        await clock.advance(FIRST_PAUSE)
        await settle()
        assert made.connection == 2


async def test_renewing_leaves_alone_what_is_still_being_made_again() -> None:
    async with line() as (made, network, clock):
        await made.start()
        network.is_ready = False
        made.renew()
        await settle()
        await clock.advance(FIRST_PAUSE)
        assert network.opened == 2
        made.renew()  # a heartbeat that has missed for long enough, while many subscriptions are made again
        await settle()
        assert network.ended == [(1, "None")]


@pytest.mark.parametrize("turns", range(6))
async def test_whatever_is_open_when_a_line_is_closed_is_ended(turns: int) -> None:
    """Also a connection that nobody has begun to use."""
    for again in (False, True):
        async with line() as (made, network, clock):
            if again:
                await made.start()
                made.renew()
                await settle()
                sleeps = clock._sleepers[0][2]
                sleeps.set_result(None)
            starting = asyncio.ensure_future(asyncio.sleep(0) if again else made.start())
            for _ in range(turns):
                await asyncio.sleep(0)
            starting.cancel()
            await made.close()
            await asyncio.wait([starting])
        assert sorted({number for number, _ in network.ended}) == list(range(1, network.opened + 1))


def test_pauses_grow_to_a_bound_and_are_random() -> None:
    for attempt, longest in ((0, FIRST_PAUSE), (1, GROWTH * FIRST_PAUSE), (1000, LONGEST_PAUSE)):
        found = [pause(attempt) for _ in range(200)]
        assert longest / 2 <= min(found) < max(found) <= longest
        assert len(set(found)) > 100


async def test_a_pause_that_a_line_cuts_short_is_followed_by_a_short_one_that_nothing_does() -> None:
    broker, tasks, clock = Broker(), TaskOwner("test"), ManualClock()
    pauses = Pauses(broker, tasks, clock)
    for _ in range(20):  # until they are long
        waiting = asyncio.create_task(pauses.next())
        await settle()
        await clock.advance(LONGEST_PAUSE)
        await waiting
    waiting = asyncio.create_task(pauses.next())
    await settle()
    assert not waiting.done()
    broker.answers()
    await waiting
    waiting = asyncio.create_task(pauses.next())
    await settle()
    broker.answers()
    await settle()
    assert not waiting.done(), "a broker that ends each new connection is not asked in a circle"
    await clock.advance(FIRST_PAUSE)
    await waiting
    assert len(tasks) == 0
