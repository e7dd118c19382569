"""Programs as processes of their own, for the tests that need a whole one."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

END = 30.0
"""Seconds for a process to be gone after it was killed."""


@asynccontextmanager
async def child_process(*command: str, **options: Any) -> AsyncIterator[asyncio.subprocess.Process]:
    """A program with the options of `asyncio.create_subprocess_exec`; if it still runs at the end, it is killed."""
    process = await asyncio.create_subprocess_exec(*command, **options)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await end_of(process)


@asynccontextmanager
async def process_group(*command: str, directory: Path, limit: float) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process in a group of its own, for `limit` seconds; what is left of the group at the end is killed.

    The whole group: a child that goes on alone would hold our end of its output.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        cwd=directory,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(limit):
            yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await end_of(process)


async def end_of(process: asyncio.subprocess.Process) -> None:
    """Return when a process that ends has ended and our ends of its pipes are closed.

    `wait()` alone returns at once if the process has ended, whatever its pipes do: one that is left open is complained
    of when the garbage collector finds it, in the middle of another test.
    """
    async with asyncio.timeout(END):
        if process.stdin is not None:
            process.stdin.close()
            with suppress(ConnectionError):
                await process.stdin.wait_closed()
        await process.communicate()


async def until_it_listens(port: int, process: asyncio.subprocess.Process) -> None:
    """Return when somebody takes connections at this port, for a program that does not say when it does.

    Raises AssertionError if the process ends.
    """
    while process.returncode is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0)
        else:
            writer.close()
            return
    raise AssertionError(f"the process ended with {process.returncode}")
