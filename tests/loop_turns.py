"""How often others have a turn of the event loop."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any


async def turns_during(step: Callable[[], Awaitable[Any]], rounds: int) -> int:
    """How many turns others have while `step` is awaited so many times, whatever it raises."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    try:
        for _ in range(rounds):
            with suppress(Exception):
                await step()
        return turns
    finally:
        counting.cancel()
