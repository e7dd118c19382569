"""What do Redis and PostgreSQL carry as backplanes? Two minutes, on a machine with two cores or more.

    python -m benchmarks.run_databases [--seconds 3] [--rates 100,1000,...] [--fsync]

Messages of 200 bytes at a steady rate, from 64 senders of one process to another process, through Valkey and then
through PostgreSQL, which have a core to themselves; both processes are on another. For each rate: what arrived in a
second, the time from when a message was due to when it had arrived (so a sender that is late counts), and what the
database used of its core. The rate grows until fewer than 95 of 100 arrive in time, or one in a hundred takes longer
than a second: there it ends. PostgreSQL is started as for the tests, without waiting for the disk; `--fsync` waits.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvloop

from benchmarks.broker import Broker
from benchmarks.machine import cores, family, on_cpu
from hubline.backplanes.base import Backplane
from hubline.backplanes.postgres import PostgresBackplane
from hubline.backplanes.redis import RedisBackplane
from hubline.errors import BackplaneError
from tests import postgres

RATES = (100, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000)
SENDERS, SIZE = 64, 200
ENOUGH, SLOWEST = 0.95, 1.0
"""Share of the messages of a second that must arrive, and seconds within which 99 of 100 must."""
GRACE = 2.0
"""Seconds that late messages have to arrive."""
DUE = struct.Struct("d")

Found = dict[str, Any]


def backplane(kind: str, address: str) -> Backplane:
    return RedisBackplane(f"redis://{address}") if kind == "redis" else PostgresBackplane(address)


class Receiver:
    """Keeps how long each message has taken."""

    def __init__(self) -> None:
        self.took: list[float] = []

    def received(self, channel: str, payload: bytes) -> bool:
        self.took.append(time.monotonic() - DUE.unpack_from(payload)[0])
        return False

    def interrupted(self, since: object, until: object) -> None:
        raise AssertionError("the database was away")


def receive(kind: str, address: str, pipe: Any) -> None:
    """The receiving process: says that it listens, and hands over what came each time it is asked."""

    async def main() -> None:
        receiver = Receiver()
        link = await backplane(kind, address).connect(receiver)
        await link.subscribe(["bench"])
        pipe.send("ready")
        while await asyncio.to_thread(pipe.recv):
            took, receiver.took = receiver.took, []
            pipe.send(took)
        await link.close()

    uvloop.run(main())


async def publish(link: Any, rate: int, seconds: float) -> float:
    """At this rate in all. A sender that is late leaves nothing out, until time is up. Returns the seconds it took."""
    began = time.monotonic()
    every = SENDERS / rate

    async def send(number: int) -> None:
        due = began + every * number / SENDERS
        while due < began + seconds and time.monotonic() < began + seconds + GRACE:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            try:
                await link.publish(["bench"], DUE.pack(due).ljust(SIZE, b"x"))
            except BackplaneError:  # it does not keep up, and refuses more
                return
            due += every

    await asyncio.gather(*(send(number) for number in range(SENDERS)))
    return max(seconds, time.monotonic() - began)


async def measured(kind: str, address: str, pids: list[int], rates: list[int], seconds: float) -> list[Found]:
    """The figures of one database, for each rate until it does not keep up."""
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.get_context("spawn").Process(target=receive, args=(kind, address, theirs), daemon=True)
    receiver.start()
    found: list[Found] = []
    try:
        await asyncio.to_thread(ours.recv)
        link = await backplane(kind, address).connect(Receiver())
        await publish(link, rates[0], seconds / 3)  # until everything is warm
        await asyncio.sleep(GRACE / 4)
        for rate in rates:
            await _taken(ours)
            cpu = on_cpu(_all(pids))
            used = await publish(link, rate, seconds)
            took = await _taken(ours, wait=GRACE / 4)
            cpu = on_cpu(_all(pids)) - cpu
            found.append(_figures(kind, rate, rate * seconds, used, sorted(took), cpu))
            if not found[-1]["keeps_up"]:
                break
        await link.close()
        ours.send("")
    finally:
        await asyncio.to_thread(receiver.join, GRACE)
        receiver.kill()
    return found


async def _taken(pipe: Any, wait: float = 0.0) -> list[float]:
    """What has arrived, after a while for what is on its way."""
    await asyncio.sleep(wait)
    pipe.send("more")
    took: list[float] = await asyncio.to_thread(pipe.recv)
    return took


def _figures(kind: str, rate: int, asked: float, seconds: float, took: list[float], cpu: float) -> Found:
    p50, p99 = (took[min(int(len(took) * share), len(took) - 1)] if took else 0.0 for share in (0.5, 0.99))
    return {
        "database": kind,
        "asked_per_second": rate,
        "per_second": len(took) / seconds,
        "p50_ms": p50 * 1000,
        "p99_ms": p99 * 1000,
        "database_core": cpu / seconds,
        "database_us": cpu * 1e6 / max(1, len(took)),
        "keeps_up": len(took) / seconds >= ENOUGH * rate and len(took) >= ENOUGH * asked and p99 <= SLOWEST,
    }


def _all(pids: list[int]) -> list[int]:
    """Also the processes that PostgreSQL has made meanwhile, one for each connection."""
    return [each for pid in pids for each in family(pid)]


@contextmanager
def started_postgres(core: int, *, fsync: bool) -> Iterator[tuple[str, list[int]]]:
    """The address of a new database, and its processes, on this core."""
    settings = postgres.SETTINGS.replace("fsync=off", "fsync=on") if fsync else postgres.SETTINGS
    with postgres.server(settings) as directory:
        pid = int((directory / "data" / "postmaster.pid").read_text().split()[0])
        for each in family(pid):
            os.sched_setaffinity(each, {core})
        yield postgres.new_database(directory), [pid]


async def measure(rates: list[int], seconds: float, *, fsync: bool) -> list[Found]:
    core, ours = cores()
    os.sched_setaffinity(0, {ours})
    broker = Broker(core)
    await broker.start()
    try:
        found = await measured("redis", broker.address, broker.pids, rates, seconds)
    finally:
        await broker.close()
    with started_postgres(core, fsync=fsync) as (address, pids):
        return found + await measured("postgres", address, pids, rates, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--rates", default=",".join(map(str, RATES)))
    parser.add_argument("--fsync", action="store_true")
    arguments = parser.parse_args()
    rates = [int(rate) for rate in arguments.rates.split(",")]
    for found in uvloop.run(measure(rates, arguments.seconds, fsync=arguments.fsync)):
        rounded = {key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in found.items()}
        print(json.dumps(rounded), flush=True)


if __name__ == "__main__":
    main()
