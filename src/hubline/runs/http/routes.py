"""The addresses of runs: `Runs.http`."""

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hubline.connection import ConnectionScope
from hubline.runs.http.dialects import DEFAULT, DIALECTS
from hubline.runs.http.requests import Admit, answering, problem, sender, value
from hubline.runs.info import Caller, RunInfo


class Port(Protocol):
    """What the addresses need of `Runs`."""

    _admit: Admit

    async def info(self, run_id: str, *, caller: Caller | None = None) -> RunInfo: ...

    async def stop(self, run_id: str, *, caller: Caller | None = None) -> RunInfo: ...

    async def answer(self, run_id: str, ask_id: str, value: Any, *, caller: Caller | None = None) -> None: ...

    async def steer(self, run_id: str, value: Any, *, caller: Caller | None = None) -> str: ...

    async def respond(
        self, run_id: str, dialect: str = DEFAULT, after: object = None, *, caller: Caller | None = None
    ) -> Response: ...


def routes(runs: Port) -> list[Route]:
    """Routes that go below whatever path an application likes."""
    handlers = _Handlers(runs)
    return [
        Route("/{run_id}", answering(handlers.info), methods=["GET"]),
        Route("/{run_id}/events", answering(handlers.events), methods=["GET"]),
        Route("/{run_id}/stop", answering(handlers.stop), methods=["POST"]),
        Route("/{run_id}/answers/{ask_id}", answering(handlers.answer), methods=["POST"]),
        Route("/{run_id}/messages", answering(handlers.steer), methods=["POST"]),
    ]


class _Handlers:
    def __init__(self, runs: Port) -> None:
        self._runs = runs

    async def info(self, request: Request) -> Response:
        caller = await self._caller(request)
        return JSONResponse((await self._runs.info(_run(request), caller=caller)).item())

    async def events(self, request: Request) -> Response:
        caller = await self._caller(request)
        dialect = request.query_params.get("as", DEFAULT)
        if dialect not in DIALECTS:
            return problem(400, f"`as` must be one of {', '.join(DIALECTS)}.")
        after = request.headers.get("last-event-id") or request.query_params.get("after") or None
        return await self._runs.respond(_run(request), dialect, after, caller=caller)

    async def stop(self, request: Request) -> Response:
        caller = await self._caller(request)
        return JSONResponse((await self._runs.stop(_run(request), caller=caller)).item())

    async def answer(self, request: Request) -> Response:
        caller = await self._caller(request)
        answer = await value(request)
        await self._runs.answer(_run(request), request.path_params["ask_id"], answer, caller=caller)
        return Response(status_code=204)

    async def steer(self, request: Request) -> Response:
        caller = await self._caller(request)
        message = await value(request)
        return JSONResponse({"steerId": await self._runs.steer(_run(request), message, caller=caller)})

    async def _caller(self, request: Request) -> Caller:
        return caller_of(await sender(request, self._runs._admit))


def caller_of(scope: ConnectionScope, connection_id: str | None = None) -> Caller:
    """Who wants something of a run. `connection_id` tells strangers apart."""
    return Caller(scope.user_id, connection_id, scope.identity)


def _run(request: Request) -> str:
    return str(request.path_params["run_id"])
