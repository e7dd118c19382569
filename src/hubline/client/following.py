"""A stream that is requested again whenever it is lost, and calls that wait for a connection."""

import random
import re
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Protocol

from hubline._clock import Clock
from hubline.errors import ConnectionClosed, InvocationError

FIRST, LONGEST = 0.25, 30.0
"""Seconds before the first further request after an error of the server, and at most. Those of `@hubline/client`."""

FOR_GOOD = re.compile(r"(?:The (?:run|room) does not exist\.|Method does not exist\.|user is unauthorized)$")
"""Errors that a repeated request would get again. Others of a server may be temporary."""


class Line(Protocol):
    """What a run is followed over: a `HubConnection`."""

    _clock: Clock

    async def connected(self) -> None: ...
    @property
    def invoke(self) -> Callable[..., Coroutine[Any, Any, Any]]: ...
    @property
    def stream(self) -> Callable[..., AsyncGenerator[Any, None]]: ...


async def follow(
    line: Line, target: str, arguments: Callable[[], tuple[Any, ...]], item_type: Any = Any
) -> AsyncGenerator[Any, None]:
    """The items of a stream, requested again with new arguments when it is lost: `None` comes then. It never ends.

    Raises:
        InvocationError: the server refuses for good.
        ConnectionClosed: the connection is over, and is not restored.
    """
    failures = 0
    while True:
        await line.connected()
        try:
            async with aclosing(line.stream(target, *arguments(), result_type=item_type)) as items:
                async for item in items:
                    failures = 0
                    yield item
        except ConnectionClosed:
            yield None
            continue
        except InvocationError as error:
            if FOR_GOOD.search(error.message):
                raise
        yield None
        await line._clock.sleep(pause(failures))
        failures += 1


async def repeated(line: Line, target: str, *arguments: Any, result_type: Any = Any) -> Any:
    """Call as soon as there is a connection, and again when it is lost. For calls that may be repeated."""
    while True:
        await line.connected()
        try:
            return await line.invoke(target, *arguments, result_type=result_type)
        except ConnectionClosed:
            continue


def pause(failures: int) -> float:
    """Seconds, doubled with each failure, ±50 % so that clients do not return all at once."""
    return min(LONGEST, FIRST * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1.5)
