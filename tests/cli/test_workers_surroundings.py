"""`hubline run --workers` and what is around it: the terminal, the directory of its sockets, signals at the start."""

import asyncio
import os
import pty
import signal
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.cli.running import Running, hubline
from tests.cli.test_workers import HUBS
from tests.processes import process_group

LIMIT = 100.0

GATED = """
print("at the gate", flush=True)
open("gate").read()
"""

RUNS = """
from hubline import HubApp
from hubline.runs import MemoryRunLog, Runs, RunsHub

class Assistant(RunsHub, runs=Runs(log=MemoryRunLog())): ...

app = HubApp({"/assistant": Assistant}, drain_timeout=2)
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "served.py").write_text(HUBS)
    return tmp_path


@pytest.fixture
def hears_hangups() -> Iterator[None]:
    """What `nohup` ignores for these tests themselves, their processes would ignore too."""
    former = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, former)


@pytest.mark.usefixtures("hears_hangups")
@pytest.mark.parametrize("nohup", [False, True])
async def test_a_terminal_that_is_closed_ends_all_unless_told_to_stay(directory: Path, nohup: bool) -> None:
    ours, theirs = pty.openpty()
    served = [sys.executable, "-m", "hubline.cli.main", "run", "served:app", "--port=0", "--workers=2"]
    # The shell begins a session, so the first terminal that it opens becomes that of the session.
    in_terminal = ["sh", "-c", f'exec "$@" <{os.ttyname(theirs)}', "sh", *["nohup"] * nohup, *served]
    async with asyncio.timeout(LIMIT), process_group(*in_terminal, directory=directory, limit=LIMIT) as process:
        running = Running(process)
        await running.url()
        os.close(theirs)
        os.close(ours)
        if nohup:
            os.kill(process.pid, signal.SIGTERM)
        assert await running.end() == 0
        assert "replacing" not in "".join(running.log)


async def test_sighup_while_the_workers_start_replaces_them_when_they_are_ready(directory: Path) -> None:
    os.mkfifo(directory / "gate")
    (directory / "served.py").write_text(GATED + HUBS)

    async def pass_the_gate() -> None:
        await running.until("at the gate")
        (directory / "gate").write_text("")

    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(directory, "run", "served:app", "--port=0", "--workers=2"))
        await running.until("at the gate")
        running.process.send_signal(signal.SIGHUP)
        (directory / "gate").write_text("")
        await pass_the_gate()
        await running.url()
        assert "was replaced" not in "".join(running.log)
        for _ in range(2):
            await pass_the_gate()
            await running.until("was replaced")


async def test_a_directory_whose_name_is_too_long_for_a_socket_is_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = directory / ("x" * 100)
    long.mkdir()
    monkeypatch.setenv("TMPDIR", str(long))
    async with asyncio.timeout(LIMIT), hubline(directory, "run", "served:app", "--port=0", "--workers=2") as running:
        assert await running.end() == 1
        [told] = " ".join("".join(running.log).split()).split("error: ")[1:]
        assert told.startswith("no directory can be made for the sockets of the workers (TMPDIR says where)")


async def test_runs_in_the_memory_of_each_worker_are_told_once(directory: Path) -> None:
    (directory / "served.py").write_text(RUNS)
    async with asyncio.timeout(LIMIT), hubline(directory, "run", "served:app", "--port=0", "--workers=2") as running:
        await running.url()
        running.process.send_signal(signal.SIGTERM)
        assert await running.end() == 0
        assert "".join(running.log).count("the log of Runs is in the memory of each worker") == 1
