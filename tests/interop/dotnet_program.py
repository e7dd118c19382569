"""Programs in C# around Microsoft's .NET client: compiled by Mono's `mcs`, run by the reference peer's runtime.

    python -m tests.interop.dotnet_program ours|original json|messagepack ROUNDS SEEDS

prints for each seed what `dotnet/Reconnect.cs` lost or received twice. The original has no half-open sockets: it loses
its connection then. Decision: `docs/decisions/the-dotnet-client-and-stateful-reconnect.md`.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.interop.cutting_proxy import CuttingProxy
from tests.interop.running import contract_server, reference_server

SOURCE = Path(__file__).parent / "dotnet" / "Reconnect.cs"
REF_FIELD, ARRAY_FIELD = b"\x04\x06\x10\x13\x00", b"\x04\x06\x1d\x13\x00"
"""Signatures of a field: `ref T`, which `mcs` cannot read, and `T[]`. ECMA-335, II.23.2.4."""


def peer() -> Path:
    """The folder of the reference peer, which unpacks itself, once, into the folder for temporary files."""
    parent = os.environ.get("REFPEER_PARENT") or tempfile.gettempdir()
    run = ["bash", os.environ["HUBLINE_REFPEER"], "client", "http://127.0.0.1:9", "no such check"]
    subprocess.run(run, env=os.environ | {"REFPEER_PARENT": parent}, check=True, stdout=subprocess.DEVNULL)
    return Path(parent) / "refpeer"


def compiled(source: Path, folder: Path, *more: Path) -> Path:
    """Compile a program into the folder, of this source and more."""
    program = folder / f"{source.stem}.dll"
    mistakes = mistakes_in(source, *more, program=program)
    assert not mistakes, mistakes
    return program


def mistakes_in(*sources: Path, program: Path) -> str:
    """What the compiler says against sources; if that is nothing, it has made the program.

    `mcs` reads the runtime's own assemblies. `ReadOnlySpan<T>` and `Span<T>` have a field that is younger than `mcs`,
    so it reads a copy of their assembly in which these fields are arrays. The program runs with the original.
    """
    home = peer()
    (runtime,) = (home / "dotnet" / "shared" / "Microsoft.NETCore.App").iterdir()
    core = program.parent / "System.Private.CoreLib.dll"
    core.write_bytes((runtime / core.name).read_bytes().replace(REF_FIELD, ARRAY_FIELD))
    references = [*runtime.glob("System*.dll"), *(home / "client").glob("M*.dll")]
    names = [core, *(each for each in references if each.name != core.name)]
    options = ["-nostdlib", "-noconfig", "-langversion:7", f"-out:{program}"]
    command = ["mcs", *options, *(f"-r:{each}" for each in names), *map(str, sources)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def output_of(program: Path, *arguments: str, seconds: float) -> str:
    """Run a program that `compiled` made, and return what it wrote."""
    home = peer()
    own = home / "client" / "Client"
    command = [str(home / "dotnet" / "dotnet"), "exec", "--runtimeconfig", f"{own}.runtimeconfig.json"]
    command += ["--depsfile", f"{own}.deps.json", str(program), *arguments]
    environment = os.environ | {"DOTNET_ROOT": str(home / "dotnet"), "DOTNET_CLI_TELEMETRY_OPTOUT": "1"}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, timeout=seconds, check=False)
    assert done.returncode == 0, done.stdout
    return done.stdout


@dataclass
class Findings:
    """What the program at work received, and what was wrong."""

    errors: list[str]
    unfinished: list[str]
    closed: list[str]
    messages: list[list[str]]
    asked: list[list[int]]

    def assert_nothing_lost_and_nothing_doubled(self, rounds: int) -> None:
        assert [self.errors, self.unfinished, self.closed] == [[], [], []]
        sent = [*(f"message {n}" for n in range(rounds)), "last"]
        assert self.messages == [sent, sent]
        assert self.asked == [list(range(rounds)), []]


def at_work(program: Path, url: str, protocol: str, rounds: int, seconds: int = 60) -> Findings:
    """Two connections at work; what has not ended after so many seconds is `unfinished`."""
    output = output_of(program, url, protocol, str(rounds), str(seconds), seconds=seconds + 60)
    return Findings(**json.loads(output))


async def _report(url: str, ours: bool, program: Path, protocol: str, rounds: int, seed: int) -> None:
    proxy = CuttingProxy(url, seed=seed, half_open=ours)
    async with proxy.running() as address:
        found = await asyncio.to_thread(at_work, program, address, protocol, rounds, 20)
    received: list[list[Any]] = [*found.messages, found.asked[0]]
    doubled = sum(len(each) - len(set(each)) for each in received)
    counts = [len(each) for each in received]
    print(f"seed {seed}: {proxy.cuts} cuts, {counts} received, {doubled} doubled, unfinished: {found.unfinished},")
    print(f"  errors: {[each[:80] for each in found.errors]}, closed: {len(found.closed)}", flush=True)


def main(server: str, protocol: str, rounds: str, seeds: str) -> None:
    ours = server == "ours"
    with tempfile.TemporaryDirectory() as folder, contract_server() if ours else reference_server() as url:
        program = compiled(SOURCE, Path(folder))
        for seed in range(1, int(seeds) + 1):
            asyncio.run(_report(url, ours, program, protocol, int(rounds), seed))


if __name__ == "__main__":
    main(*sys.argv[1:])
