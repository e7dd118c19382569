"""Every form of method that is a stream, and the forms that are none: what `docs/guides/hubs.md` promises."""

import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Generator, Iterable, Iterator
from typing import Any

import pytest

from hubline import Hub, HubApp, InvocationError
from hubline.testing import connect
from hubline.testing.channels import TransportName

TRANSPORTS: list[TransportName] = ["websocket", "sse", "long_polling"]


class Pages:
    """An async iterator that is no generator, as those of database drivers."""

    def __init__(self) -> None:
        self.left = [3, 2, 1]

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        if not self.left:
            raise StopAsyncIteration
        return self.left.pop()


class Shelf:
    """What can be iterated, but is no iterator itself."""

    def __aiter__(self) -> AsyncIterator[int]:
        return Pages()


async def numbers() -> AsyncIterator[int]:
    for number in (1, 2, 3):
        yield number


class Streams(Hub):
    threads: set[str]

    async def async_generator(self) -> AsyncIterator[int]:
        for number in (1, 2, 3):
            yield number

    async def async_generator_without_a_hint(self):  # type: ignore[no-untyped-def]
        for number in (1, 2, 3):
            yield number

    async def coroutine_for_an_iterator(self) -> AsyncIterator[int]:
        return Pages()

    async def coroutine_for_a_generator(self) -> AsyncGenerator[int, None]:
        return numbers()  # type: ignore[return-value]

    async def coroutine_for_an_iterable(self) -> AsyncIterable[int]:
        return Shelf()

    def function_for_an_iterator(self) -> AsyncIterator[int]:
        self.threads.add(threading.current_thread().name)
        return numbers()

    def generator(self) -> Iterator[int]:
        for number in (1, 2, 3):
            self.threads.add(threading.current_thread().name)
            yield number

    def generator_by_its_full_name(self) -> Generator[int, None, None]:
        yield from (1, 2, 3)

    def function_for_a_plain_iterator(self) -> Iterator[int]:
        return iter([1, 2, 3])

    async def coroutine_for_a_plain_iterator(self) -> Iterator[int]:
        return iter([1, 2, 3])

    async def a_list(self) -> list[int]:
        return [1, 2, 3]

    async def an_iterable(self) -> Iterable[int]:
        return (1, 2, 3)

    async def without_a_hint(self):  # type: ignore[no-untyped-def]
        return numbers()


STREAMS = [
    "AsyncGenerator",
    "AsyncGeneratorWithoutAHint",
    "CoroutineForAnIterator",
    "CoroutineForAGenerator",
    "CoroutineForAnIterable",
    "FunctionForAnIterator",
    "Generator",
    "GeneratorByItsFullName",
    "FunctionForAPlainIterator",
    "CoroutineForAPlainIterator",
]


def made() -> type[Streams]:
    class Made(Streams): ...

    Made.threads = set()
    return Made


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("target", STREAMS)
async def test_every_form_of_a_stream_sends_its_items(target: str, transport: TransportName) -> None:
    async with connect(HubApp({"/streams": made()}), "/streams", transport=transport) as client:
        assert [item async for item in client.stream(target)] == [1, 2, 3]
        with pytest.raises(InvocationError, match=r"the streaming .* with a non-streaming invocation"):
            await client.invoke(target)


@pytest.mark.parametrize("target", ["Generator", "FunctionForAnIterator"])
async def test_what_is_a_plain_function_runs_in_threads(target: str) -> None:
    hub = made()
    async with connect(HubApp({"/streams": hub}), "/streams") as client:
        assert [item async for item in client.stream(target)] == [1, 2, 3]
    assert hub.threads
    assert threading.current_thread().name not in hub.threads


@pytest.mark.parametrize("target", ["AList", "AnIterable"])
async def test_what_can_be_iterated_and_is_no_iterator_is_a_result(target: str) -> None:
    async with connect(HubApp({"/streams": made()}), "/streams") as client:
        assert await client.invoke(target) == [1, 2, 3]


async def test_an_iterator_that_no_hint_tells_of_is_a_result_that_cannot_be_written(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with connect(HubApp({"/streams": made()}), "/streams") as client:
        with pytest.raises(InvocationError):
            await client.invoke("WithoutAHint")
        assert await client.invoke("AList") == [1, 2, 3]


@pytest.mark.parametrize("target", ["CoroutineForAnIterator", "FunctionForAPlainIterator"])
async def test_a_client_that_has_enough_cancels_what_is_no_generator_too(target: str) -> None:
    async with connect(HubApp({"/streams": made()}), "/streams") as client:
        items: Any = client.stream(target)
        assert await anext(items) == 1
        await items.aclose()
        assert await client.invoke("AList") == [1, 2, 3]
