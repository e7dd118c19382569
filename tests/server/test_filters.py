"""Filters around calls; those around connecting are in test_connection."""

from typing import Any

import pytest

from hubline import ConfigurationError, Depends, Hub, HubError, HubFilter, InvocationContext, filtered
from hubline.testing import settle
from tests.server.bench import bench, completion, done, item

STEPS: list[Any] = []


class Plain(Hub):
    async def add(self, a: int, b: int) -> int:
        STEPS.append("method")
        return a + b

    async def fail(self) -> None:
        raise RuntimeError("secret detail")

    def in_thread(self, a: int) -> int:
        return a

    async def count(self, n: int) -> Any:
        for number in range(n):
            STEPS.append(number)
            yield number


class Noting(HubFilter):
    def __init__(self, name: str) -> None:
        self.name = name

    async def invoke(self, call: InvocationContext, next: Any) -> Any:
        STEPS.append(f"{self.name} before {call.method}{call.arguments}")
        call.values[self.name] = True
        try:
            result = await next(call)
        except RuntimeError as error:
            STEPS.append(f"{self.name} saw {error}")
            raise
        STEPS.append(f"{self.name} after {result if isinstance(result, int) else type(result).__name__}")
        return result


class Doubling(HubFilter):
    async def invoke(self, call: InvocationContext, next: Any) -> Any:
        call.arguments = [2 * value for value in call.arguments]
        result = await next(call)
        return result * 10 if isinstance(result, int) else result


class Refusing(HubFilter):
    def __init__(self, error: Exception) -> None:
        self.error = error

    async def invoke(self, call: InvocationContext, next: Any) -> Any:
        raise self.error


@pytest.fixture(autouse=True)
def _no_steps() -> None:
    STEPS.clear()


@pytest.mark.statement(156)
async def test_the_first_filter_is_the_outermost_and_each_sees_arguments_and_result() -> None:
    async with bench(Plain, filters=[Noting("outer"), HubFilter(), Noting("inner")]) as hub:
        ada = await hub.connect()
        assert await ada.result("add", 1, 2) == 3
    assert STEPS == ["outer before Add[1, 2]", "inner before Add[1, 2]", "method", "inner after 3", "outer after 3"]


async def test_a_filter_may_replace_arguments_and_result() -> None:
    async with bench(Plain, filters=[Doubling()]) as hub:
        ada = await hub.connect()
        assert await ada.result("Add", 1, 2) == 60
        assert await ada.result("InThread", 4) == 80


@pytest.mark.statement(157)
async def test_exceptions_of_filters_follow_the_rules_of_methods() -> None:
    for error, detailed, suffix in [
        (HubError("not now"), False, " HubException: not now"),
        (RuntimeError("secret detail"), False, ""),
        (RuntimeError("secret detail"), True, " RuntimeError: secret detail"),
    ]:
        async with bench(Plain, filters=[Refusing(error)], detailed_errors=detailed) as hub:
            ada = await hub.connect()
            text = f"An unexpected error occurred invoking 'Add' on the server.{suffix}"
            assert await ada.result("Add", 1, 2) == f"error: {text}"
    assert STEPS == [], "the method did not run"


async def test_a_filter_sees_the_exception_of_the_method() -> None:
    async with bench(Plain, filters=[Noting("f")]) as hub:
        ada = await hub.connect()
        await ada.result("Fail")
    assert STEPS == ["f before Fail[]", "f saw secret detail"]


async def test_around_a_stream_a_filter_sees_the_iterator_and_not_the_items() -> None:
    async with bench(Plain, filters=[Noting("f")]) as hub:
        ada = await hub.connect()
        ada.stream("Count", 2)
        await settle()
        assert ada.take() == [item("1", 0), item("1", 1), done("1")]
    assert STEPS == ["f before Count[2]", "f after async_generator", 0, 1]


async def test_a_filter_runs_after_binding_and_mode_checks() -> None:
    async with bench(Plain, filters=[Noting("f")]) as hub:
        ada = await hub.connect()
        ada.call("Add", 1)
        ada.call("NoSuch")
        ada.stream("Add", 1, 2)
        await settle()
        assert len(ada.take()) == 3
    assert STEPS == []


async def test_a_filter_that_passes_too_few_arguments_fails_the_call() -> None:
    class Cutting(HubFilter):
        async def invoke(self, call: InvocationContext, next: Any) -> Any:
            call.arguments.pop()
            return await next(call)

    async with bench(Plain, filters=[Cutting()]) as hub:
        ada = await hub.connect()
        assert (await ada.result("Add", 1, 2)).startswith("error: An unexpected error occurred")


async def test_a_filter_reaches_the_connection_through_the_call() -> None:
    seen: list[Any] = []

    class Looking(HubFilter):
        async def invoke(self, call: InvocationContext, next: Any) -> Any:
            seen.append((call.context.connection_id, call.hub.context is call.context, type(call.hub).__name__))
            await call.hub.clients.caller.send("Seen")
            return await next(call)

    async with bench(Plain, filters=[Looking()]) as hub:
        ada = await hub.connect()
        ada.call("Add", 1, 2)
        await settle()
        assert ada.take() == [{"type": 1, "target": "Seen", "arguments": []}, completion("1", 3)]
    assert seen == [("c1", True, "Plain")]
    assert Depends(int).factory is int


async def test_filters_of_a_hub_and_of_a_method_stand_inside_those_of_the_app() -> None:
    @filtered(Noting("hub 1"), Noting("hub 2"))
    class Decorated(Plain):
        @filtered(Noting("method 1"))
        @filtered(Noting("method 2"))
        async def twice(self, a: int) -> int:
            return 2 * a

    async with bench(Decorated, filters=[Noting("app")]) as hub:
        ada = await hub.connect()
        assert await ada.result("twice", 1) == 2
        order = ["app", "hub 1", "hub 2", "method 1", "method 2"]
        assert [step.partition(" before")[0] for step in STEPS if "before" in step] == order
        STEPS.clear()
        assert await ada.result("add", 1, 2) == 3
        assert [step.partition(" before")[0] for step in STEPS if "before" in str(step)] == order[:3]


async def test_what_is_written_at_a_base_class_and_an_overridden_method_stands_outside() -> None:
    @filtered(Noting("base"))
    class Base(Hub):
        @filtered(Noting("overridden"))
        async def act(self) -> int:
            return 1

    @filtered(Noting("derived"))
    class Derived(Base):
        @filtered(Noting("override"))
        async def act(self) -> int:
            return await super().act() + 1

    for kind, result, names in [
        (Derived, 2, ["base", "derived", "overridden", "override"]),
        (Base, 1, ["base", "overridden"]),
    ]:
        STEPS.clear()
        async with bench(kind) as hub:
            ada = await hub.connect()
            assert await ada.result("act") == result
        assert [step.partition(" before")[0] for step in STEPS if "before" in step] == names


async def test_filters_of_a_hub_see_connections_and_those_of_a_method_see_calls_only() -> None:
    class Watching(HubFilter):
        def __init__(self, name: str) -> None:
            self.name = name

        async def connected(self, hub: Hub[Any], next: Any) -> None:
            STEPS.append(f"{self.name} connected")
            await next()

        async def disconnected(self, hub: Hub[Any], error: Exception | None, next: Any) -> None:
            STEPS.append(f"{self.name} disconnected")
            await next(error)

    @filtered(Watching("hub"))
    class Watched(Hub):
        @filtered(Watching("method"))
        async def act(self) -> None: ...

    async with bench(Watched) as hub:
        ada = await hub.connect()
        assert await ada.result("act") is None
        ada.lose()
        await ada.ended()
    assert STEPS == ["hub connected", "hub disconnected"]


async def test_a_filter_of_a_method_leaves_the_others_alone() -> None:
    class Mixed(Hub):
        async def free(self) -> None: ...

        @filtered(HubFilter())
        async def guarded(self) -> None: ...

        @filtered(Refusing(HubError("not now")))
        async def count(self) -> Any:
            STEPS.append("ran")
            yield 1

    async with bench(Mixed) as hub:
        ada = await hub.connect()
        assert await ada.result("guarded") is None
        ada.stream("count")
        await settle()
        text = "An unexpected error occurred invoking 'Count' on the server. HubException: not now"
        assert ada.take() == [completion("2", error=text)]
    assert STEPS == []


async def test_a_filter_sees_the_time_of_the_application() -> None:
    class Timing(HubFilter):
        async def invoke(self, call: InvocationContext, next: Any) -> Any:
            STEPS.append(call.clock.now())
            return await next(call)

    async with bench(Plain, filters=[Timing()]) as hub:
        ada = await hub.connect()
        await ada.result("add", 1, 2)
        await hub.clock.advance(5)
        await ada.result("add", 1, 2)
    assert [step for step in STEPS if step != "method"] == [0.0, 5.0]


async def test_filters_at_the_ends_of_a_connection_are_refused_because_they_would_do_nothing() -> None:
    class Misplaced(Hub):
        @filtered(HubFilter())
        async def on_connected(self) -> None: ...

        @filtered(HubFilter())
        async def on_disconnected(self, error: Exception | None) -> None: ...

    with pytest.raises(ConfigurationError) as caught:
        async with bench(Misplaced):
            pass
    assert [problem.split(":")[0].rpartition(".")[2] for problem in caught.value.problems] == [
        "on_connected",
        "on_disconnected",
    ]
    assert "does nothing here: write it at the hub" in caught.value.problems[0]


def test_what_is_no_filter_is_refused_where_it_is_written() -> None:
    with pytest.raises(ConfigurationError) as caught:
        filtered(HubFilter(), HubFilter, "x")  # type: ignore[arg-type]
    assert len(caught.value.problems) == 2
    assert caught.value.problems[1] == "@filtered: 'x' is no HubFilter object"
