"""A server under measurement: alone on its core, with its CPU time and its memory."""

import asyncio
import contextlib
import os
import signal
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from benchmarks.machine import Usage, compiling, family, resident, usage
from benchmarks.peers import REFERENCE, Peer
from hubline.cli.load import LoadError

PATIENCE = 60.0
"""Seconds until a server must listen. ASP.NET Core takes some when it is unpacked for the first time."""

HOST = "127.0.0.1"

BACKPLANE = "REDIS"
"""The variable with the backplane of a server, as `host:port,prefix`. Both kinds of servers read it."""


class Server:
    """A running server."""

    def __init__(self, peer: Peer, port: int, process: asyncio.subprocess.Process) -> None:
        self.peer = peer
        self.port = port
        self.process = process
        self.pids = family(process.pid)

    @property
    def url(self) -> str:
        return f"ws://{HOST}:{self.port}{self.peer.path}"

    def usage(self) -> Usage:
        return usage(self.pids)

    def resident(self) -> int:
        return resident(self.pids)

    def compiling(self) -> float:
        return compiling(self.pids)

    def suspend(self) -> None:
        """Stop it until `resume`: it keeps everything and does nothing."""
        os.killpg(self.process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.killpg(self.process.pid, signal.SIGCONT)


@asynccontextmanager
async def running(peer: Peer, core: int, redis: str = "") -> AsyncIterator[Server]:
    """Start a peer on a core, and stop it. With the address of a Redis that is its backplane, behind a prefix.

    Raises:
        LoadError: it ends, or does not listen in time.
    """
    port = free_port()
    with tempfile.TemporaryFile() as log:
        process = await asyncio.create_subprocess_exec(
            *("taskset", "--cpu-list", str(core), *_command(peer, port)),
            env=_environment(peer, port, redis),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            if not await listens(port, process):
                log.seek(0)
                said = log.read().decode(errors="replace").strip().splitlines()
                raise LoadError(f"{peer.name} did not start: {said[-1] if said else 'it said nothing'}")
            yield Server(peer, port, process)
        finally:
            await _stop(process)


def _command(peer: Peer, port: int) -> list[str]:
    reference = os.environ.get(REFERENCE, "")
    return [part.format(port=port, reference=reference) for part in peer.command]


def _environment(peer: Peer, port: int, redis: str) -> dict[str, str]:
    own = {name: value.replace("{port}", str(port)) for name, value in peer.environment.items()}
    if redis:
        own[BACKPLANE] = f"{redis},{peer.key}:"
    return {name: value for name, value in os.environ.items() if name != BACKPLANE} | own


def free_port() -> int:
    """A free port."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


async def listens(port: int, process: asyncio.subprocess.Process) -> bool:
    """Wait until a process listens; whether it does in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while process.returncode is None:
                with contextlib.suppress(OSError):
                    _, writer = await asyncio.open_connection(HOST, port)
                    writer.close()
                    return True
                await asyncio.sleep(0.05)  # this works for every kind of server
    return False


async def _stop(process: asyncio.subprocess.Process) -> None:
    """Kill the process group. Without draining, because there is nothing to save."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()
