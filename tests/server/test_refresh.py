"""What a refreshed identity does to a hub: who calls from now on, which streams go on, and what the hub is told."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from hubline import Cancellation, Client, Hub, HubFilter, Identity, InvocationContext, PolicyContext, authorize
from hubline.auth.policies import Policy
from hubline.server.recipients import Users
from hubline.testing import settle
from tests.server.bench import Bench, Line, bench, completion, done, item

PREMIUM = Identity("ada", {"tier": "premium"})
BASIC = Identity("ada", {"tier": "basic"})
BOB = Identity("bob", {"tier": "premium"})
UNAUTHORIZED = "Failed to invoke '{}' because user is unauthorized"


class Shop(Hub[Client]):
    """Says who it serves; `held` lets a test decide when."""

    def __init__(self, held: asyncio.Event, told: list[Any]) -> None:
        self.held, self.told = held, told

    async def on_connected(self) -> None:
        if "hold" in self.context.scope.query:
            await self.held.wait()
            self.told.append("connected")

    async def on_authentication_refreshed(self) -> None:
        self.told.append(self._tier())
        if "fails" in self.context.scope.query:
            raise RuntimeError("no database")
        await self.clients.caller.send("Refreshed", self.context.user_id)

    async def on_disconnected(self, error: Exception | None) -> None:
        self.told.append(f"disconnected: {error}")

    async def until_aborted(self) -> None:
        await self.context.aborted.wait()
        self.told.append("saw the abort")

    async def tier(self) -> str:
        return self._tier()

    async def tier_after_a_while(self) -> list[str]:
        before = self._tier()
        await self.held.wait()
        assert self.context.scope.identity is not None
        return [before, self._tier(), self.context.scope.identity.claims["tier"]]

    async def remember(self, value: str) -> str:
        before = str(self.context.items.get("value"))
        self.context.items["value"] = value
        return before

    @authorize(policy="premium")
    async def tokens(self, ended: str = "") -> AsyncIterator[int]:
        try:
            yield 1
            await self.held.wait()
            yield 2
        finally:
            self.told.append("stream ended")

    async def open_tokens(self) -> AsyncIterator[int]:
        yield 1
        await self.held.wait()

    @authorize(policy="premium")
    async def collect(self, numbers: AsyncIterator[int]) -> int:
        try:
            return sum([number async for number in numbers])
        finally:
            self.told.append("upload ended")

    @authorize(policy="premium")
    async def stubborn(self, numbers: AsyncIterator[int], cancellation: Cancellation) -> str:
        try:
            async for _ in numbers:
                pass
        except asyncio.CancelledError:
            self.told.append(f"cancelled: {cancellation.requested}")
        return "a result all the same"

    def _tier(self) -> str:
        assert self.context.identity is not None
        return str(self.context.identity.claims.get("tier"))


class Trial:
    """A bench with the shop, and a caller who is premium at first."""

    def __init__(self, at: Bench, held: asyncio.Event, told: list[Any]) -> None:
        self.at, self.held, self.told = at, held, told

    async def connect(self, identity: Identity = PREMIUM, *, query: str = "") -> Line:
        line = self.at.open(identity.user_id, query=query)
        line.transport.scope.identity = identity
        line.send(b'{"protocol":"json","version":1}\x1e')
        await settle()
        assert line.take()[0] == {}
        return line


async def is_premium(context: PolicyContext) -> bool:
    return context.identity.claims.get("tier") == "premium"


@asynccontextmanager
async def shop(premium: Policy = is_premium, **settings: Any) -> AsyncIterator[Trial]:
    """A trial with settings of a test's own; what is held goes on at its end."""
    held, told = asyncio.Event(), list[Any]()
    async with bench(Shop, create=lambda: Shop(held, told), policies={"premium": premium}, **settings) as at:
        yield Trial(at, held, told)
        held.set()
        await settle()


async def basic_is_refused(line: Line, number: str, method: str) -> None:
    """A refresh that takes premium away ends the call that runs with the refusal."""
    line.refresh(BASIC)
    await settle()
    assert completion(number, error=UNAUTHORIZED.format(method)) in line.take()


@pytest.fixture
async def trial() -> AsyncIterator[Trial]:
    async with shop() as made:
        yield made


async def test_later_calls_see_the_new_identity_and_running_ones_the_old(trial: Trial) -> None:
    line = await trial.connect()
    running, queued = line.call("TierAfterAWhile"), line.call("Tier")
    await settle()
    line.refresh(BASIC)
    trial.held.set()
    await settle()
    assert line.take() == [
        completion(running, ["premium", "premium", "premium"]),
        completion(queued, "basic"),
        {"type": 1, "target": "Refreshed", "arguments": ["ada"]},
    ]


async def test_items_of_the_connection_outlive_a_refresh(trial: Trial) -> None:
    line = await trial.connect()
    await line.result("Remember", "x")
    line.refresh(BASIC)
    await settle()
    line.take()
    assert await line.result("Remember", "y") == "x"


async def test_the_hub_is_told_once_for_each_refresh_in_order_and_in_turn_with_calls(trial: Trial) -> None:
    line = await trial.connect()
    line.call("TierAfterAWhile")
    await settle()
    line.refresh(BASIC)
    line.refresh(PREMIUM)
    await settle()
    assert trial.told == []
    trial.held.set()
    await settle()
    assert trial.told == ["basic", "premium"]


async def test_refreshes_beyond_what_may_wait_are_told_together() -> None:
    async with shop(maximum_waiting_invocations=1) as trial:
        line = await trial.connect()
        line.call("TierAfterAWhile")
        await settle()
        for number in range(10):
            line.refresh(Identity("ada", {"tier": f"{number}"}))
        trial.held.set()
        await settle()
        assert trial.told == ["0", "9"]


async def test_a_hub_is_told_of_refreshes_only_after_on_connected(trial: Trial) -> None:
    line = await trial.connect(query="hold")
    line.refresh(BASIC)
    line.refresh(PREMIUM)
    await settle()
    assert trial.told == []
    trial.held.set()
    await settle()
    assert trial.told == ["connected", "premium"]


async def test_a_refresh_before_the_handshake_is_who_connects(trial: Trial) -> None:
    line = trial.at.open("ada")
    await settle()
    line.refresh(BASIC)
    line.send(b'{"protocol":"json","version":1}\x1e')
    await settle()
    line.take()
    assert await line.result("Tier") == "basic"


async def test_what_the_hub_raises_about_a_refresh_is_only_logged(
    trial: Trial, caplog: pytest.LogCaptureFixture
) -> None:
    line = await trial.connect(query="fails")
    line.refresh(BASIC)
    await settle()
    assert "on_authentication_refreshed failed" in caplog.text
    assert await line.result("Tier") == "basic"


async def test_a_connection_that_ends_first_tells_nothing(trial: Trial) -> None:
    line = await trial.connect()
    line.call("TierAfterAWhile")
    await settle()
    line.refresh(BASIC)
    line.transport.expired = True
    await trial.at.tick()
    line.refresh(PREMIUM)
    await line.ended()
    trial.held.set()
    await settle()
    assert trial.told == ["disconnected: None"]


async def test_filters_see_who_the_call_is_for() -> None:
    seen: list[Any] = []

    class Watch(HubFilter):
        async def invoke(self, call: InvocationContext, next: Any) -> Any:
            seen.append(call.context.identity)
            return await next(call)

    async with shop(filters=[Watch()]) as trial:
        line = await trial.connect()
        await line.result("Tier")
        line.refresh(BASIC)
        await settle()
        line.take()
        await line.result("Tier")
    assert seen == [PREMIUM, BASIC]


# Another user


async def test_another_user_aborts_the_connection(trial: Trial, caplog: pytest.LogCaptureFixture) -> None:
    line = await trial.connect()
    line.refresh(BOB)
    assert await line.ended() == [{"type": 7}]
    assert caplog.record_tuples[-1][1:] == (
        logging.WARNING,
        f"connection {line.id}: aborted, because a refresh changed its user from 'ada' to 'bob'",
    )
    trial.at.assert_nothing_left()


async def test_another_user_who_is_allowed_is_found_under_the_new_id_only() -> None:
    async with shop(allow_user_id_change_on_refresh=True) as trial:
        line, at = await trial.connect(), trial.at
        line.refresh(BOB)
        await settle()
        assert line.take() == [{"type": 1, "target": "Refreshed", "arguments": ["bob"]}]
        index = at.runtime.fanout._index
        assert [member.id for member in index.members(Users(("ada", "bob")))] == [line.id]
        assert index.statistics()["users"] == 1
        line.refresh(Identity(None))
        await settle()
        assert index.statistics()["users"] == 0
        line.refresh(BOB)
        line.lose()
        await line.ended()
        at.assert_nothing_left()


async def test_a_user_who_changes_before_the_connection_is_registered_is_known_once() -> None:
    async with shop(allow_user_id_change_on_refresh=True) as trial:
        line = trial.at.open("ada")
        await settle()
        line.refresh(BOB)
        line.send(b'{"protocol":"json","version":1}\x1e')
        await settle()
        index = trial.at.runtime.fanout._index
        assert [member.id for member in index.members(Users(("ada", "bob")))] == [line.id]
        assert index.statistics()["users"] == 1


# Streams


async def test_a_stream_whose_caller_may_no_longer_have_it_ends_with_the_refusal(trial: Trial) -> None:
    line = await trial.connect()
    closed, free = line.stream("Tokens"), line.stream("OpenTokens")
    await settle()
    assert line.take() == [item(closed, 1), item(free, 1)]
    await basic_is_refused(line, closed, "Tokens")
    assert "stream ended" in trial.told
    trial.held.set()
    await settle()
    assert line.take() == [done(free)]


async def test_an_upload_whose_caller_may_no_longer_send_it_ends_with_the_refusal(trial: Trial) -> None:
    line = await trial.connect()
    number = line.call("Collect", streams=["s"])
    line.send({"type": 2, "invocationId": "s", "item": 1})
    await settle()
    await basic_is_refused(line, number, "Collect")
    line.send({"type": 2, "invocationId": "s", "item": 2})
    line.take()
    assert await line.result("Tier") == "basic"
    assert "upload ended" in trial.told


async def test_a_method_that_will_not_end_is_answered_with_the_refusal_all_the_same(trial: Trial) -> None:
    line = await trial.connect()
    number = line.call("Stubborn", streams=["s"])
    await settle()
    await basic_is_refused(line, number, "Stubborn")
    assert "cancelled: True" in trial.told


async def test_streams_go_on_for_whom_the_policy_still_admits(trial: Trial) -> None:
    line = await trial.connect()
    number = line.stream("Tokens")
    await settle()
    line.refresh(Identity("ada", {"tier": "premium", "renewed": True}))
    await settle()
    trial.held.set()
    await settle()
    assert [message for message in line.take() if message["type"] != 1] == [
        item(number, 1),
        item(number, 2),
        done(number),
    ]


async def test_the_last_of_two_refreshes_decides_about_a_stream() -> None:
    """A policy that answers late must not end what a newer identity may have."""
    slow = asyncio.Event()

    async def premium(context: PolicyContext) -> bool:
        if context.identity is BASIC:
            await slow.wait()
        return context.identity is not BASIC

    async with shop(premium) as trial:
        line = await trial.connect()
        number = line.stream("Tokens")
        await settle()
        line.refresh(BASIC)
        await settle()
        line.refresh(PREMIUM)
        slow.set()
        await settle()
        trial.held.set()
        await settle()
        assert [message for message in line.take() if message["type"] == 3] == [done(number)]


async def test_refreshing_on_and_on_asks_slow_policies_once_at_a_time() -> None:
    asking = 0

    async def premium(context: PolicyContext) -> bool:
        nonlocal asking
        if context.identity is PREMIUM:
            return True
        asking += 1
        try:
            await asyncio.Event().wait()
        finally:
            asking -= 1
        return True

    async with shop(premium) as trial:
        line = await trial.connect()
        line.stream("Tokens")
        await settle()
        for number in range(10):
            line.refresh(Identity("ada", {"tier": f"{number}"}))
            await settle()
        assert asking == 1


async def test_a_policy_that_fails_ends_the_stream(caplog: pytest.LogCaptureFixture) -> None:
    def premium(context: PolicyContext) -> bool:
        if context.identity is BASIC:
            raise RuntimeError("no database")
        return True

    async with shop(premium) as trial:
        line = await trial.connect()
        number = line.stream("Tokens")
        await settle()
        await basic_is_refused(line, number, "Tokens")
    assert "a policy of Shop.tokens failed" in caplog.text


async def test_a_stream_that_was_cancelled_already_ends_without_an_error(trial: Trial) -> None:
    line = await trial.connect()
    number = line.stream("Tokens")
    await settle()
    line.take()
    line.send({"type": 5, "invocationId": number})
    line.refresh(BASIC)
    await settle()
    assert done(number) in line.take()


# Expiry


@pytest.mark.statement(186)
async def test_expiry_closes_within_a_heartbeat_even_when_calls_wait_and_reading_is_paused() -> None:
    async with shop(maximum_waiting_invocations=1) as trial:
        line, at = await trial.connect(), trial.at
        for _ in range(5):
            line.call("TierAfterAWhile")
        await settle()
        line.transport.expired = True
        await at.tick()
        assert await line.ended() == [{"type": 7, "allowReconnect": True}]
        trial.held.set()
        await settle()
        at.assert_nothing_left()


@pytest.mark.statement(186)
async def test_expiry_ends_streams_and_tells_calls_that_run(trial: Trial) -> None:
    line = await trial.connect()
    streaming, _ = line.stream("Tokens"), line.call("UntilAborted")
    await settle()
    assert line.take() == [item(streaming, 1)]
    line.transport.expired = True
    await trial.at.tick()
    assert await line.ended() == [{"type": 7, "allowReconnect": True}]
    await settle()
    assert sorted(trial.told) == ["disconnected: None", "saw the abort", "stream ended"]
    trial.at.assert_nothing_left()
