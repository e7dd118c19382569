"""One link for an app: who hears what, what is joined into one go, what happens when it fails."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import cast

import pytest

from hubline._tasks import TaskOwner
from hubline.backplanes.base import BackplaneLink, BackplaneListener
from hubline.backplanes.heartbeat import INTERVAL, MISSED
from hubline.backplanes.lines import FIRST_PAUSE, LONGEST_PAUSE, Broker, Pauses
from hubline.backplanes.subscriptions import GAPS_KEPT, REFUSALS_EVERY, Subscriptions
from hubline.errors import BackplaneError
from hubline.testing import ManualClock, settle

LIMIT = 60.0


class Held:
    """A backplane whose answers tests hold in their hands."""

    local_first = False

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[str]]] = []
        self.go = asyncio.Event()
        self.go.set()
        self.failure: Exception | None = None
        self.connections = self.attempts = 0
        self.refused = False
        self.listener: BackplaneListener

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        await asyncio.sleep(0)
        self.attempts += 1
        if self.refused:
            raise BackplaneError("nobody is there")
        self.connections += 1
        self.listener = listener
        return self

    async def publish(self, channels: Sequence[str], payload: bytes) -> int:
        await self._call("publish", channels)
        return 0

    async def subscribe(self, channels: Sequence[str]) -> None:
        await self._call("subscribe", channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        await self._call("unsubscribe", channels)

    def renew(self) -> None:
        self.calls.append(("renew", []))

    async def close(self) -> None:
        self.calls.append(("close", []))

    async def _call(self, name: str, channels: Sequence[str]) -> None:
        self.calls.append((name, sorted(channels)))
        await self.go.wait()
        if self.failure is not None:
            raise self.failure


@asynccontextmanager
async def subscribed() -> AsyncIterator[tuple[Held, Subscriptions]]:
    held, tasks = Held(), TaskOwner("test")
    made = Subscriptions(held, tasks, ManualClock())
    yield held, made
    held.go.set()
    await made.close()
    await settle()
    assert len(tasks) == 0


async def test_a_handler_is_told_of_its_channel_and_of_no_other() -> None:
    async with subscribed() as (held, made):
        heard: list[bytes] = []

        def handle(payload: bytes) -> bool:
            heard.append(payload)
            return payload == b"much"

        await made.subscribe({"a": handle})
        assert not made.received("a", b"1")
        assert made.received("a", b"much")
        assert not made.received("b", b"2")
        assert heard == [b"1", b"much"]
        made.unsubscribe(["a", "b"])
        assert not made.received("a", b"3")
        await settle()
        assert held.calls == [("subscribe", ["a"]), ("unsubscribe", ["a"])]
        assert made.statistics()["channels"] == 0


async def test_what_is_asked_for_during_one_round_is_done_in_the_next_in_one_go() -> None:
    async with subscribed() as (held, made):
        held.go.clear()
        first = asyncio.create_task(made.subscribe({"a": _ignore}))
        await settle()
        others = [asyncio.create_task(made.subscribe({name: _ignore})) for name in "bcb"]
        await settle()
        assert held.calls == [("subscribe", ["a"])]
        held.go.set()
        await asyncio.gather(first, *others)
        assert held.calls == [("subscribe", ["a"]), ("subscribe", ["b", "c"])]
        await made.subscribe({"a": _ignore, "c": _ignore})
        assert len(held.calls) == 2, "nothing was to be done"


async def test_who_subscribes_while_the_channel_is_being_given_up_waits_until_it_is_heard_again() -> None:
    async with subscribed() as (held, made):
        await made.subscribe({"a": _ignore})
        held.go.clear()
        made.unsubscribe(["a"])
        await settle()
        again = asyncio.create_task(made.subscribe({"a": _ignore}))
        await settle()
        assert not again.done()
        held.go.set()
        await again
        assert [name for name, _ in held.calls] == ["subscribe", "unsubscribe", "subscribe"]


async def test_who_subscribes_while_a_round_that_gives_the_channel_up_is_still_subscribing_hears_it() -> None:
    async with subscribed() as (held, made):
        await made.subscribe({"a": _ignore})
        held.go.clear()
        other = asyncio.create_task(made.subscribe({"b": _ignore}))
        await asyncio.sleep(0)
        made.unsubscribe(["a"])  # in the same round
        await settle()
        assert held.calls[1:] == [("subscribe", ["b"])]
        again = asyncio.create_task(made.subscribe({"a": _ignore}))
        await settle()
        held.go.set()
        await asyncio.gather(again, other)
        assert made.hears("a")
        assert ("unsubscribe", ["a"]) not in held.calls


async def test_leaving_and_coming_back_within_a_round_costs_nothing() -> None:
    async with subscribed() as (held, made):
        await made.subscribe({"a": _ignore})
        made.unsubscribe(["a"])
        await made.subscribe({"a": _ignore})
        assert held.calls == [("subscribe", ["a"])]


async def test_everybody_who_waits_for_a_round_is_told_that_it_failed(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "hubline.backplane")
    async with subscribed() as (held, made):
        held.failure = BackplaneError("gone")
        waiting = await asyncio.gather(*[made.subscribe({n: _ignore}) for n in "ab"], return_exceptions=True)
        assert [str(error) for error in waiting] == ["cannot subscribe to the backplane: gone"] * 2
        held.failure = RuntimeError("unexpected")
        with pytest.raises(BackplaneError, match="unexpected"):
            await made.subscribe({"c": _ignore})
        levels = [record.levelno for record in caplog.records if "could not be changed" in record.message]
        assert levels == [logging.DEBUG, logging.WARNING]
        made.unsubscribe(["c"])
        held.failure = None
        made.unsubscribe(["a"])
        await made.subscribe({"b": _ignore})
        assert held.calls[-1] == ("subscribe", ["b"])
        assert made.statistics()["channels"] == 1


async def test_refused_clients_are_one_line_a_minute_and_their_number(caplog: pytest.LogCaptureFixture) -> None:
    async with subscribed() as (held, made):
        clock = cast("ManualClock", made._clock)

        numbers = itertools.count()

        async def refused(count: int) -> None:
            for _ in range(count):
                with pytest.raises(BackplaneError):
                    await made.admit({str(next(numbers)): _ignore})

        held.failure = BackplaneError("gone")
        await refused(100)
        await clock.advance(REFUSALS_EVERY)
        await refused(7)
        held.failure = None
        await made.admit({"a": _ignore})
        held.failure = BackplaneError("gone again")
        await refused(5)
        held.failure = None
        await made.admit({"b": _ignore})
        held.failure = BackplaneError("gone once more")
        await clock.advance(REFUSALS_EVERY)
        await refused(1)
        why = "cannot subscribe to the backplane"
        assert [record.message for record in caplog.records if record.levelno == logging.WARNING] == [
            f"clients are refused, 1 since this was last said: {why}: gone",
            f"clients are refused, 100 since this was last said: {why}: gone",
            "clients are admitted again; 6 more were refused meanwhile",
            f"clients are refused, 6 since this was last said: {why}: gone once more",
        ]
        assert all(record.exc_info is None for record in caplog.records)


async def test_a_channel_that_could_not_be_given_up_is_given_up_in_the_next_round() -> None:
    async with subscribed() as (held, made):
        await made.subscribe({"a": _ignore})
        held.failure = BackplaneError("gone")
        made.unsubscribe(["a"])
        await settle()
        assert made.statistics()["channels"] == 1
        held.failure = None
        await made.subscribe({"b": _ignore})
        assert held.calls[-2:] == [("subscribe", ["b"]), ("unsubscribe", ["a"])]


async def test_there_is_one_link_and_the_next_use_tries_again_where_none_could_be_made() -> None:
    async with subscribed() as (held, made):
        held.refused = True
        with pytest.raises(BackplaneError, match="nobody is there"):
            await made.publish(["a"], b"x")
        with pytest.raises(BackplaneError, match="cannot subscribe to the backplane: nobody is there"):
            await made.subscribe({"a": _ignore})
        held.refused = False
        await asyncio.gather(made.publish(["a"], b"x"), made.subscribe({"a": _ignore}), made.publish(["a"], b"y"))
        assert held.connections == 1
        await made.close()
        await made.close()
        assert [call for call in held.calls if call[0] == "close"] == [("close", [])]
        await made.publish(["a"], b"x")
        assert held.connections == 2


async def test_nothing_that_another_server_says_ends_the_link(caplog: pytest.LogCaptureFixture) -> None:
    def broken(payload: bytes) -> bool:
        raise RuntimeError("what is this?")

    async with subscribed() as (_, made):
        await made.subscribe({"a": broken})
        assert made.received("a", b"x") is False
        assert "channel a: a message of another server was dropped: RuntimeError('what is this?')" in caplog.text
        await made.publish(["a"], b"x")
        await made._clock.advance(INTERVAL)  # type: ignore[attr-defined]
        await settle()
        heartbeat = f"hubline:heartbeat:{made.server}"
        assert made.received(heartbeat, b"what is this?") is False
        assert f"channel {heartbeat}: a message of another server was dropped" in caplog.text


async def test_gaps_are_counted_and_told_and_the_last_of_them_kept(caplog: pytest.LogCaptureFixture) -> None:
    def minute(number: int) -> datetime:
        return datetime(2026, 11, 28, 12, number, tzinfo=UTC)

    async with subscribed() as (_, made):
        told: list[tuple[datetime, datetime]] = []
        made.on_gap.append(lambda since, until: told.append((since, until)))
        for number in range(0, 24, 2):
            made.interrupted(minute(number), minute(number + 1))
        found = made.statistics()
        assert (found["gaps"], found["gap_seconds"]) == (12, 12 * 60.0)
        assert found["last_gaps"] == told[-GAPS_KEPT:] == [(minute(n), minute(n + 1)) for n in range(4, 24, 2)]
        assert "between 2026-11-28 12:00:00+00:00 and 2026-11-28 12:01:00+00:00" in caplog.text


async def test_who_comes_while_a_link_is_being_made_shares_what_comes_of_it(caplog: pytest.LogCaptureFixture) -> None:
    async with subscribed() as (held, made):
        held.refused = True
        waiting = await asyncio.gather(*[made.publish(["a"], b"x") for _ in range(5)], return_exceptions=True)
        assert [str(error) for error in waiting] == ["nobody is there"] * 5
        assert held.attempts == 1
        assert not made.ready
        assert made.statistics()["ready"] is False
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        held.refused = False
        await made.publish(["a"], b"x")
        assert made.ready


async def test_opening_goes_on_until_there_is_a_link() -> None:
    held, tasks, clock = Held(), TaskOwner("test"), ManualClock()
    made = Subscriptions(held, tasks, clock)
    held.refused = True
    opening = asyncio.create_task(made.open())
    await settle()
    assert held.attempts == 1
    await clock.advance(FIRST_PAUSE)
    assert held.attempts == 2
    held.refused = False
    await clock.advance(LONGEST_PAUSE)
    await opening
    assert held.connections == 1
    await made.close()


async def test_opening_is_hurried_when_a_line_to_the_same_broker_has_connected() -> None:
    class Known(Held):
        def __init__(self) -> None:
            super().__init__()
            self.broker = Broker()

        def _pauses(self, tasks: TaskOwner) -> Pauses:
            return Pauses(self.broker, tasks, clock)

    clock, held, tasks = ManualClock(), Known(), TaskOwner("test")
    made = Subscriptions(held, tasks, clock)
    held.refused = True
    opening = asyncio.create_task(made.open())
    await settle()
    held.refused = False
    held.broker.answers()
    await opening
    assert held.attempts == 2
    await made.close()


async def test_who_waits_for_a_link_while_it_is_closed_is_told_so_and_the_link_is_ended() -> None:
    async with subscribed() as (_, made):
        connects = asyncio.Event()

        class Late(Held):
            async def connect(self, listener: BackplaneListener) -> BackplaneLink:
                await connects.wait()
                return await super().connect(listener)

        late = made._backplane = Late()
        waiting = [asyncio.ensure_future(made.publish(["a"], b"x")) for _ in range(2)]
        await settle()
        await made.close()
        connects.set()
        done, _ = await asyncio.wait(waiting, timeout=LIMIT)
        assert len(done) == len(waiting)
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(each) for each in found] == [BackplaneError] * 2
        assert late.calls == [("close", [])]
        await made.publish(["a"], b"x")
        assert late.connections == 2, "a later use makes a new one"


async def test_a_round_that_begins_after_the_end_makes_no_link() -> None:
    async with subscribed() as (held, made):
        await made.subscribe({"a": _ignore})
        made.unsubscribe(["a"])
        await made.close()
        await settle()
        assert held.connections == 1


async def test_who_subscribes_is_not_told_that_somebody_else_could_not_be_unsubscribed() -> None:
    class NodeLost(Held):
        """Of several brokers, the one with channel `a` cannot be reached."""

        async def unsubscribe(self, channels: Sequence[str]) -> None:
            await super().unsubscribe(channels)
            raise BackplaneError("it cannot be reached")

    tasks = TaskOwner("test")
    made = Subscriptions(lost := NodeLost(), tasks, ManualClock())
    await made.subscribe({"a": _ignore})
    made.unsubscribe(["a"])
    await made.subscribe({"b": _ignore})
    await made.subscribe({"c": _ignore})
    assert made.hears("b")
    assert lost.calls[-2:] == [("subscribe", ["c"]), ("unsubscribe", ["a"])], "which is tried again"
    await made.close()


async def test_a_name_that_no_broker_can_carry_fails_nobody_else() -> None:
    class Encoding(Held):
        async def subscribe(self, channels: Sequence[str]) -> None:
            for channel in channels:
                channel.encode()
            await super().subscribe(channels)

    tasks = TaskOwner("test")
    made = Subscriptions(held := Encoding(), tasks, ManualClock())
    wanted = [made.subscribe({"a": _ignore}), made.subscribe({"half \ud800": _ignore}), made.subscribe({"b": _ignore})]
    found = await asyncio.gather(*wanted, return_exceptions=True)
    assert [type(each) for each in found] == [type(None), BackplaneError, type(None)]
    assert [call for call in held.calls if call[0] == "subscribe"] == [("subscribe", ["a", "b"])]
    await made.close()


async def test_a_broker_that_cannot_be_reached_fails_nobody_whose_channels_are_at_another() -> None:
    class Nodes(Held):
        """Channels with an `x` are at a node that has gone."""

        def brokers(self, channels: Iterable[str]) -> Mapping[str, str]:
            return {("gone" if "x" in channel else "there"): channel for channel in reversed(list(channels))}

        def renew_broker(self, name: str) -> None: ...

        async def subscribe(self, channels: Sequence[str]) -> None:
            await super().subscribe(channels)
            if any("x" in channel for channel in channels):
                raise BackplaneError("its node has gone")

    tasks = TaskOwner("test")
    made = Subscriptions(nodes := Nodes(), tasks, ManualClock())
    wanted = [{"a": _ignore}, {"x": _ignore}, {"b": _ignore, "xx": _ignore}, {"b": _ignore, "c": _ignore}]
    found = await asyncio.gather(*(made.subscribe(each) for each in wanted), return_exceptions=True)
    assert [type(each) for each in found] == [type(None), BackplaneError, BackplaneError, type(None)]
    assert nodes.attempts == 1
    assert sorted(call for call in nodes.calls if call[0] == "subscribe") == [
        ("subscribe", ["a", "b", "c"]),
        ("subscribe", ["x", "xx"]),
    ]
    assert made.statistics()["channels"] == 3
    await made.close()


async def test_a_server_that_does_not_hear_itself_is_not_ready() -> None:
    held, tasks, clock = Held(), TaskOwner("test"), ManualClock()
    made = Subscriptions(held, tasks, clock)
    await made.open()
    await settle()
    for _ in range(MISSED + 1):
        assert made.ready
        await clock.advance(INTERVAL)
        await settle()
    assert not made.ready
    assert ("renew", []) in held.calls
    (channel,) = next(channels for verb, channels in held.calls if verb == "publish")
    assert channel == f"hubline:heartbeat:{made.server}"
    made.received(channel, repr(clock.now() - 0.5).encode())
    assert made.ready
    assert made.statistics()["lag"] == 0.5
    assert made.statistics()["channels"] == 0, "its own is not counted"
    await made.close()
    await settle()
    assert len(tasks) == 0


def _ignore(payload: bytes) -> bool:
    return False
