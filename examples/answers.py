"""An answer that survives: cut, reloaded, asked for twice, watched by two, stopped on purpose.

A page keeps the run's id and the position of the last item, in `sessionStorage` for instance, and whenever it is
connected calls `stream("AttachRun", runId, position)`: what it missed comes first, and nothing comes twice.
"""

import asyncio
import os
from collections.abc import AsyncIterator

from hubline import HubApp, HubError
from hubline.runs import FinishedRun, Run, Runs, RunsHub

PAUSE = float(os.environ.get("PAUSE", "0.2"))
history: dict[str, list[str]] = {}


async def model(prompt: str) -> AsyncIterator[str]:
    """Stands for yours: any async iterator of text."""
    for word in f"You asked: {prompt} That takes a while to say, and goes on whoever is listening.".split():
        await asyncio.sleep(PAUSE)
        yield f"{word} "


async def answer(run: Run, prompt: str) -> None:
    await run.status("thinking")
    async for delta in model(prompt):
        await run.text(delta)
    if await run.ask("Keep this answer?", schema=bool, expires=60):
        await run.data("kept", True)


async def store(run: FinishedRun) -> None:
    """Called once for each answer, however it has ended; a failed or stopped one has what was written."""
    history.setdefault(run.info.room or "", []).append(run.text)


runs = Runs(on_end=store, on_busy="queue")


class Assistant(RunsHub, runs=runs):
    async def ask(self, room: str, prompt: str, message_id: str) -> str:
        """The same `message_id` is the same answer, so a nervous finger pays once. A room answers one at a time."""
        if not prompt.strip():
            raise HubError("Ask something.")
        return (await self.runs.start(answer, prompt, key=message_id, room=room)).id

    async def answers(self, room: str) -> list[str]:
        """What the room was told before."""
        return history.get(room, [])


app = HubApp({"/assistant": Assistant}, on_drain=runs.drain, drain_timeout=40)
