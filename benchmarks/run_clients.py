"""What do clients spend on a call and on an item of a stream? Hubline's beside others, on the same Hubline server.

    python -m benchmarks.run_clients [--calls 5000] [--items 100000] [--tokens 2000] [--rounds 5] [--many 1000]

The server has one core, the client another. Each client is a program in benchmarks/clients that makes calls one after
another, reads a stream at full speed, and one whose items come every millisecond, as a model's tokens do. A fifth of
each warms up. It says what CPU it used. The clients take turns. Printed is a line for each client and codec with the
medians, in µs, then one for many connections.
"""

import argparse
import asyncio
import importlib.util
import json
import shutil
import statistics
import sys
from dataclasses import dataclass
from typing import Any

from benchmarks.machine import ROOT, cores, installed
from benchmarks.peers import NODE, named
from benchmarks.process import running


@dataclass(frozen=True)
class Client:
    """`needs` is a module of Python, or nothing."""

    name: str
    command: tuple[str, ...]
    needs: str = ""

    def missing(self) -> bool:
        if self.command[0] == "node":
            packages = NODE / "node_modules" / "@microsoft"
            return shutil.which("node") is None or not (packages / "signalr-protocol-msgpack").exists()
        return bool(self.needs) and importlib.util.find_spec(self.needs) is None


def _python(module: str) -> tuple[str, ...]:
    return (sys.executable, "-m", f"benchmarks.clients.{module}")


CLIENTS = (
    Client("hubline.client", _python("hubline_client")),
    Client("hubline.client.sync", _python("hubline_sync_client")),
    Client("pysignalr", _python("pysignalr_client"), "pysignalr"),
    Client("signalrcore", _python("signalrcore_client"), "signalrcore"),
    Client("@microsoft/signalr", ("node", str(NODE / "client.js"))),
)
CODECS = ("json", "messagepack")


async def run(core: int, *command: str) -> Any:
    """What a program prints, pinned to a core. Raises RuntimeError with what it said when it fails."""
    process = await asyncio.create_subprocess_exec(
        *("taskset", "--cpu-list", str(core), *command),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {errors.decode(errors='replace').strip()[-2_000:]}")
    return json.loads(out.splitlines()[-1])


def version_of(client: Client) -> str | None:
    if client.command[0] != "node":
        return installed(client.needs) if client.needs else None
    found = json.loads((NODE / "node_modules" / "@microsoft" / "signalr" / "package.json").read_text())["version"]
    return str(found)


async def measure(counts: list[int], rounds: int, many: int, only: list[str]) -> None:
    """`counts`: of calls, items and tokens."""
    server_core, client_core = cores()
    (peer,) = named(["hubline"])
    here = [client for client in CLIENTS if (not only or client.name in only) and not client.missing()]
    for client in CLIENTS:
        if client.missing():
            print(f"{client.name} is not installed, and is left out", file=sys.stderr)
    found: dict[tuple[str, str], list[Any]] = {(each.name, codec): [] for codec in CODECS for each in here}
    async with running(peer, server_core) as server:
        for _ in range(rounds):
            for codec in CODECS:
                for client in here:
                    figures = await run(client_core, *client.command, server.url, codec, *map(str, counts))
                    found[client.name, codec].append(figures)
                    print(f"{client.name}, {codec}: {json.dumps(figures)}", file=sys.stderr)
        for (name, codec), results in found.items():
            version = next(version_of(each) for each in here if each.name == name)
            line: dict[str, Any] = {"client": name, "version": version, "codec": codec}
            for part in ("calls", "items", "tokens"):
                for figure in ("user_us", "system_us", "wall_us"):
                    median = statistics.median(each[part][figure] for each in results)
                    line[f"{part}_{figure}"] = round(median, 2)
            print(json.dumps(line))
        if many:
            print(json.dumps(await run(client_core, *_python("hubline_many"), server.url, str(many))))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--calls", type=int, default=5_000)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--tokens", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--many", type=int, default=1_000)
    parser.add_argument("--client", action="append", default=[], help="only this one; may be repeated")
    given = parser.parse_args()
    asyncio.run(measure([given.calls, given.items, given.tokens], given.rounds, given.many, given.client))


if __name__ == "__main__":
    main()
