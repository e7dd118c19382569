"""Short runs, and what the process holds, as a process of its own.

python -m tests.integration.runs_server --server accelerated
"""

import argparse
import asyncio
import ctypes
import gc
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import HubApp
from hubline.runs import FinishedRun, Run, RunLimits, Runs, RunsHub
from tests.interop.serving import SERVERS, listen, serve

ended = 0


async def count(run: FinishedRun) -> None:
    global ended  # what a test asks a process for
    ended += 1


runs = Runs(on_end=count, keep=3, keep_keys=3, limits=RunLimits(per_starter=1_000))
"""Ended runs stay for longer than a client takes to attach to one, on a busy machine too."""


def resident() -> int:
    """Bytes of memory that this process uses, without those that glibc keeps for later."""
    with suppress(AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def short(run: Run, words: int) -> None:
    await run.status("thinking")
    for number in range(words):
        await run.text(f"{number} ")
        await asyncio.sleep(0)
    await run.data("source", {"n": words})


class Short(RunsHub, runs=runs):
    async def start_short(self, words: int, key: str) -> str:
        return (await self.runs.start(short, words, key=key, room=key[-1:])).id

    async def expired(self) -> None:
        """Returns when ended runs may have expired."""
        await asyncio.sleep(0.1)

    async def counts(self) -> dict[str, Any]:
        """Of the moment, when nothing that can be collected is left."""
        gc.collect()
        return {
            **runs.statistics(),
            "ended": ended,
            "all_tasks": len(asyncio.all_tasks()),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "resident": resident(),
        }


def main() -> None:
    parser = argparse.ArgumentParser(description="Short runs.")
    parser.add_argument("--server", choices=sorted(SERVERS), required=True)
    arguments = parser.parse_args()
    hubs = HubApp({"/runs": Short}, on_drain=runs.drain)
    app = Starlette(routes=[Mount("/", hubs)], lifespan=hubs.lifespan)
    with listen("127.0.0.1", 0) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        serve(arguments.server, app, hubs.drain, listener)


if __name__ == "__main__":
    main()
