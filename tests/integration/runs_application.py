"""Runs over plain HTTP without a hub, for servers that are started by a command of their own."""

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from hubline import HubApp
from hubline.runs import Run, Runs

runs = Runs(merge=0, drain=0)


async def count(run: Run, words: int) -> AsyncIterator[str]:
    for number in range(words):
        yield f"{number} "


async def start(request: Request) -> PlainTextResponse:
    return PlainTextResponse((await runs.start(count, int(request.query_params.get("words", 50)))).id)


app = Starlette(
    routes=[Route("/start", start, methods=["POST"]), Mount("/runs", routes=runs.http)],
    lifespan=HubApp({}, on_drain=runs.drain).lifespan,
)
