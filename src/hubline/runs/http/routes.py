"""The addresses of runs: `Runs.http`."""

from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from hubline.connection import ConnectionScope
from hubline.runs.http.dialects import DEFAULT, DIALECTS
from hubline.runs.http.requests import Admit, Permit, answering, permitted, problem, sender, value
from hubline.runs.info import Caller, RunInfo


class Port(Protocol):
    """The part of `Runs` that the routes need."""

    _admit: Admit
    _permit: Permit

    async def info(self, run_id: str, *, caller: Caller | None = None) -> RunInfo: ...

    async def stop(self, run_id: str, *, caller: Caller | None = None) -> RunInfo: ...

    async def answer(self, run_id: str, ask_id: str, value: Any, *, caller: Caller | None = None) -> None: ...

    async def steer(self, run_id: str, value: Any, *, caller: Caller | None = None) -> str: ...

    async def respond(
        self, run_id: str, dialect: str = DEFAULT, after: object = None, *, caller: Caller | None = None
    ) -> Response: ...


def routes(runs: Port) -> list[Route]:
    """Routes to mount at any path."""
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
        run_id, caller = await self._caller(request, "run_info")
        return JSONResponse((await self._runs.info(run_id, caller=caller)).item())

    async def events(self, request: Request) -> Response:
        dialect = request.query_params.get("as", DEFAULT)
        after = request.headers.get("last-event-id") or request.query_params.get("after") or None
        run_id, caller = await self._caller(request, "attach_run", after)
        if dialect not in DIALECTS:
            return problem(400, f"`as` must be one of {', '.join(DIALECTS)}.")
        return await self._runs.respond(run_id, dialect, after, caller=caller)

    async def stop(self, request: Request) -> Response:
        run_id, caller = await self._caller(request, "stop_run")
        return JSONResponse((await self._runs.stop(run_id, caller=caller)).item())

    async def answer(self, request: Request) -> Response:
        scope, ask_id = await sender(request, self._runs._admit), request.path_params["ask_id"]
        answer = await value(request)
        run_id, caller = await self._permitted(scope, request, "answer_run", ask_id, answer)
        await self._runs.answer(run_id, ask_id, answer, caller=caller)
        return Response(status_code=204)

    async def steer(self, request: Request) -> Response:
        scope = await sender(request, self._runs._admit)
        message = await value(request)
        run_id, caller = await self._permitted(scope, request, "steer_run", message)
        return JSONResponse({"steerId": await self._runs.steer(run_id, message, caller=caller)})

    async def _caller(self, request: Request, method: str, *arguments: Any) -> tuple[str, Caller]:
        """The requested run, and the caller, who must have the right to call the corresponding method of the hub."""
        return await self._permitted(await sender(request, self._runs._admit), request, method, *arguments)

    async def _permitted(
        self, scope: ConnectionScope, request: Request, method: str, *arguments: Any
    ) -> tuple[str, Caller]:
        run_id = str(request.path_params["run_id"])
        await permitted(scope, self._runs._permit, method, run_id, *arguments)
        return run_id, caller_of(scope)


def caller_of(scope: ConnectionScope, connection_id: str | None = None) -> Caller:
    """The caller of an operation. `connection_id` distinguishes anonymous users."""
    return Caller(scope.user_id, connection_id, scope.identity)
