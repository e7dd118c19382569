"""A server of runs as a process of its own, for tests that kill and freeze it.

    python -m tests.runs.redis_worker URL LEASE FUNCTION

It starts one run of FUNCTION and prints its id; then it prints what is called and what ends, and reads commands: `go`.
"""

import asyncio
import sys

from hubline.runs import FinishedRun, Run, Runs
from hubline.runs.redis_log import RedisRunLog

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


FUNCTIONS = {"plain": plain, "counting": counting, "deadly": deadly}


def served(url: str, lease: float) -> Runs:
    """The runs of one server."""

    async def on_end(run: FinishedRun) -> None:
        tell("end", run.info.state)

    runs = Runs(log=RedisRunLog(url, lease=lease), on_end=on_end, drain=0)
    runs.function(plain)
    runs.function(restartable=True)(counting)
    runs.function(restartable=True)(deadly)
    return runs


async def main(url: str, lease: str, name: str) -> None:
    runs = served(url, float(lease))
    if name == "nothing":
        await runs.room_runs("none")  # which joins the others
    else:
        run = await runs.start(FUNCTIONS[name])
        tell("id", run.id)
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        GO.put_nowait(line.decode())


if __name__ == "__main__":
    from tests.runs import redis_worker  # functions are found by the names that importing this module gives them

    asyncio.run(redis_worker.main(*sys.argv[1:]))
