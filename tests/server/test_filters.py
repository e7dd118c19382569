"""Filters around calls; those around connecting are in test_connection."""

from typing import Any

import pytest

from hubline import Depends, Hub, HubError, HubFilter, InvocationContext
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
