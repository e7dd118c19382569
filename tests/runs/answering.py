"""A server of runs as a process of its own, for tests that kill and freeze it.

    python -m tests.runs.answering URL LEASE FUNCTIONS OPTIONS

It starts one run of each of FUNCTIONS, `plain,counting` for instance, with OPTIONS, keyword arguments of `start` in
JSON, and prints its id; then it prints what is called and what ends, and reads commands: `go`, `attach ID`.
"""

import asyncio
import json
import os
import signal
import sys

from hubline.runs import FinishedRun, Run, Runs
from hubline.runs.redis_budget import RedisBudget
from tests.runs.storages import log_at

GO: "asyncio.Queue[str]" = asyncio.Queue()


def tell(*words: object) -> None:
    print(*words, flush=True)


async def plain(run: Run) -> None:
    """Says a word, and another when it is told to."""
    await run.text("one ")
    tell("written")
    try:
        await GO.get()
        await run.text("never ")
        tell("wrote")
    finally:
        tell("function ended")


async def counting(run: Run) -> None:
    """Goes on behind the last number that was written; up to 3, and waits before each."""
    text = "".join(part["text"] for part in run.parts)
    for number in range(len(text.split()), 3):
        await run.text(f"{number} ")
        tell("written")
        await GO.get()


async def deadly(run: Run) -> None:
    """Ends no attempt by itself."""
    await run.text(f"attempt {run.attempt} ")
    tell("written")
    await asyncio.Event().wait()


async def sudden(run: Run) -> None:
    """Is the end of its server, before a word of it is written."""
    os.kill(os.getpid(), signal.SIGKILL)


async def paying(run: Run) -> None:
    """Charges in each attempt, and ends in the second."""
    await run.charge(3)
    await run.text(f"attempt {run.attempt} ")
    tell("written")
    if run.attempt == 1:
        await asyncio.Event().wait()


async def slow_to_end(run: Run) -> None:
    """Its `on_end` never returns here."""
    run.usage(model="m", output_tokens=2)
    await run.text("ends slowly")


async def quick(run: Run) -> None:
    await run.text("quick")


FUNCTIONS = {
    "plain": plain,
    "slow_to_end": slow_to_end,
    "quick": quick,
    "counting": counting,
    "deadly": deadly,
    "paying": paying,
    "sudden": sudden,
}


def served(url: str, lease: float) -> Runs:
    """The runs of one server."""

    async def on_end(run: FinishedRun) -> None:
        tell("end", run.info.state)
        if run.text == "ends slowly":
            await asyncio.Event().wait()

    runs = Runs(log=log_at(url, lease=lease), on_end=on_end, drain=0)
    runs.function(plain)
    runs.function(restartable=True)(counting)
    runs.function(restartable=True)(deadly)
    runs.function(restartable=True)(sudden)
    if url.startswith("redis:"):
        runs.function(restartable=True, budget=RedisBudget(url, 10, lease=lease))(paying)
    return runs


async def watch(runs: Runs, run_id: str) -> None:
    async for item in runs.attach(run_id):
        if item["kind"] == "live":
            tell("attached")


async def main(url: str, lease: str, names: str, options: str) -> None:
    runs = served(url, float(lease))
    if names == "nothing":
        await runs.room_runs("none")  # which joins the others
    else:
        for name in names.split(","):
            run = await runs.start(FUNCTIONS[name], **json.loads(options))
            tell("id", run.id)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    watching = set()
    while line := await reader.readline():
        command, *rest = line.decode().split()
        if command == "attach":
            watching.add(asyncio.create_task(watch(runs, rest[0])))
        else:
            GO.put_nowait(command)


if __name__ == "__main__":
    from tests.runs import answering  # functions are found by the names that importing this module gives them

    asyncio.run(answering.main(*sys.argv[1:]))
