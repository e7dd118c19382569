"""`hubline` as a process of its own."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


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
        assert self.process.stdout is not None
        self.log.append((await self.process.stdout.read()).decode())
        return await self.process.wait()


@asynccontextmanager
async def hubline(directory: Path, *arguments: str, group: bool = False) -> AsyncIterator[Running]:
    """Run the command in `directory`, in a process group of its own if asked; what still runs at the end is killed."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "hubline.cli.main", *arguments),
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=group,
    )
    try:
        async with asyncio.timeout(60):
            yield Running(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
