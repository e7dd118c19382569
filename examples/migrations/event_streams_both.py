"""The addresses of `event_streams_before.py` go on, on top of what `event_streams_after.py` has."""

from collections.abc import AsyncIterator

import event_streams_after as after
import event_streams_before as before
from fastapi import FastAPI
from fastapi.responses import StreamingResponse

app = FastAPI(lifespan=after.hubs.lifespan)


@app.post("/ask")
async def ask(question: before.Question) -> StreamingResponse:
    """In the form of before, but the answer is a run: it goes on without this request, and new pages can watch it."""
    run = await after.runs.start(after.answer, question.prompt)

    async def events() -> AsyncIterator[str]:
        async for item in after.runs.attach(run.id):
            if item["kind"] == "text":
                yield before.event({"text": item["text"]})
        yield "data: [DONE]\n\n"

    return StreamingResponse(events(), media_type="text/event-stream", headers={"X-Run-Id": run.id})


@app.post("/publish")
async def publish(headline: str) -> None:
    await before.publish(headline)
    await after.publish(headline)


app.add_api_route("/news", before.news)
app.router.routes += after.app.routes
