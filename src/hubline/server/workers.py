"""Plain functions of the application's run in worker threads, so that they cannot stall the loop."""

import asyncio
from collections.abc import Callable
from typing import Any


async def in_worker(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What `function` returns or raises, with the context variables of whoever calls it."""
    return await asyncio.to_thread(_called, function, *args, **kwargs)


def _called(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    try:
        return function(*args, **kwargs)
    except StopIteration as error:  # no future takes one: whoever waits would wait for ever
        raise RuntimeError("a plain function raised StopIteration") from error
