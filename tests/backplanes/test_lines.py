"""A connection that is kept up: how it begins, how it comes back, how it ends."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from hubline.backplanes.lines import FIRST_PAUSE, LONGEST_PAUSE, Line, pause
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
    def __init__(self, network: Network, clock: ManualClock) -> None:
        super().__init__("a line", network.open, clock)
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


async def test_a_broken_connection_is_made_again_after_pauses_that_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: high)
    async with line() as (made, network, clock):
        await made.start()
        network.refuses = True
        network.breaks.set()
        await settle()
        assert network.ended == [(1, "broken")]
        with pytest.raises(BackplaneError, match="cannot be reached at present"):
            made.connection  # noqa: B018
        await clock.advance(FIRST_PAUSE)
        network.refuses = False
        await clock.advance(FIRST_PAUSE * 1.9)
        await settle()
        assert network.opened == 1, "the second pause is twice as long"
        await clock.advance(FIRST_PAUSE * 0.1)
        await settle()
        assert made.connection == 2


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


def test_pauses_grow_to_a_bound_and_are_random() -> None:
    for attempt, longest in ((0, FIRST_PAUSE), (1, 2 * FIRST_PAUSE), (1000, LONGEST_PAUSE)):
        found = [pause(attempt) for _ in range(200)]
        assert longest / 2 <= min(found) < max(found) <= longest
        assert len(set(found)) > 100
