"""How `hubline run` ends when user code does not let go, and at a second signal."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cli.running import Running, hubline
from tests.servers.raw_client import RawWebSocket

HUBS = """
import asyncio, signal, threading, time
from contextlib import asynccontextmanager
from hubline import Hub, HubApp

class Chat(Hub):
    async def swallow(self) -> None:
        print("entered", flush=True)
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
    async def swallow_everything(self) -> None:
        print("entered", flush=True)
        while True:
            try:
                await asyncio.Event().wait()
            except BaseException:
                pass
    def block(self) -> None:
        print("entered", flush=True)
        threading.Event().wait()
    def blocking_generator(self):
        print("entered", flush=True)
        threading.Event().wait()
        yield 1
    async def swallowing_stream(self):
        yield 1
        await self.swallow()
    async def hold_the_loop(self) -> None:
        print("entered", flush=True)
        while True:
            time.sleep(1)
    async def two_signals_at_once(self) -> None:
        both = (signal.SIGINT, signal.SIGTERM)
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for each in both:
            signal.pthread_kill(threading.main_thread().ident, each)
        print("entered", flush=True)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)
        await self.swallow()
    async def on_disconnected(self, error) -> None:
        print("on_disconnected", flush=True)

hubs = HubApp({"/chat": Chat})

@asynccontextmanager
async def lifespan(app):
    async with hubs.lifespan(app) as state:
        yield state
    print("cleaned up", flush=True)

from starlette.applications import Starlette
app = Starlette(lifespan=lifespan)
app.mount("/", hubs)
"""

HANDSHAKE = b'{"protocol":"json","version":1}\x1e'


@asynccontextmanager
async def inside(
    directory: Path, method: str, *arguments: str, kind: int = 1
) -> AsyncIterator[tuple[Running, RawWebSocket]]:
    """`hubline run` with a client whose call has begun."""
    (directory / "hubs.py").write_text(HUBS)
    async with hubline(directory, "run", "hubs:app", "--port", "0", *arguments) as command:
        client = await RawWebSocket.open(await command.url(), "/chat")
        client.send(HANDSHAKE)
        client.send(b'{"type":%d,"invocationId":"1","target":"%s","arguments":[]}\x1e' % (kind, method.encode()))
        await command.until("entered")
        yield command, client
        client.close()


@pytest.mark.parametrize(
    ("method", "kind", "text"),
    [
        ("Swallow", 1, "Chat.swallow of connection "),
        ("SwallowEverything", 1, "Chat.swallow_everything of connection "),
        ("SwallowingStream", 4, "Chat.swallowing_stream of connection "),
        ("Block", 1, "Chat.block of connection "),
        ("BlockingGenerator", 4, "Chat.blocking_generator of connection "),
    ],
)
@pytest.mark.parametrize("path", ["--accelerate", "--no-accelerate"])
async def test_what_does_not_end_is_named_and_the_process_ends(
    tmp_path: Path, method: str, kind: int, text: str, path: str
) -> None:
    async with inside(tmp_path, method, path, kind=kind) as (command, _):
        command.process.terminate()
        assert await command.end() == 0
    log = "".join(command.log)
    (line,) = [line for line in log.splitlines() if text in line]
    assert "abandoned" in line
    assert "on_disconnected\n" in log
    assert "cleaned up\n" in log


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_second_signal_ends_the_process_though_the_loop_is_held(tmp_path: Path, number: signal.Signals) -> None:
    """The waiting process sees which signal it was; a shell shows 128 and its number."""
    async with inside(tmp_path, "HoldTheLoop") as (command, _):
        command.process.send_signal(number)
        while not default_again(command.process.pid, number):  # noqa: ASYNC110  # it sets no event of ours
            await asyncio.sleep(0)
        command.process.send_signal(number)
        assert await command.end() == -number


def default_again(pid: int, number: signal.Signals) -> bool:
    """Whether the process has no handler for the signal any more."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = int(next(line for line in status.splitlines() if line.startswith("SigCgt:")).split()[1], 16)
    return not caught & (1 << (number - 1))


@pytest.mark.parametrize("path", ["--accelerate", "--no-accelerate"])
async def test_two_signals_at_the_same_moment_are_two(tmp_path: Path, path: str) -> None:
    """Both have come before Python runs a handler for the first: the second ends the process, and nothing is said."""
    async with inside(tmp_path, "TwoSignalsAtOnce", path) as (command, _):
        assert await command.end() == -signal.SIGTERM
    log = "".join(command.log)
    assert "OSError" not in log
    assert "ignored" not in log


async def test_with_reload_ctrl_c_cleans_up(tmp_path: Path) -> None:
    """A terminal sends the signal to the supervisor and to the server alike."""
    (tmp_path / "hubs.py").write_text(HUBS)
    async with hubline(tmp_path, "run", "hubs:app", "--port", "0", "--reload") as command:
        client = await RawWebSocket.open(await command.url(), "/chat")
        client.send(HANDSHAKE)
        assert (await client.frame())[1] == b"{}\x1e"
        os.killpg(command.process.pid, signal.SIGINT)
        assert await client.messages() == ['{"type":7,"allowReconnect":true}\x1e', "close 1000"]
        assert await command.end() == 0
    log = "".join(command.log)
    assert "on_disconnected\n" in log
    assert "cleaned up\n" in log
    assert "Traceback" not in log
    assert "KeyboardInterrupt" not in log


async def test_with_reload_a_second_signal_ends_both_processes(tmp_path: Path) -> None:
    async with inside(tmp_path, "HoldTheLoop", "--reload") as (command, _):
        command.process.terminate()
        while command.process.returncode is None:
            await asyncio.sleep(0)
            command.process.terminate()
        await command.end()
