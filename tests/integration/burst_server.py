"""A hub that sends much at once, on the default limits, as a process of its own.

python -m tests.integration.burst_server --server hypercorn
"""

import argparse
import asyncio
import math
from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import Hub, HubApp, HubOptions, _bursts
from tests.interop.serving import SERVERS, listen, serve


class Bursts(Hub):
    async def replay(self, count: int, size: int) -> str:
        for number in range(count):
            await self.clients.all.send("Line", number, "x" * size)
        return "done"

    async def replay_together(self, count: int, size: int) -> str:
        text = "x" * size
        await asyncio.gather(*[self.clients.all.send("Line", number, text) for number in range(count)])
        return "done"

    async def big(self, size: int) -> str:
        return "x" * size

    async def tell(self, size: int) -> None:
        await self.clients.caller.send("Told", "x" * size)

    async def tell_all(self, size: int) -> None:
        await self.clients.all.send("Told", "x" * size)

    async def ask(self, size: int) -> Any:
        return await self.clients.caller.invoke("Answer", "x" * size)

    async def stream(self, size: int) -> AsyncIterator[str]:
        yield "x" * size
        yield "small"

    async def endless(self) -> AsyncIterator[str]:
        while True:
            yield "x" * 1_000


def main() -> None:
    parser = argparse.ArgumentParser(description="A hub that sends much at once.")
    parser.add_argument("--server", choices=sorted(SERVERS), required=True)
    arguments = parser.parse_args()
    _bursts.LONGEST = math.inf  # however slow the machine is, what is sent in one go is a burst here
    hubs = HubApp({"/bursts": Bursts}, options=HubOptions(detailed_errors=True))
    app = Starlette(routes=[Mount("/", hubs)], lifespan=hubs.lifespan)
    with listen("127.0.0.1", 0) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        serve(arguments.server, app, hubs.drain, listener)


if __name__ == "__main__":
    main()
