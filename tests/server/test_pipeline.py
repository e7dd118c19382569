"""How methods are run: what stands around each, and what an observer sees of every call."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Annotated, Any

import pytest

from hubline import Cancellation, Depends, Hub, HubFilter, Identity, authorize, filtered
from hubline.server.calls import Call
from hubline.server.observer import Outcome
from hubline.testing import settle
from hubline.wire.messages import Invocation
from tests.server.bench import Bench, Line, bench

STEPS: list[str] = []


@pytest.fixture(autouse=True)
def no_steps() -> None:
    STEPS.clear()


class Watching:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.ends: list[tuple[str | None, str]] = []
        self.operations: list[str] = []

    def begin(self, hub: type, name: str, connection: Any, message: Any) -> "Step":
        STEPS.append("observer")
        self.operations.append(f"{hub.__qualname__}.{name} begins for {connection.id}")
        return Step(self.operations, name)

    def ended(self, hub: type, name: str | None, connection: Any, outcome: Outcome) -> None:
        self.ends.append((name, outcome.value))


class Step:
    def __init__(self, log: list[str], name: str) -> None:
        self._log, self._name = log, name

    def end(self, error: BaseException | None) -> None:
        self._log.append(f"{self._name} ends" if error is None else f"{self._name} fails: {error!r}")


def dependency() -> Iterator[str]:
    STEPS.append("dependency")
    yield "value"


class Noting(HubFilter):
    async def invoke(self, call: Any, next: Callable[[Any], Awaitable[Any]]) -> Any:
        STEPS.append("filter")
        return await next(call)


class Mixed(Hub):
    """Methods of every kind."""

    gate: asyncio.Event

    async def free(self, text: str) -> str:
        return text

    async def count(self, until: int) -> AsyncIterator[int]:
        for number in range(until):
            yield number

    @authorize(policy="admins")
    @filtered(Noting())
    async def guarded(self, value: Annotated[str, Depends(dependency)]) -> None:
        STEPS.append("method")

    async def fail(self) -> None:
        raise ValueError("no")

    async def unencodable(self) -> Any:
        return object()

    async def wait(self) -> None:
        await self.gate.wait()

    async def endless(self) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    @authorize(policy="admins")
    async def watched(self) -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    async def told(self, cancellation: Cancellation) -> None:
        await cancellation.wait()

    async def upload(self, items: AsyncIterator[int]) -> int:
        return sum([item async for item in items])


def admins(context: Any) -> bool:
    STEPS.append("policy")
    return bool(context.identity.user_id == "ada")


async def test_the_usual_method_has_nothing_around_it() -> None:
    """What is awaited is the method's own coroutine."""
    async with bench(Mixed, policies={"admins": admins}) as hub:
        line = await hub.connect()
        connection: Any = hub.runtime.fanout._index.connections[line.id]
        pipeline = hub.runtime.pipelines["Free"]
        call = Call(hub.runtime, connection, pipeline, Invocation(target="Free", arguments=()), ("text",))
        coroutine: Any = call.perform(call)
        assert coroutine.cr_code is Mixed.free.__code__
        assert await coroutine == "text"
        assert not pipeline.can_be_ended
        assert pipeline.admits is None


async def test_a_pipeline_goes_from_outside_to_inside() -> None:
    async with bench(Mixed, policies={"admins": admins}, observer=Watching()) as hub:
        ada = await hub.connect("ada")
        STEPS.clear()
        ada.call("Guarded")
        await ada.took()
    assert STEPS == ["policy", "observer", "filter", "dependency", "method", "observer"], "the last is on_disconnected"


async def test_without_an_observer_only_what_the_user_has_written_hears_of_connections() -> None:
    class Connecting(Hub):
        async def on_connected(self) -> None: ...

    class Refreshed(Hub):
        async def on_authentication_refreshed(self) -> None: ...

    def heard(hub: type[Hub[Any]], **settings: Any) -> tuple[bool, bool, bool]:
        made = Bench(hub, **settings)
        runtime = made.runtime
        events = (runtime.on_connected, runtime.on_disconnected, runtime.on_authentication_refreshed)
        return (events[0] is not None, events[1] is not None, events[2] is not None)

    assert heard(Mixed, policies={"admins": admins}) == (False, False, False)
    assert heard(Connecting) == (True, False, False)
    assert heard(Refreshed) == (False, False, True)
    assert heard(Refreshed, filters=[HubFilter()]) == (True, True, True)
    assert heard(Connecting, create=lambda: Connecting()) == (True, True, False)
    assert heard(Mixed, policies={"admins": admins}, observer=Watching()) == (True, True, True)


async def outcomes(act: Callable[[Line], Any], user: str = "ada", **options: Any) -> list[tuple[str | None, str]]:
    """What an observer was told of the calls that `act` makes on one connection, when all have ended."""
    watching = Watching()
    Mixed.gate = asyncio.Event()
    async with bench(Mixed, policies={"admins": admins}, observer=watching, **options) as hub:
        line = await hub.connect(user)
        act(line)
        await settle()
        Mixed.gate.set()
        await settle()
        line.lose()
        await line.ended()
        hub.assert_nothing_left()
    return watching.ends


def cancelled_stream(line: Line) -> None:
    number = line.stream("endless")
    line.send({"type": 5, "invocationId": number})


def cancelled_in_the_queue(line: Line) -> None:
    line.call("wait")
    line.send({"type": 5, "invocationId": line.call("free", "x")})


def told_to_end(line: Line) -> None:
    line.send({"type": 5, "invocationId": line.call("told")})


ARRIVALS: dict[str, tuple[Callable[[Line], Any], list[tuple[str | None, str]]]] = {
    "a result": (lambda line: line.call("free", "x"), [("Free", "succeeded")]),
    "no answer wanted": (
        lambda line: line.send({"type": 1, "target": "free", "arguments": ["x"]}),
        [("Free", "succeeded")],
    ),
    "a stream": (lambda line: line.stream("count", 3), [("Count", "succeeded")]),
    "an unknown method": (lambda line: line.call("nothing"), [(None, "unknown")]),
    "arguments that do not fit": (lambda line: line.call("free", 1), [("Free", "unbound")]),
    "an exception": (lambda line: line.call("fail"), [("Fail", "failed")]),
    "a result without a form": (lambda line: line.call("unencodable"), [("Unencodable", "failed")]),
    "a stream as a call": (lambda line: line.call("count", 1), [("Count", "refused")]),
    "a call as a stream": (lambda line: line.stream("free", "x"), [("Free", "refused")]),
    "an upload without its stream": (lambda line: line.call("upload"), [("Upload", "refused")]),
    "a mistake of who may call": (lambda line: line.stream("guarded"), [("Guarded", "refused")]),
    "a stream cancelled": (cancelled_stream, [("Endless", "cancelled")]),
    "a stream at the end of its connection": (lambda line: line.stream("endless"), [("Endless", "cancelled")]),
    "a call that was told, and returned": (told_to_end, [("Told", "succeeded")]),
    "a call cancelled before its turn": (cancelled_in_the_queue, [("Wait", "succeeded"), ("Free", "cancelled")]),
}


@pytest.mark.parametrize("name", ARRIVALS)
async def test_every_call_that_arrives_is_observed_once(name: str) -> None:
    act, expected = ARRIVALS[name]
    assert await outcomes(act) == expected


async def test_who_may_not_call_is_observed_whatever_else_is_wrong() -> None:
    assert await outcomes(lambda line: line.call("guarded"), user="bob") == [("Guarded", "unauthorized")]
    assert await outcomes(lambda line: line.stream("guarded"), user="bob") == [("Guarded", "unauthorized")]


async def test_more_streams_than_a_connection_may_have_are_refused() -> None:
    def act(line: Line) -> None:
        line.stream("endless")
        line.stream("endless")

    assert await outcomes(act, maximum_streams=1) == [("Endless", "refused"), ("Endless", "cancelled")]


async def test_a_stream_that_a_refresh_ends_was_not_authorized() -> None:
    watching = Watching()
    async with bench(
        Mixed, policies={"admins": admins}, observer=watching, allow_user_id_change_on_refresh=True
    ) as hub:
        ada = await hub.connect("ada")
        ada.stream("watched")
        await settle()
        ada.refresh(Identity("bob"))
        await settle()
        assert watching.ends == [("Watched", "unauthorized")]


async def test_calls_whose_turn_never_comes_are_cancelled() -> None:
    watching = Watching()
    Mixed.gate = asyncio.Event()
    async with bench(Mixed, policies={"admins": admins}, observer=watching) as hub:
        ada = await hub.connect("ada")
        for _ in range(3):
            ada.call("wait")
        await settle()
        hub.runtime.fanout._index.connections[ada.id].close()
        await ada.ended()
        assert watching.ends == [("Wait", "cancelled")] * 2, "the first still runs"
        Mixed.gate.set()
        await settle()
        assert watching.ends == [("Wait", "cancelled")] * 2 + [("Wait", "succeeded")]


async def test_what_runs_is_an_operation_with_its_error() -> None:
    class Living(Hub):
        async def on_disconnected(self, error: Exception | None) -> None:
            raise ValueError("late")

        async def fail(self) -> None:
            raise ValueError("no")

        async def endless(self) -> AsyncIterator[int]:
            yield 1
            await asyncio.Event().wait()

    watching = Watching()
    async with bench(Living, observer=watching) as hub:
        ada = await hub.connect("ada")
        await ada.result("fail")
        ada.send({"type": 5, "invocationId": ada.stream("endless")})
        await settle()
        ada.refresh(Identity("ada"))
        await settle()
        ada.lose()
        await ada.ended()
    name = Living.__qualname__
    assert watching.operations == [
        f"{name}.OnConnectedAsync begins for c1",
        "OnConnectedAsync ends",
        f"{name}.Fail begins for c1",
        "Fail fails: ValueError('no')",
        f"{name}.Endless begins for c1",
        "Endless ends",
        f"{name}.OnAuthenticationRefreshedAsync begins for c1",
        "OnAuthenticationRefreshedAsync ends",
        f"{name}.OnDisconnectedAsync begins for c1",
        "OnDisconnectedAsync fails: ValueError('late')",
    ]


async def test_what_never_begins_is_no_operation() -> None:
    watching = Watching()
    async with bench(Mixed, policies={"admins": admins}, observer=watching) as hub:
        bob = await hub.connect("bob")
        watching.operations.clear()
        for target in ("nothing", "guarded", "free", "count"):
            await bob.result(target)
        assert watching.operations == []
        assert [outcome for _, outcome in watching.ends] == ["unknown", "unauthorized", "unbound", "unbound"]
