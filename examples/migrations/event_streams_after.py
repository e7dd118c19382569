"""The answers and news of `event_streams_before.py`: answers are runs, news are calls of clients."""

import asyncio
from collections.abc import AsyncIterator
from typing import Protocol

from fastapi import FastAPI
from starlette.routing import Mount

from hubline import HubApp
from hubline.runs import Run, Runs, RunsHub


class NewsClient(Protocol):
    async def headline(self, text: str) -> None: ...


async def model(prompt: str) -> AsyncIterator[str]:
    """A placeholder for your model."""
    for word in prompt.split():
        yield f"{word} "
        await asyncio.sleep(0)


async def answer(run: Run, prompt: str) -> None:
    """Goes on when the page is reloaded. It does not know who watches, or whether anybody does."""
    async for delta in model(prompt):
        await run.text(delta)


runs = Runs()


class Assistant(RunsHub[NewsClient], runs=runs):
    async def ask(self, prompt: str) -> str:
        """Start an answer; the page reads it with `AttachRun`."""
        return (await self.runs.start(answer, prompt)).id


hubs = HubApp({"/assistant": Assistant}, on_drain=runs.drain, drain_timeout=40)
app = FastAPI(lifespan=hubs.lifespan)


@app.post("/publish")
async def publish(headline: str) -> None:
    await hubs.context(Assistant).clients.all.headline(headline)


app.router.routes += [Mount("/runs", routes=runs.http), Mount("/", hubs)]  # /runs/{id}/events is an event stream
