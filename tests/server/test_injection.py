import asyncio
import functools
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import fastapi
import pytest
import starlette.requests

from hubline.connection import ConnectionScope
from hubline.server.context import HubCallerContext
from hubline.server.injection import Dependency, Injector, compile_dependency
from hubline.server.parameters import Depends

CONTEXT = HubCallerContext("c1", ConnectionScope({"path": "/hub"}), lambda: None)


def compiled(factory: Any) -> Dependency:
    problems: list[str] = []
    dependency = compile_dependency(Depends(factory), problems, "Hub.method")
    assert problems == []
    return dependency


async def provide(factory: Any) -> Any:
    injector = Injector(CONTEXT)
    async with injector.stack:
        return await injector.provide(compiled(factory))


class Service:
    def __init__(self, scope: ConnectionScope) -> None:
        self.path = scope.path


class Plain: ...


class CallableObject:
    def __call__(self, scope: ConnectionScope) -> str:
        return scope.path


class AsyncCallableObject:
    async def __call__(self) -> str:
        return "async object"


class GeneratorObject:
    def __init__(self) -> None:
        self.closed = False

    async def __call__(self) -> AsyncIterator[str]:
        yield "from a generator"
        self.closed = True


async def test_factories_of_every_kind() -> None:
    async def coroutine() -> str:
        return "async"

    def function() -> str:
        return f"thread {threading.current_thread() is not threading.main_thread()}"

    async def needing(context: HubCallerContext, scope: ConnectionScope) -> tuple[str, str]:
        return context.connection_id, scope.path

    def optional(a: int = 5, *args: int, **more: int) -> int:
        return a

    assert await provide(coroutine) == "async"
    assert await provide(function) == "thread True"
    assert await provide(lambda: 7) == 7
    assert await provide(lambda: coroutine()) == "async"
    assert await provide(needing) == ("c1", "/hub")
    assert await provide(optional) == 5
    assert (await provide(Service)).path == "/hub"
    assert isinstance(await provide(Plain), Plain)
    assert await provide(CallableObject()) == "/hub"
    assert await provide(AsyncCallableObject()) == "async object"
    generator = GeneratorObject()
    assert await provide(generator) == "from a generator"
    assert generator.closed


async def test_a_factory_runs_once_for_each_call_however_often_it_is_needed() -> None:
    made: list[int] = []

    def base() -> int:
        made.append(1)
        return len(made)

    async def left(base: Annotated[int, Depends(base)]) -> int:
        return base

    async def top(left: Annotated[int, Depends(left)], base: Annotated[int, Depends(base)]) -> tuple[int, int]:
        return left, base

    for function in (left, top):  # local names are not resolved from text annotations
        function.__annotations__.update(base=Annotated[int, Depends(base)], left=Annotated[int, Depends(left)])
    assert await provide(top) == (1, 1)
    assert await provide(top) == (2, 2)


async def test_clean_up_runs_in_reverse_order_and_plain_generators_in_threads() -> None:
    steps: list[str] = []
    main = threading.main_thread()

    async def outer() -> AsyncIterator[str]:
        steps.append("outer opens")
        yield "outer"
        steps.append("outer closes")

    def inner() -> Iterator[str]:
        steps.append(f"inner opens in a thread: {threading.current_thread() is not main}")
        yield "inner"
        steps.append(f"inner closes in a thread: {threading.current_thread() is not main}")

    injector = Injector(CONTEXT)
    async with injector.stack:
        assert await injector.provide(compiled(outer)) == "outer"
        assert await injector.provide(compiled(inner)) == "inner"
        steps.append("used")
    assert steps == [
        "outer opens",
        "inner opens in a thread: True",
        "used",
        "inner closes in a thread: True",
        "outer closes",
    ]


@pytest.mark.parametrize("swallow", [True, False])
async def test_a_plain_generator_sees_the_exception_and_may_swallow_it(swallow: bool) -> None:
    seen: list[BaseException] = []

    def session() -> Iterator[int]:
        try:
            yield 1
        except LookupError as error:
            seen.append(error)
            if not swallow:
                raise

    async def use() -> None:
        injector = Injector(CONTEXT)
        async with injector.stack:
            await injector.provide(compiled(session))
            raise LookupError("boom")

    if swallow:
        await use()
    else:
        with pytest.raises(LookupError):
            await use()
    assert len(seen) == 1


async def test_a_plain_generator_is_closed_when_the_call_is_cancelled() -> None:
    seen: list[str] = []
    began = asyncio.Event()

    def session() -> Iterator[int]:
        try:
            yield 1
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async def use() -> None:
        injector = Injector(CONTEXT)
        async with injector.stack:
            await injector.provide(compiled(session))
            began.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(use())
    await began.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["cancelled"]


async def test_an_exception_of_a_factory_reaches_the_call_and_closes_what_was_made() -> None:
    steps: list[str] = []

    async def first() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            steps.append("closed")

    def second() -> int:
        raise LookupError("no")

    async def use() -> None:
        injector = Injector(CONTEXT)
        async with injector.stack:
            await injector.provide(compiled(first))
            await injector.provide(compiled(second))

    with pytest.raises(LookupError):
        await use()
    assert steps == ["closed"]


def itself(x: "Annotated[int, Depends(itself)]") -> int:
    return x


def unresolved(x: "Missing") -> int:  # type: ignore[name-defined]  # noqa: F821
    return 1


def needing(what: int, scope: ConnectionScope) -> int:
    return what


def above(x: Annotated[int, Depends(needing)]) -> int:
    return x


@pytest.mark.parametrize(
    ("factory", "text"),
    [
        (itself, "Hub.method: itself depends on itself"),
        (unresolved, "Hub.method: cannot inspect unresolved: name 'Missing' is not defined"),
        (above, "Hub.method: needing needs 'what', which nothing provides"),
        (5, "Hub.method: cannot inspect 5: 5 is not a callable object"),
    ],
)
def test_mistakes_are_reported(factory: Any, text: str) -> None:
    problems: list[str] = []
    compile_dependency(Depends(factory), problems, "Hub.method")
    assert problems == [text]


async def test_a_partial_function_is_a_factory() -> None:
    assert await provide(functools.partial(pow, 2, 3)) == 8


async def test_without_its_cache_a_factory_runs_for_each_parameter() -> None:
    made: list[int] = []

    def count() -> int:
        made.append(1)
        return len(made)

    async def top(
        a: int = Depends(count),  # type: ignore[assignment]
        b: int = fastapi.Depends(count),
        c: int = Depends(count, use_cache=False),  # type: ignore[assignment]
        d: int = fastapi.Depends(count, use_cache=False),
    ) -> tuple[int, ...]:
        return a, b, c, d

    assert await provide(top) == (1, 1, 2, 3)


async def test_a_factory_made_for_fastapi_works() -> None:
    def base(limit: int = 10) -> int:
        return limit

    async def top(
        left: Annotated[int, fastapi.Depends(base)], *, right: int = fastapi.Security(base), plain: int = 3
    ) -> tuple[int, ...]:
        return left, right, plain

    assert await provide(top) == (10, 10, 3)


def oauth(request: starlette.requests.Request) -> str:
    return ""


def paged(limit: int = fastapi.Query(10), token: Annotated[str, fastapi.Header()] = "") -> int:
    return limit


@pytest.mark.parametrize(
    ("factory", "expected"),
    [
        (
            oauth,
            [
                "'request' of oauth asks for a Request, which a call has not: a parameter that is a `ConnectionScope` "
                "has what it was opened with"
            ],
        ),
        (
            paged,
            [
                "'limit' of paged asks for FastAPI's Query(…), which a call has not: read `scope.query`",
                "'token' of paged asks for FastAPI's Header(…), which a call has not: read `scope.headers`",
            ],
        ),
    ],
)
def test_a_factory_that_asks_for_a_request_is_told_what_to_ask_for(factory: Any, expected: list[str]) -> None:
    problems: list[str] = []
    compile_dependency(Depends(factory), problems, "Hub.method")
    assert problems == [f"Hub.method: {each}" for each in expected]
