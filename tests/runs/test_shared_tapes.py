"""Tapes are complete, whatever happens while they are loaded."""

import asyncio
import json
from typing import Any

from hubline._clock import MonotonicClock
from hubline._tasks import TaskOwner
from hubline.runs.shared_tapes import Tapes
from tests.valkey import LIMIT


def entry(number: int) -> tuple[bytes, list[bytes]]:
    body = {"kind": "text", "part": "1", "text": f"{number} "}
    return f"{number}-0".encode(), [b"entries", json.dumps([body]).encode()]


async def test_an_interruption_while_a_tape_is_loaded_is_not_forgotten() -> None:
    """The answer is older than the interruption, and nothing is published afterwards that would show the gap."""
    answers: asyncio.Queue[Any] = asyncio.Queue()
    asked: list[int] = []

    async def load(_: str, after: int) -> Any:
        asked.append(after)
        return await answers.get()

    async def nothing(_: str) -> None: ...

    tasks = TaskOwner("test")
    tapes = Tapes(10, load, nothing, nothing, tasks, MonotonicClock())
    holding = asyncio.create_task(tapes.hold("r"))
    await asyncio.sleep(0)
    tapes.interrupted()
    await asyncio.sleep(0)
    answers.put_nowait([b"epoch", None, [entry(1)]])
    followed = await holding
    answers.put_nowait([b"epoch", None, [entry(2)]])
    async with asyncio.timeout(LIMIT):
        await tasks.join()
    assert asked == [0, 1]
    assert followed.tape is not None
    assert followed.tape.end == 2
