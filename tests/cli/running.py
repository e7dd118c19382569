"""`hubline` as a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.processes import process_group

LIMIT = 100.0
"""Seconds that a test may take with its process."""


class Running:
    """A process of the command; what it logs is gathered in `log`."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.log: list[str] = []

    async def until(self, text: str) -> str:
        """The first line with `text` in it."""
        assert self.process.stdout is not None
        while line := (await self.process.stdout.readline()).decode():
            self.log.append(line)
            if text in line:
                return line
        raise AssertionError(f"{text!r} did not come, but {''.join(self.log)}")

    async def url(self) -> str:
        line = await self.until("Hubline listens on")
        return line.split()[3]

    async def end(self) -> int:
        """The status of the process, when it and all that it started have ended."""
        assert self.process.stdout is not None
        self.log.append((await self.process.stdout.read()).decode())
        return await self.process.wait()


@asynccontextmanager
async def hubline(directory: Path, *arguments: str) -> AsyncIterator[Running]:
    """Run the command in `directory`, in a process group of its own."""
    command = (sys.executable, "-m", "hubline.cli.main", *arguments)
    async with process_group(*command, directory=directory, limit=LIMIT) as process:
        running = Running(process)
        try:
            yield running
        except (TimeoutError, asyncio.CancelledError) as error:
            error.add_note("".join(running.log))
            raise
