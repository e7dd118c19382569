"""An answer that continues when the page is reloaded, for the AI SDK: `useChat({resume: true})`, without settings.

The page finds both addresses by itself. Other front ends read the same answer at `/runs/{id}/events`.

    hubline run --app-dir examples ai_sdk:app
"""

import asyncio

from fastapi import FastAPI
from starlette.routing import Mount

from hubline import HubApp, HubError
from hubline.runs import ChatRequest, FinishedRun, Run, Runs, StartedRun, chat_routes

answers: dict[str, list[str]] = {}
"""By chat. An application has them in its database."""


async def store(run: FinishedRun) -> None:
    answers.setdefault(run.info.room or "", []).append(run.text)


runs = Runs(on_end=store)


async def answer(run: Run, prompt: str) -> None:
    """A placeholder for a model. It does not know the viewers, or whether there are any."""
    await run.reasoning("They like their words back. ")
    for word in prompt.split():
        await run.text(f"{word} ")
        await asyncio.sleep(0.1)


async def start(chat: ChatRequest) -> StartedRun:
    if not chat.text:
        raise HubError("Say something first.")
    return await chat.start(answer, chat.text)


app = FastAPI(lifespan=HubApp({}, on_drain=runs.drain, drain_timeout=40).lifespan)
app.router.routes += [*chat_routes(runs, start), Mount("/runs", routes=runs.http)]
