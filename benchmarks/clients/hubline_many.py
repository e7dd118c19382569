"""Many connections of `hubline.client` in one process: what each takes in memory, time and CPU to be there."""

import argparse
import asyncio
import gc
import json
import os
import resource
import time

from hubline.cli.load import allow_files
from hubline.client import HubConnection

AT_ONCE = 50
"""Connections that are being made at the same time."""


def resident() -> int:
    """Bytes of this process in memory."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("count", type=int)
    given = parser.parse_args()
    allow_files(given.count + 200)
    first = HubConnection(given.url)
    await first.start()  # what is imported and made once does not count
    gate = asyncio.Semaphore(AT_ONCE)
    hubs = [HubConnection(given.url) for _ in range(given.count)]

    async def start(hub: HubConnection) -> None:
        async with gate:
            await hub.start()

    gc.collect()
    before, used, began = resident(), resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    await asyncio.gather(*(start(hub) for hub in hubs))
    took, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF)
    gc.collect()
    memory = resident() - before
    answers = await asyncio.gather(*(hub.invoke("EchoText", str(n)) for n, hub in enumerate(hubs)))
    if answers != [str(n) for n in range(given.count)]:
        raise SystemExit("a connection has answered something else")
    await asyncio.gather(first.stop(), *(hub.stop() for hub in hubs))
    print(
        json.dumps(
            {
                "count": given.count,
                "seconds": took,
                "user_us": (after.ru_utime - used.ru_utime) / given.count * 1e6,
                "memory_kib": memory / given.count / 1024,
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
