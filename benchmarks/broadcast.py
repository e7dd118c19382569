"""How much server CPU does one broadcast message cost per recipient?

A server process (uvicorn, uvloop) and a client process (this one) with N WebSockets over loopback. The server sends R
messages of `--size` characters to everybody: `burst` sends them in one loop turn, so that joining can show; `paced`
sends one every `--every` milliseconds, so that each is a write of its own. The clock stops when every connection has
got the last byte. The CPU time of the server process (getrusage), user and kernel apart, is divided by N·R.

    python -m benchmarks.broadcast [--connections 1000] [--messages 200] [--json benchmarks/results/broadcast.json]
"""

import argparse
import asyncio
import json
import os
import platform
import re
import resource
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import uvloop

from hubline import Hub, HubApp, TransportOptions
from hubline.servers.uvicorn import serve

END_OF_MESSAGE = b"]}\x1e"
"""How an invocation ends in JSON; pings and completions end otherwise."""
SPARE_FILES = 64


class BroadcastHub(Hub):
    """The server's side."""

    async def burst(self, messages: int, size: int) -> None:
        text = "x" * size
        for _ in range(messages):
            await self.clients.all.send("ReceiveMessage", "alice", text)

    async def paced(self, messages: int, size: int, every: float) -> None:
        text = "x" * size
        for _ in range(messages):
            await self.clients.all.send("ReceiveMessage", "alice", text)
            await asyncio.sleep(every)

    async def usage(self) -> tuple[float, float]:
        """CPU seconds of the server so far: user, kernel."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        return used.ru_utime, used.ru_stime


class Connection(asyncio.Protocol):
    """A WebSocket that only counts messages; the cheapest reader, because it shares the machine with the server."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._tail = b""
        self._kept: bytearray | None = None
        self._left = 0
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.counted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(
            b"GET /hub HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )

    def send(self, payload: bytes) -> None:
        """One text frame of fewer than 126 bytes, masked with zeros."""
        self._transport.write(bytes((0x81, 0x80 | len(payload))) + bytes(4) + payload)

    def count(self, messages: int) -> None:
        """Have `counted` done when that many more messages are here."""
        self._left, self.counted = messages, asyncio.get_running_loop().create_future()

    async def invoke(self, target: str, *arguments: Any) -> Any:
        """Call a hub method."""
        self._kept = bytearray()
        self._answer = asyncio.get_running_loop().create_future()
        call = {"type": 1, "invocationId": "1", "target": target, "arguments": arguments}
        self.send(json.dumps(call).encode() + b"\x1e")
        return await self._answer

    def data_received(self, data: bytes) -> None:
        if not self.opened.done():
            self._open(data)
            return
        if self._kept is not None:
            self._keep(data)
        data = self._tail + data
        self._tail = data[-len(END_OF_MESSAGE) + 1 :]
        if self._left:
            self._left -= data.count(END_OF_MESSAGE)
            if self._left <= 0:
                self.counted.set_result(None)

    def _open(self, data: bytes) -> None:
        """Upgrade, then handshake: uvicorn loses what comes in one piece with the upgrade."""
        upgrading = b"\r\n\r\n" not in self._tail
        self._tail += data
        if upgrading and b"\r\n\r\n" in self._tail:
            self.send(b'{"protocol":"json","version":1}\x1e')
        if b"{}\x1e" in self._tail:
            self._tail = b""
            self.opened.set_result(None)

    def _keep(self, data: bytes) -> None:
        assert self._kept is not None
        self._kept += data
        if found := re.search(rb'\{"type":3[^\x1e]*\x1e', self._kept):
            self._kept = None
            answer = json.loads(found[0][:-1])
            if "error" in answer:
                self._answer.set_exception(RuntimeError(answer["error"]))
            else:
                self._answer.set_result(answer["result"])

    def connection_lost(self, error: Exception | None) -> None:
        for waiting in (self.opened, self.counted, self._answer):
            if not waiting.done():
                waiting.set_exception(ConnectionError("the server closed a connection"))
                waiting.exception()  # somebody else may be waiting for another one of these

    def close(self) -> None:
        self._transport.close()


@dataclass(frozen=True)
class Cost:
    """Of one run: microseconds of server CPU per delivered message, and how fast they came."""

    user_us: float
    kernel_us: float
    delivered_per_second: float


async def measure(connections: list[Connection], mode: str, messages: int, *arguments: Any) -> Cost:
    """One run of a mode."""
    control = connections[0]
    before = await control.invoke("usage")
    for connection in connections:
        connection.count(messages)
    started = time.perf_counter()
    await control.invoke(mode, messages, *arguments)
    await asyncio.gather(*(connection.counted for connection in connections))
    elapsed = time.perf_counter() - started
    after = await control.invoke("usage")
    delivered = len(connections) * messages
    user, kernel = ((end - begin) * 1e6 / delivered for begin, end in zip(before, after, strict=True))
    return Cost(user, kernel, delivered / elapsed)


async def run(options: argparse.Namespace) -> dict[str, list[Cost]]:
    """Start the server, connect everybody, measure each mode `--repeat` times."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "benchmarks.broadcast", "--serve", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        port = int((await process.stdout.readline()).decode().rpartition(":")[2])
        connections = [await _connect(port) for _ in range(options.connections)]
        await measure(connections, "burst", min(options.messages, 20), options.size)  # warm up
        costs: dict[str, list[Cost]] = {"burst": [], "paced": []}
        for _ in range(options.repeat):
            costs["burst"].append(await measure(connections, "burst", options.messages, options.size))
            paced = (options.size, options.every / 1000)
            costs["paced"].append(await measure(connections, "paced", options.messages, *paced))
        for connection in connections:
            connection.close()
        return costs
    finally:
        process.terminate()
        await process.wait()


async def _connect(port: int) -> Connection:
    _, connection = await asyncio.get_running_loop().create_connection(Connection, "127.0.0.1", port)
    await connection.opened
    return connection


def report(costs: dict[str, list[Cost]], options: argparse.Namespace) -> dict[str, Any]:
    """Print the table; gives what is worth keeping."""
    print(f"{options.connections} connections, {options.messages} messages of {options.size} characters")
    print(f"{'mode':8}{'user µs':>10}{'kernel µs':>11}{'spread of the sum':>22}{'delivered/s':>14}")
    for mode, runs in costs.items():
        middle = sorted(runs, key=lambda cost: cost.user_us + cost.kernel_us)[len(runs) // 2]
        sums = [cost.user_us + cost.kernel_us for cost in runs]
        rate = statistics.median(cost.delivered_per_second for cost in runs)
        spread = f"{min(sums):.2f}-{max(sums):.2f}"
        print(f"{mode:8}{middle.user_us:10.2f}{middle.kernel_us:11.2f}{spread:>22}{rate:14,.0f}")
    packages = ("hubline", "uvicorn", "uvloop", "websockets", "msgspec")
    return {
        "question": "How much server CPU does one broadcast message cost per recipient?",
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {package: version(package) for package in packages},
        "machine": {"cpu": _cpu(), "cores": os.cpu_count(), "system": f"{platform.system()} {platform.release()}"},
        "parameters": {name: getattr(options, name) for name in ("connections", "messages", "size", "every", "repeat")},
        "runs": {mode: [asdict(cost) for cost in runs] for mode, runs in costs.items()},
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())


def allow_files(count: int) -> None:
    """Raise the limit of open files as far as needed. Exits when the system does not allow that many."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        sys.exit(f"{count} open files are needed, the system allows {hard}: raise it (ulimit -Hn) or take fewer")
    if soft < count:
        resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--connections", type=int, default=1000)
    parser.add_argument("--messages", type=int, default=200, help="broadcasts in a run")
    parser.add_argument("--size", type=int, default=64, help="characters of the text in each")
    parser.add_argument("--every", type=float, default=30.0, help="milliseconds between paced broadcasts")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path, help="file that one line with the result is appended to")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    options = parse(arguments)
    if options.serve:
        hubs = HubApp(
            {"/hub": BroadcastHub},
            transport=TransportOptions(maximum_connections=100_000),
            blocking_warning=None,  # a burst is meant to fill the loop
        )
        uvloop.run(
            serve(hubs, "127.0.0.1", 0, log_level="warning", access_log=False, ready=lambda url: print(url, flush=True))
        )
        return
    allow_files(options.connections + SPARE_FILES)
    result = report(uvloop.run(run(options)), options)
    if options.json is not None:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        with options.json.open("a") as file:
            file.write(json.dumps(result) + "\n")


if __name__ == "__main__":
    main()
