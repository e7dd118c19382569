"""What an entry costs in each log of runs, and how late a viewer on another server has it.

    python -m benchmarks.run_logs memory sqlite:runs.sqlite redis://localhost postgresql://…

For each log: microseconds of an append, one after the other and of 100 runs at once; then 100 runs that write 20
entries a second each, followed by another server: milliseconds until it has an entry, median and 99th percentile, and
microseconds of the CPU for an entry, written and followed in one process, without the broker's.
"""

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from hubline import _worker
from hubline.backplanes.local_hub import LocalHub
from hubline.runs import MemoryRunLog, RunLog
from hubline.runs.tape import Entry

RUNS, RATE, SECONDS = 100, 20, 5.0


def log_at(url: str) -> RunLog:
    """The log at an address."""
    if url == "memory":
        return MemoryRunLog()
    if url.startswith("sqlite:"):
        from hubline.runs.sqlite_log import SQLiteRunLog

        return SQLiteRunLog(url.removeprefix("sqlite:"))
    if url.startswith("postgresql:"):
        from hubline.runs.postgres_log import PostgresRunLog

        return PostgresRunLog(url)
    from hubline.runs.redis_log import RedisRunLog

    return RedisRunLog(url)


def body() -> dict[str, Any]:
    """An entry that says when it was written."""
    return {"kind": "text", "part": "1", "text": f"{time.perf_counter()} "}


async def append(log: RunLog, run_id: str, count: int) -> None:
    for _ in range(count):
        await log.append(run_id, [body()])


async def measure(url: str) -> str:
    """The row of one log."""
    log, other = log_at(url), log_at(url)
    other = log if url == "memory" else other
    ids = [f"run-{number}" for number in range(RUNS)]
    for run_id in ids:
        await log.create(run_id)
    began = time.perf_counter()
    await append(log, ids[0], 1_000)
    alone = (time.perf_counter() - began) / 1_000
    began = time.perf_counter()
    await asyncio.gather(*(append(log, run_id, 100) for run_id in ids))
    together = (time.perf_counter() - began) / (100 * RUNS)

    late: list[float] = []

    def heard(entry: Entry) -> None:
        late.append(time.perf_counter() - float(entry.item["text"]))

    async def talk(run_id: str, number: int) -> None:
        await asyncio.sleep(number / RUNS / RATE)
        for _ in range(int(SECONDS * RATE)):
            began = time.perf_counter()
            await log.append(run_id, [body()])
            await asyncio.sleep(max(0.0, 1 / RATE - (time.perf_counter() - began)))

    followed = [other.follow(run_id) for run_id in ids]
    for each in followed:
        (await each.__aenter__()).listeners.append(heard)
    cpu = time.process_time()
    await asyncio.gather(*(talk(run_id, number) for number, run_id in enumerate(ids)))
    busy = (time.process_time() - cpu) / (RUNS * int(SECONDS * RATE))
    await asyncio.sleep(0.5)
    for each in followed:
        await each.__aexit__(None, None, None)
    for each_log in {log, other}:
        await each_log.close()
    cuts = statistics.quantiles(late, n=100)
    times = f"{alone * 1e6:9.0f} {together * 1e6:9.0f} {cuts[49] * 1e3:9.2f} {cuts[98] * 1e3:9.2f}"
    return f"{url[:12]:12} {times} {busy * 1e6:9.0f}"


async def main(urls: list[str]) -> None:
    print(f"{'log':12} {'µs alone':>9} {'µs of 100':>9} {'p50 ms':>9} {'p99 ms':>9} {'µs CPU':>9}")
    for url in urls:
        print(await measure(url), flush=True)
        if url.startswith("sqlite:"):
            with tempfile.TemporaryDirectory() as directory:
                worker = _worker.Worker(0, directory, "")
                hub = LocalHub()
                await hub.start(worker.hub)
                _worker.current = worker
                print("woken by the hub of workers:")
                print(await measure(f"sqlite:{Path(directory) / 'runs.sqlite'}"), flush=True)
                _worker.current = None
                await hub.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
