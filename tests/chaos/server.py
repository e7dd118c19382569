"""One of several servers, as a process of its own: `python -m tests.chaos.server`, with settings by environment.

CHAOS_HOST, CHAOS_PORT, CHAOS_STORAGE (an address, see `joined`), CHAOS_LEDGER (a file), CHAOS_LEASE and CHAOS_DRAIN
(seconds). A worker has no port of its own: in the ledger it goes by its process.
"""

import asyncio
import logging
import os
from datetime import datetime
from pathlib import Path
from typing import Any

from hubline import HubApp, HubError, HubOptions, HubRoute, Identity
from hubline.errors import BackplaneError
from hubline.runs import FinishedRun, Run, RunLimits, Runs, RunsHub
from tests.chaos.joining import joined
from tests.chaos.ledger import LAPSED, Ledger, gate_of
from tests.chaos.states import tell_when_asked
from tests.interop.serving import listen, serve

SETTINGS = {
    name: os.environ.get(f"CHAOS_{name}", "") for name in ("HOST", "PORT", "STORAGE", "LEDGER", "LEASE", "DRAIN")
}


class Model:
    """Stands for one that costs money: what it was asked for is in the ledger before it answers."""

    ledger: Ledger
    gate: Path
    """A file without which no answer says its last word."""

    def lapsed(self) -> None:
        """This server had no lease."""
        self.ledger.note("lapsed", run=LAPSED)

    def settled(self, run_id: str) -> None:
        """This server has said that `on_end` was told."""
        self.ledger.note("settled", run=run_id)

    async def answer(self, run: Run, tokens: int, pace: float) -> None:
        """Write the numbers that are not yet written, one in `pace` seconds."""
        self.ledger.note("attempt", run=run.id, attempt=run.attempt)
        written = "".join(part["text"] for part in run.parts).split()
        for number in range(len(written), tokens):
            await asyncio.sleep(pace)
            while number == tokens - 1 and not self.gate.exists():  # noqa: ASYNC110
                await asyncio.sleep(pace)
            self.ledger.note("token", run=run.id, number=number)
            await run.text(f"{number} ")


MODEL = Model()


async def on_end(run: FinishedRun) -> None:
    MODEL.ledger.note("end", run=run.info.id, state=run.info.state, text=run.text)


class ChaosHub(RunsHub):
    """Answers, and messages to everybody in a room."""

    async def begin(self, tokens: int, pace: float, key: str) -> str:
        try:
            return (await self.runs.start(MODEL.answer, tokens, pace, key=key)).id
        except BackplaneError as error:
            raise HubError(str(error)) from error

    async def join(self, room: str) -> None:
        await self.groups.add(self.context.connection_id, room)

    async def say(self, room: str, number: int) -> None:
        try:
            await self.clients.group(room).send("Said", number)
        except BackplaneError as error:
            raise HubError(str(error)) from error

    async def on_backplane_gap(self, since: datetime, until: datetime) -> None:
        await self.clients.caller.send("Gap", since.timestamp(), until.timestamp())


async def authenticate(scope: Any) -> Identity | None:
    return Identity(scope.query.get("user", "nobody"))


def application() -> HubApp:
    drain = float(SETTINGS["DRAIN"])
    backplane, log = joined(SETTINGS["STORAGE"], float(SETTINGS["LEASE"]), MODEL)
    runs = Runs(
        log=log,
        on_end=on_end,
        drain=drain,
        limits=RunLimits(per_starter=10_000),
    )
    tell_when_asked(runs, log)
    runs.function(restartable=True)(MODEL.answer)
    ChaosHub.hubline_runs = runs
    return HubApp(
        {"/hub": HubRoute(ChaosHub, name="ChaosHub")},
        options=HubOptions(keep_alive_interval=1, maximum_parallel_invocations=8),
        authenticate=authenticate,
        backplane=backplane,
        on_drain=runs.drain,
        drain_timeout=2 * drain + 4,
    )


def prepare() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(name)s %(message)s")
    path = Path(SETTINGS["LEDGER"])
    MODEL.ledger, MODEL.gate = Ledger(path, int(SETTINGS["PORT"] or os.getpid())), gate_of(path)


def main() -> None:
    prepare()
    app = application()
    with listen(SETTINGS["HOST"], int(SETTINGS["PORT"]), shared=True) as listener:
        print(f"listening on http://{SETTINGS['HOST']}:{SETTINGS['PORT']}", flush=True)
        serve("accelerated", app, app.drain, listener)


if __name__ == "__main__":
    from tests.chaos import server  # functions are found by the names that importing this module gives them

    server.main()
