"""Sending from outside a hub: from a route and from a task in the background."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import FastAPI

from hubline import Hub, HubApp


class NewsHub(Hub):
    """Clients only receive messages, so the hub has no method for them to call."""

    async def on_connected(self) -> None:
        topic = self.context.scope.query.get("topic")
        if topic:
            await self.groups.add(self.context.connection_id, topic)


hubs = HubApp({"/news": NewsHub})
news = hubs.context(NewsHub)


async def tell_the_time() -> None:
    while True:
        await news.clients.all.send("Time", datetime.now(UTC))
        await asyncio.sleep(1)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with hubs.lifespan(app), asyncio.TaskGroup() as tasks:
        clock = tasks.create_task(tell_the_time())
        yield
        clock.cancel()


app = FastAPI(lifespan=lifespan)


@app.post("/publish/{topic}")
async def publish(topic: str, headline: str) -> dict[str, str]:
    """`POST /publish/weather?headline=Rain` reaches all clients that subscribe to that topic."""
    await news.clients.group(topic).send("Headline", headline)
    return {"published": headline}


app.mount("/", hubs)
