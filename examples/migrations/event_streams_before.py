"""Answers and news as event streams by hand, with FastAPI: what `event_streams_after.py` was made of."""

import asyncio
import json
from collections.abc import AsyncIterator

from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()
listeners: set[asyncio.Queue[str]] = set()


class Question(BaseModel):
    prompt: str


async def model(prompt: str) -> AsyncIterator[str]:
    """A placeholder for your model."""
    for word in prompt.split():
        yield f"{word} "
        await asyncio.sleep(0)


def event(data: object) -> str:
    return f"data: {json.dumps(data)}\n\n"


@app.post("/ask")
async def ask(question: Question) -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        async for delta in model(question.prompt):
            yield event({"text": delta})
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/news")
async def news() -> StreamingResponse:
    queue: asyncio.Queue[str] = asyncio.Queue(maxsize=100)
    listeners.add(queue)

    async def events() -> AsyncIterator[str]:
        try:
            while True:
                yield event({"headline": await queue.get()})
        finally:
            listeners.discard(queue)

    return StreamingResponse(events(), media_type="text/event-stream")


@app.post("/publish")
async def publish(headline: str) -> None:
    for queue in listeners:
        if not queue.full():  # else this listener misses it
            queue.put_nowait(headline)
