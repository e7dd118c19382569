"""Runs plain functions of the application in worker threads, so that they do not block the event loop."""

import asyncio
from collections.abc import Callable
from typing import Any

from hubline._tasks import called


async def in_worker(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """Run `function` in a worker thread with the caller's context variables. Returns and raises as it does."""
    return await asyncio.to_thread(called, function, *args, **kwargs)
