"""An agent for AG-UI's `HttpAgent`: its answer belongs to the server, and asks a person a question.

The question ends the stream as an interrupt; the person's decision comes with the next request of the thread.

    hubline run --app-dir examples ag_ui:app
"""

from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount

from hubline import HubApp, HubError
from hubline.runs import Caller, Run, Runs

runs = Runs()


async def answer(run: Run, prompt: str) -> None:
    """A placeholder for an agent."""
    await run.text(f"You want: {prompt}. ")
    agreed = await run.ask("Shall I do it?", schema=bool, expires=600)
    if agreed:
        part = await run.data("progress", {"percent": 0})
        await run.data("progress", {"percent": 100}, part=part)
    await run.text("It is done." if agreed else "I left it.")


app = FastAPI(lifespan=HubApp({}, on_drain=runs.drain, drain_timeout=40).lifespan)
app.router.routes.append(Mount("/runs", routes=runs.http))


@app.exception_handler(HubError)
async def refused(request: Request, error: HubError) -> Response:
    return JSONResponse({"error": str(error)}, 409)


@app.post("/agent")
async def agent(sent: dict[str, Any]) -> Response:
    """`sent` is AG-UI's RunAgentInput. Check that the thread belongs to the user, as for all data of users."""
    thread, decisions = sent["threadId"], sent.get("resume") or []
    if decisions:
        started = await runs.room_runs(thread)
        if not started:
            raise HubError("The answer is no longer there.")
        run_id = started[-1].id
        for each in decisions:
            await runs.answer(run_id, each["interruptId"], each["status"] == "resolved" and each.get("payload"))
    else:
        message, stranger = sent["messages"][-1], Caller(connection_id=thread)
        run = await runs.start(answer, message["content"], key=message["id"], room=thread, starter=stranger)
        run_id = run.id
    return await runs.respond(run_id, "ag-ui", sent=sent)
