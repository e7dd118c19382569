"""An answer that survives lost connections, reloads and repeated requests, has several viewers, and can be stopped.

A page keeps the run's id and the position of the last item, for example in `sessionStorage`. After each connect it
calls `stream("AttachRun", runId, position)`: it gets the items that it missed, and no item twice.
"""

import asyncio
import os
from collections.abc import AsyncIterator

from hubline import HubApp, HubError
from hubline.runs import FinishedRun, Run, Runs, RunsHub

PAUSE = float(os.environ.get("PAUSE", "0.2"))
history: dict[str, list[str]] = {}


async def model(prompt: str) -> AsyncIterator[str]:
    """A placeholder for your model: any async iterator of text."""
    for word in f"You asked: {prompt} This answer takes a while, and goes on without viewers.".split():
        await asyncio.sleep(PAUSE)
        yield f"{word} "


async def answer(run: Run, prompt: str) -> None:
    await run.status("thinking")
    async for delta in model(prompt):
        await run.text(delta)
    if await run.ask("Keep this answer?", schema=bool, expires=60):
        await run.data("kept", True)


async def store(run: FinishedRun) -> None:
    """Called once for each answer when it has ended; a failed or stopped one has the text written so far."""
    history.setdefault(run.info.room or "", []).append(run.text)


runs = Runs(on_end=store, on_busy="queue")


class Assistant(RunsHub, runs=runs):
    async def ask(self, room: str, prompt: str, message_id: str) -> str:
        """The same `message_id` gets the same answer, so a double click costs once. A room has one answer at a time."""
        if not prompt.strip():
            raise HubError("Ask something.")
        return (await self.runs.start(answer, prompt, key=message_id, room=room)).id

    async def answers(self, room: str) -> list[str]:
        """The earlier answers in the room."""
        return history.get(room, [])


app = HubApp({"/assistant": Assistant}, on_drain=runs.drain, drain_timeout=40)
