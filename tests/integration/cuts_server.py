"""Runs that are made from a seed, with logs and limits of several sizes, as a process of its own.

python -m tests.integration.cuts_server --server accelerated
"""

import argparse
import asyncio
import random
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Mount, Route

from hubline import HubApp
from hubline.runs import Run, Runs, RunsHub, StartedRun
from tests.interop.serving import SERVERS, listen, serve
from tests.runs.cuts import Truth, body, digest

SIZES = [(entries, resync) for entries in (2, 8, 64, 4_096) for resync in (0, 50, 500, 65_536)]
"""Entries of a log, and bytes by which a viewer may be behind."""

PAUSES = [0, 0, 0.001, 0.005, 0.02]
"""Seconds between the entries of a run: its model's."""


async def write(run: Run, seed: int, begin: asyncio.Event) -> None:
    """Some hundred entries of all kinds."""
    await begin.wait()
    chance = random.Random(f"entries {seed}")
    for number in range(chance.randrange(20, 70)):
        for _ in range(chance.choice([0, 1, 1, 2, 8])):
            await run._write(body(chance, number))
        await asyncio.sleep(chance.choice(PAUSES))


class Sized:
    """The runs of one size, their hub, and what they consisted of at each position."""

    def __init__(self, entries: int, resync: int) -> None:
        self.runs = runs = Runs(log_entries=entries, resync=resync, keep=60)
        self._truths: dict[str, tuple[StartedRun, Truth]] = {}

        class Hub(RunsHub, runs=runs):
            def _run_merge(self) -> float | None:
                return float(self.context.scope.query["merge"])

        self.hub = Hub

    async def start(self, request: Request) -> JSONResponse:
        begin = asyncio.Event()
        run = await self.runs.start(write, int(request.query_params["seed"]), begin)
        self._truths[run.id] = run, Truth(self.runs, run.id)
        begin.set()
        return JSONResponse(run.id)

    async def truth(self, request: Request) -> JSONResponse:
        """The digest of the parts for each position; it can be asked for once."""
        run, truth = self._truths.pop(request.path_params["run_id"])
        await run.wait()
        return JSONResponse({position: digest(parts) for position, parts in truth.parts.items()})


def application() -> tuple[Starlette, HubApp]:
    hubs: dict[str, Any] = {}
    routes: list[BaseRoute] = []
    for number, size in enumerate(SIZES):
        sized = Sized(*size)
        hubs[f"/hub/{number}"] = sized.hub
        routes.append(Route(f"/start/{number}", sized.start, methods=["POST"]))
        routes.append(Route(f"/truth/{number}/{{run_id}}", sized.truth))
        routes.append(Mount(f"/runs/{number}", routes=sized.runs.http))
    app = HubApp(hubs, drain_timeout=2)  # polls that were cut are sessions that nobody comes back for
    return Starlette(routes=[*routes, Mount("/", app)], lifespan=app.lifespan), app


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs that are made from a seed.")
    parser.add_argument("--server", choices=sorted(SERVERS), required=True)
    arguments = parser.parse_args()
    app, hubs = application()
    with listen("127.0.0.1", 0) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        serve(arguments.server, app, hubs.drain, listener)


if __name__ == "__main__":
    main()
