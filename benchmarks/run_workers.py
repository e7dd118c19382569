"""What do several workers cost, and what do they bring? Two minutes, on a machine with two cores or more.

    python -m benchmarks.run_workers [--seconds 2] [--rounds 3]

1. **Cost.** 1, 2 and 4 workers, all on one core, and the load on another. CPU of all their processes together (parent
   and hub included), for each call and for each delivered message of a group with 100 members
   on each. Where the cost of a call does not
   grow, N cores serve N times the calls, as long as the cores do not hinder each other.
2. **Rate.** Whether they do: two workers of one server, each on a core of its own, beside a process on the same core
   that calls this worker only. First one of the two works and the other core is idle, then both do. So a worker and its
   load have the same in either case, nothing is left over on a core that works, and the ratio of the rates is what the
   second core brings. `times_by_cpu` is twice the CPU of a call of one by that of both: where other programs take a
   part of the cores, it is the more reliable ratio.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import uvloop

from benchmarks.machine import cores, family, usage
from benchmarks.peers import PEERS
from benchmarks.process import HOST, Server, _stop, free_port, listens
from benchmarks.rows.broadcasts import calling
from benchmarks.rows.calls import TEXT, echo
from benchmarks.rows.measuring import Bench, Run, close, connected
from benchmarks.settings import Settings
from hubline.cli.calls import call_for
from hubline.cli.dialect import SignalR
from hubline.cli.load import Connection, LoadError, connect_many

WORKERS = (1, 2, 4)
MEMBERS, SENDERS = 100, 8


@asynccontextmanager
async def serving(workers: int, *on: int) -> AsyncIterator[Server]:
    """`hubline run` with so many workers, on these cores."""
    port, run = free_port(), ("run", "benchmarks.servers.workers_app:app", "--no-access-log", "--log-level=warning")
    process = await asyncio.create_subprocess_exec(
        *("taskset", "--cpu-list", ",".join(map(str, on))),
        *(sys.executable, "-m", "hubline.cli.main", *run, f"--port={port}", f"--workers={workers}"),
        stderr=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        said = b""
        while line := await process.stderr.readline():  # it says this when all workers are ready
            said += line
            if b"listens on" in line:
                break
        if b"listens on" not in said or not await listens(port, process):
            raise LoadError(f"no server: {said.decode(errors='replace')}")
        yield Server(PEERS[0], port, process)
    finally:
        await _stop(process)


# What it costs


async def cost(workers: int, settings: Settings) -> dict[str, float]:
    """µs of all processes for each call, and for each delivered message; medians of the rounds.

    Each worker has as many callers as one alone: a server takes what has arrived in one go, so more are cheaper.
    """
    core, _ = cores()
    async with serving(workers, core) as server:
        bench = Bench(server, settings)
        async with connected(bench, workers * settings.callers) as callers:
            calls = await _rounds(bench, echo(bench, callers, "EchoText", TEXT))
        async with connected(bench, SENDERS * workers) as senders, connected(bench, MEMBERS * workers) as members:
            for each in members:
                await each.call("Join", "bench")
            messages = await _rounds(bench, calling(bench, senders, members, "ToGroup", "bench"))
    return {"workers": workers, "us_per_call": calls, "us_per_message": messages}


async def _rounds(bench: Bench, run: Run) -> float:
    await run(bench.settings.warm_last)
    found = [await run(bench.settings.seconds) for _ in range(bench.settings.rounds)]
    return statistics.median(figures["user_us"] + figures["kernel_us"] for figures in found)


# What it brings


async def on_process(port: int, pid: int, clients: int) -> list[Connection]:
    """So many connections to this worker. The system chooses the worker of each, so others are closed again."""
    found: list[Connection] = []
    while len(found) < clients:
        new = await connect_many(clients, f"ws://{HOST}:{port}/hub", SignalR())
        there = [await each.call("ProcessId") == pid for each in new]
        close([each for each, right in zip(new, there, strict=True) if not right])
        found += [each for each, right in zip(new, there, strict=True) if right]
    close(found[clients:])
    return found[:clients]


async def call(port: int, pid: int, clients: int, seconds: float) -> None:
    """A process of the load: connects, waits for a line, calls, and prints what came of it; again and again."""
    connections = await on_process(port, pid, clients)
    print("ready", flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        calls = await call_for(seconds, connections, "EchoText", [TEXT], check=True)
        answered = {"calls": len(calls.latencies), "seconds": calls.seconds, "errors": calls.errors.total()}
        print(
            json.dumps(answered | {"load_us": calls.client_cpu * calls.seconds * 1e6 / len(calls.latencies)}),
            flush=True,
        )
    close(connections)


async def processes(port: int, workers: int) -> list[int]:
    """Those of the workers."""
    found: set[int] = set()
    while len(found) < workers:
        for each in await connect_many(1, f"ws://{HOST}:{port}/hub", SignalR()):
            found.add(await each.call("ProcessId"))
            each.close()
    return sorted(found)


@asynccontextmanager
async def load_on(core: int, port: int, pid: int, settings: Settings) -> AsyncIterator[asyncio.subprocess.Process]:
    """A worker and a process that calls it, both on this core."""
    os.sched_setaffinity(pid, {core})
    process = await asyncio.create_subprocess_exec(
        *("taskset", "--cpu-list", str(core), sys.executable, "-m", "benchmarks.run_workers"),
        *("--port", str(port), "--process", str(pid)),
        *("--clients", str(settings.callers), "--seconds", str(settings.seconds)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        if await _line(process) != b"ready\n":
            raise LoadError("a process of the load did not connect")
        yield process
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()


async def loaded(server: Server, loads: Sequence[asyncio.subprocess.Process]) -> dict[str, float]:
    """Calls a second, and µs of all processes of the server, and of the load, for each."""
    pids = family(server.process.pid)
    before = usage(pids).total
    for process in loads:
        assert process.stdin is not None
        process.stdin.write(b"\n")
    found = [json.loads(await _line(process)) for process in loads]
    used = usage(pids).total - before
    if any(each["errors"] for each in found):
        raise LoadError("calls failed")
    return {
        "per_second": sum(each["calls"] / each["seconds"] for each in found),
        "server_us": used * 1e6 / sum(each["calls"] for each in found),
        "load_us": statistics.mean(each["load_us"] for each in found),
    }


async def _line(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    return await process.stdout.readline()


async def rates(settings: Settings) -> list[dict[str, Any]]:
    """One core with everything, and two cores with twice everything, in turns."""
    both = cores()
    if both[0] == both[1]:
        return []
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving(2, *both))
        loads = [
            await stack.enter_async_context(load_on(core, server.port, pid, settings))
            for core, pid in zip(both, await processes(server.port, 2), strict=True)
        ]
        await loaded(server, loads)  # until they are warm
        await loaded(server, loads)
        found = [
            (await loaded(server, [loads[number % 2]]), await loaded(server, loads))
            for number in range(2 * settings.rounds)
        ]
    times = [together["per_second"] / alone["per_second"] for alone, together in found]
    one, two = _median([alone for alone, _ in found]), _median([together for _, together in found])
    cpu = [each["server_us"] + each["load_us"] for each in (one, two)]
    return [
        {"cores": 1, **one},
        {
            "cores": 2,
            **two,
            "times_by_cpu": 2 * cpu[0] / cpu[1],
            "times": statistics.median(times),
            "worst": min(times),
            "best": max(times),
        },
    ]


def _median(found: list[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(each[name] for each in found) for name in found[0]}


async def measure(settings: Settings) -> None:
    everything = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores()[1]})
    for workers in WORKERS:
        _print(await cost(workers, settings))
    os.sched_setaffinity(0, everything)
    for found in await rates(settings):
        _print(found)


def _print(found: dict[str, Any]) -> None:
    rounded = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in found.items()}
    print(json.dumps(rounded), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--process", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.port is not None:
        uvloop.run(call(arguments.port, arguments.process, arguments.clients, arguments.seconds))
        return
    settings = Settings(
        rounds=arguments.rounds,
        seconds=arguments.seconds,
        warm_last=2 * arguments.seconds,
        callers=arguments.clients,
    )
    uvloop.run(measure(settings))


if __name__ == "__main__":
    main()
