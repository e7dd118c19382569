"""Runs for the packages in `http/`: the AI SDK's addresses, AG-UI's, and a page that uses `useChat`.

The newest message says what is answered: the name of a function of the contract's runs, with its numbers behind it.
"""

import argparse
import os
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from hubline import HubApp
from hubline.runs import ChatRequest, Run, Runs, StartedRun, chat_routes
from tests.interop.contract_runs import Answers, Journal
from tests.interop.serving import SERVERS, listen, serve

journal = Journal()
runs = Runs(on_end=journal.on_end, merge=0, drain=0)
executions: dict[str, int] = {}


async def tools(run: Run) -> None:
    """A call of a tool as `Run.pipe` writes it, with a source, and a text on both sides."""
    call = {"toolCallId": f"call {run.id}", "state": "input-streaming"}
    await run.text("before ")
    part = await run.data("tool-weather", call)
    await run.data("tool-weather", call | {"state": "input-available", "input": {"city": "Oslo"}}, part=part)
    output = {"state": "output-available", "input": {"city": "Oslo"}, "output": {"degrees": 3}}
    await run.data("tool-weather", call | output, part=part)
    await run.data("source-url", {"url": "https://weather.example/", "title": None})
    await run.text("after")
    run.usage(provider="p", model="m", input_tokens=3, output_tokens=4)


async def interleaved(run: Run, n: int) -> None:
    """Two texts that grow side by side."""
    for number in range(n):
        await run.text(f"{number} ", part="even" if number % 2 == 0 else "odd")


async def answer(run: Run, prompt: str) -> None:
    executions[prompt] = executions.get(prompt, 0) + 1
    answers = Answers(journal)
    name, *numbers = prompt.split()
    values: list[Any] = [int(each) for each in numbers]
    match name:
        case "count":
            await answers.count(run, values[0], values[1], "", None)
        case "parts":
            await answers.parts(run, *values)
        case "retracting":
            await answers.retracting(run, *values)
        case "failing":
            await answers.failing(run, values[0], "no model")
        case "asking":
            await answers.asking(run, *values)
        case "tools":
            await tools(run)
        case "interleaved":
            await interleaved(run, *values)
        case _:
            await run.text(f"unknown: {prompt}")


async def start(chat: ChatRequest) -> StartedRun:
    return await chat.start(answer, chat.text)


async def agent(request: Request) -> Response:
    """AG-UI: a message of the user starts a run, an answer to an interrupt goes on with it."""
    sent: dict[str, Any] = await request.json()
    thread, resume = sent["threadId"], sent.get("resume", [])
    if resume:
        run_id = (await runs.room_runs(thread))[-1].id
        for entry in resume:
            await runs.answer(run_id, entry["interruptId"], entry.get("payload"))
    else:
        run_id = (await runs.start(answer, sent["messages"][-1]["content"], room=thread)).id
    return await runs.respond(run_id, "ag-ui", sent=sent)


async def begin(request: Request) -> Response:
    return JSONResponse((await runs.start(answer, request.query_params["prompt"])).id)


async def executed(request: Request) -> Response:
    return JSONResponse(executions.get(request.query_params["prompt"], 0))


def application(page: str | None) -> tuple[Starlette, HubApp]:
    hubs = HubApp({}, on_drain=runs.drain)
    routes = [
        *chat_routes(runs, start),
        Mount("/runs", routes=runs.http),
        Route("/agent", agent, methods=["POST"]),
        Route("/begin", begin, methods=["POST"]),
        Route("/executed", executed),
        *([Mount("/", StaticFiles(directory=page, html=True))] if page else []),
    ]
    return Starlette(routes=routes, lifespan=hubs.lifespan), hubs


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs over plain HTTP.")
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--server", choices=sorted(SERVERS), default="accelerated")
    arguments = parser.parse_args()
    app, hubs = application(os.environ.get("PAGE"))
    with listen("127.0.0.1", arguments.port) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        serve(arguments.server, app, hubs.drain, listener)


if __name__ == "__main__":
    main()
