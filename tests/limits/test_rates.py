"""Rates of calls: whom they count together, what a refused call gets, and what is remembered for how long."""

import logging
import tracemalloc
from collections.abc import AsyncIterator
from typing import Any, Literal

import pytest

from hubline import ConfigurationError, ConnectionScope, Hub, HubCallerContext, Identity, InvocationContext, filtered
from hubline.limits import RateLimit, RateLimitExceeded, rates
from hubline.testing import ManualClock, settle
from tests.server.bench import bench, completion, done, item

RAN: list[str] = []
REFUSED = (
    "error: An unexpected error occurred invoking 'Act' on the server. HubException: too many calls: try again in "
)


@pytest.fixture(autouse=True)
def _nothing_ran() -> None:
    RAN.clear()


def hub_with(limit: RateLimit) -> type[Hub[Any]]:
    class Limited(Hub):
        @filtered(limit)
        async def act(self) -> str:
            RAN.append("act")
            return "done"

        @filtered(limit)
        async def count(self, n: int) -> AsyncIterator[int]:
            RAN.append("count")
            for number in range(n):
                yield number

        @filtered(limit)
        async def add_up(self, numbers: AsyncIterator[int]) -> int:
            RAN.append("add_up")
            return sum([number async for number in numbers])

        async def free(self) -> str:
            return "free"

    return Limited


class Caller:
    """Calls of one connection, made to a `RateLimit` itself."""

    def __init__(self, limit: RateLimit, clock: ManualClock, *, user: str | None = None, address: str = "192.0.2.1"):
        scope = ConnectionScope({"client": (address, 1)}, Identity(user) if user else None)
        self.closed = 0
        self.context = HubCallerContext(f"c-{user or address}", scope, self._close)
        self._limit, self._clock = limit, clock

    def _close(self) -> None:
        self.closed += 1

    async def call(self) -> float:
        """0 when the call was let through, else how long to wait."""

        async def method(call: InvocationContext) -> float:
            return 0.0

        call = InvocationContext(Hub(), "Act", [], self.context, clock=self._clock)
        try:
            return float(await self._limit.invoke(call, method))
        except RateLimitExceeded as error:
            return error.retry_after


async def test_as_many_calls_as_the_rate_names_pass_at_once_and_the_next_is_told_how_long_to_wait() -> None:
    async with bench(hub_with(RateLimit("3/minute", per="connection"))) as hub:
        ada = await hub.connect()
        assert [await ada.result("act") for _ in range(4)] == ["done"] * 3 + [REFUSED + "20 s"]
        assert await ada.result("free") == "free"
        assert len(RAN) == 3
        await hub.clock.advance(19)
        assert await ada.result("act") == REFUSED + "1 s"
        await hub.clock.advance(1)
        assert [await ada.result("act") for _ in range(2)] == ["done", REFUSED + "20 s"]


async def test_another_connection_does_not_notice() -> None:
    async with bench(hub_with(RateLimit("1/minute", per="connection"))) as hub:
        ada, bob = await hub.connect("same"), await hub.connect("same")
        assert await ada.result("act") == "done"
        assert await ada.result("act") == REFUSED + "60 s"
        assert await bob.result("act") == "done"


async def test_a_refused_stream_or_upload_neither_runs_nor_buffers() -> None:
    async with bench(hub_with(RateLimit("2/minute", per="connection"))) as hub:
        ada = await hub.connect()
        ada.stream("count", 2)
        await settle()
        assert ada.take() == [item("1", 0), item("1", 1), done("1")]
        ada.call("add_up", streams=["u1"])
        ada.send({"type": 2, "invocationId": "u1", "item": 5}, {"type": 3, "invocationId": "u1"})
        await settle()
        assert ada.take() == [completion("2", 5)]
        RAN.clear()
        ada.stream("count", 2)
        ada.call("add_up", streams=["u2"])
        await settle()
        for number in range(100):
            ada.send({"type": 2, "invocationId": "u2", "item": number})
        await settle()
        texts = [str(message["error"]) for message in ada.take()]
        assert [text[-40:] for text in texts] == ["HubException: too many calls: try again in 30 s"[-40:]] * 2
        assert RAN == []
        assert await ada.result("free") == "free", "a hundred items for nobody have not stopped the reading"


@pytest.mark.parametrize(
    ("per", "one", "same", "other"),
    [
        ("user", {"user": "ada"}, {"user": "ada", "address": "192.0.2.9"}, {"user": "bob"}),
        ("user", {"address": "192.0.2.1"}, {"address": "192.0.2.1"}, {"address": "192.0.2.2"}),
        ("user", {"user": "address 192.0.2.1"}, {"user": "address 192.0.2.1"}, {"address": "192.0.2.1"}),
        ("address", {"user": "ada"}, {"user": "bob"}, {"user": "ada", "address": "192.0.2.2"}),
        ("address", {"address": "2001:db8::1"}, {"address": "2001:db8::ffff:2"}, {"address": "2001:db8:0:1::1"}),
    ],
)
async def test_whose_calls_are_counted_together(
    per: Literal["user", "address"], one: dict[str, str], same: dict[str, str], other: dict[str, str]
) -> None:
    limit, clock = RateLimit("1/hour", per=per), ManualClock()
    callers = [Caller(limit, clock, **who) for who in (one, same, other)]
    assert [await caller.call() for caller in callers] == [0, 3600, 0]


async def test_burst_says_how_many_may_come_at_once_and_the_rate_how_many_can_be_kept_up() -> None:
    limit, clock = RateLimit("60/minute", per="connection", burst=2), ManualClock()
    ada = Caller(limit, clock)
    assert [await ada.call() for _ in range(3)] == [0, 0, 1]
    for _ in range(100):
        await clock.advance(1)
        assert await ada.call() == 0
        assert await ada.call() == 1
    await clock.advance(3600)
    assert [await ada.call() for _ in range(3)] == [0, 0, 1], "silence is not saved up beyond the burst"


async def test_calls_that_are_refused_do_not_count() -> None:
    limit, clock = RateLimit("1/minute", per="connection"), ManualClock()
    ada = Caller(limit, clock)
    assert await ada.call() == 0
    for second in range(59):
        await clock.advance(1)
        assert await ada.call() == 59 - second
    await clock.advance(1)
    assert await ada.call() == 0


async def test_who_is_refused_too_often_within_the_window_is_closed_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with bench(hub_with(RateLimit("1/second", per="user", close_after=3))) as hub:
        ada, bystander = await hub.connect("ada"), await hub.connect("bob")
        assert await ada.result("act") == "done"
        for _ in range(2):
            assert await ada.result("act") == REFUSED + "1 s"
        ada.call("act")
        assert await ada.ended() == [{"type": 7}]
        again = await hub.connect("ada")
        again.call("act")
        assert await again.ended() == [{"type": 7}], "closed at once while the second lasts"
        assert await bystander.result("act") == "done"
        await hub.clock.advance(1)
        assert await (await hub.connect("ada")).result("act") == "done"
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("hubline")]
    assert lines == ["connection c1: closed after 3 refused calls, the last to Act (1/second per user)"]


async def test_refusals_count_within_one_window_only() -> None:
    limit, clock = RateLimit("60/minute", per="connection", burst=1, close_after=3), ManualClock()
    ada = Caller(limit, clock)
    for _ in range(5):
        assert [await ada.call() for _ in range(3)] == [0, 1, 1]
        await clock.advance(60)
    assert ada.closed == 0
    assert [await ada.call() for _ in range(5)] == [0, 1, 1, 1, 1]
    assert ada.closed == 2


async def test_what_a_connection_called_goes_with_the_connection() -> None:
    limit = RateLimit("1/day", per="connection")
    ada = Caller(limit, ManualClock())
    await ada.call()
    assert len(limit) == 0
    assert list(ada.context.items) == [limit]


async def test_who_is_silent_is_forgotten_when_the_bucket_is_full_again() -> None:
    limit, clock = RateLimit("10/second", per="address"), ManualClock()
    for number in range(1000):
        await Caller(limit, clock, address=f"10.0.{number // 256}.{number % 256}").call()
    assert len(limit) == 1000
    await clock.advance(1)
    late = Caller(limit, clock, address="192.0.2.1")
    for _ in range(501):
        await late.call()
    assert len(limit) == 1, "two at each call"


async def test_nobody_is_forgotten_before_the_bucket_is_full_again() -> None:
    limit, clock = RateLimit("1/second", per="user", burst=10), ManualClock()
    ada, bob = Caller(limit, clock, user="ada"), Caller(limit, clock, user="bob")
    assert [await ada.call() for _ in range(11)] == [0] * 10 + [1]
    await clock.advance(9)
    for _ in range(10):
        await bob.call()
    assert [await ada.call() for _ in range(10)] == [0] * 9 + [1]


async def test_past_the_limit_of_callers_the_one_who_has_been_silent_longest_is_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rates, "MAXIMUM_CALLERS", 2)
    limit, clock = RateLimit("1/day", per="user"), ManualClock()
    ada, bob, cyd = (Caller(limit, clock, user=user) for user in ("ada", "bob", "cyd"))
    for caller in (ada, bob):
        assert await caller.call() == 0
    assert await ada.call() == 86_400
    assert await cyd.call() == 0
    assert [await ada.call(), await bob.call()] == [86_400, 0]


async def called_from(limit: RateLimit, numbers: range) -> None:
    """One call from each of so many addresses."""
    clock = ManualClock()
    caller = Caller(limit, clock)
    for number in numbers:
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"
        caller.context.scope = ConnectionScope({"client": (address, 1)})
        await caller.call()


async def test_no_more_than_100000_addresses_are_remembered_and_those_who_called_last_are() -> None:
    limit = RateLimit("1/day", per="address")
    await called_from(limit, range(110_000))
    assert len(limit) == rates.MAXIMUM_CALLERS == 100_000
    clock = ManualClock()
    first, last = Caller(limit, clock, address="10.0.0.0"), Caller(limit, clock, address="10.1.173.175")
    assert [await first.call(), await last.call()] == [0, 86_400]


async def test_a_caller_takes_less_than_400_bytes() -> None:
    limit = RateLimit("1/day", per="address")
    tracemalloc.start()
    try:
        await called_from(limit, range(5_000))
        assert tracemalloc.get_traced_memory()[0] < 5_000 * 400
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "rate", ["20/fortnight", "0/second", "-1/second", "second", "20", "1.5/second", "20/ second", "2000000/second", ""]
)
def test_a_bad_rate_is_refused_with_what_is_allowed(rate: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RateLimit(rate, per="user")
    assert caught.value.problems == (
        f"RateLimit: {rate!r} is not a rate: write a number from 1 on, `/` and one of second, minute, hour, day, "
        "as `20/second`",
    )


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        RateLimit("x", per="planet", burst=0, close_after=-1)  # type: ignore[arg-type]
    assert caught.value.problems[1:] == (
        "RateLimit.per must be 'connection', 'user' or 'address', got 'planet'",
        "RateLimit.burst must be a whole number, 1 or greater, or None, got 0",
        "RateLimit.close_after must be a whole number, 1 or greater, or None, got -1",
    )


@pytest.mark.parametrize("value", [True, 1.5, float("inf"), "3"])
def test_what_is_no_number_is_a_mistake_too(value: Any) -> None:
    with pytest.raises(ConfigurationError) as caught:
        RateLimit(value, per=["user"], burst=value, close_after=value)  # type: ignore[arg-type]
    settings = [problem.split(" must")[0] for problem in caught.value.problems[1:]]
    assert settings == ["RateLimit.per", "RateLimit.burst", "RateLimit.close_after"]


def test_the_fastest_rates_are_exact() -> None:
    for rate in ("1000000/second", "60000000/minute", "1/day"):
        assert RateLimit(rate, per="user").rate == rate
