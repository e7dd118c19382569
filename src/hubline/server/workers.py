"""Plain functions of the application's run in worker threads, so that they cannot stall the loop."""

import asyncio
from collections.abc import Callable
from typing import Any

from hubline._tasks import called


async def in_worker(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """What `function` returns or raises, with the context variables of whoever calls it."""
    return await asyncio.to_thread(called, function, *args, **kwargs)
