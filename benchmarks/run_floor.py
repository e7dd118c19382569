"""What is the least cost of a frame for each viewer? The same frames from a loop that does nothing else.

    python -m benchmarks.run_floor [--viewers 1000] [--seconds 5] [--every-ms 30] [--tokens 4.4]

A frame as viewers of a run get it, made beforehand, is written to N sockets at a steady rate: by `socket.send` in a
bare loop, and by the transports of uvloop, 64 in a turn as a run's pacer does. User and kernel time of the process that
writes, for one frame of one viewer, and for one of the tokens that are merged into it. The readers run on another
core, as the load of the benchmarks does.
"""

import argparse
import asyncio
import json
import multiprocessing
import os
import resource
import socket
from collections.abc import Callable, Sequence
from contextlib import closing

import uvloop

from benchmarks.machine import cores
from hubline.cli.load import allow_files
from hubline.runs.cursor import STRIDE
from hubline.websocket_frames import message_frame
from hubline.wire.json import JsonCodec

Write = Callable[[bytes], object]


def frame(characters: int) -> bytes:
    """The frame for one viewer, for text of this length."""
    item = {"kind": "text", "position": "abcdefgh-1234", "part": "1", "text": "x" * characters}
    return message_frame(JsonCodec().item_encoder("s1")(item), text=True)


async def measure(writes: Sequence[Write], written: bytes, times: int, every: float, stride: int) -> dict[str, float]:
    """Microseconds for each frame of each socket. A stride ends with a turn of the loop."""
    loop, before = asyncio.get_running_loop(), resource.getrusage(resource.RUSAGE_SELF)
    due = loop.time()
    for _ in range(times):
        due += every
        await asyncio.sleep(max(0.0, due - loop.time()))
        for start in range(0, len(writes), stride):
            for write in writes[start : start + stride]:
                write(written)
            if stride < len(writes):
                await asyncio.sleep(0)
    after, frames = resource.getrusage(resource.RUSAGE_SELF), times * len(writes)
    user, kernel = after.ru_utime - before.ru_utime, after.ru_stime - before.ru_stime
    return {"user_us": user * 1e6 / frames, "kernel_us": kernel * 1e6 / frames}


def read(port: int, viewers: int, core: int) -> None:
    """Take everything, until the process is stopped."""
    os.sched_setaffinity(0, {core})
    allow_files(viewers + 200)

    async def connect() -> None:
        loop = asyncio.get_running_loop()
        for _ in range(viewers):
            await loop.create_connection(asyncio.Protocol, "127.0.0.1", port)
        await loop.create_future()

    uvloop.run(connect())


async def both(viewers: int, times: int, every: float, written: bytes) -> dict[str, dict[str, float]]:
    """The figures of both ways to write."""
    core, other = cores()
    os.sched_setaffinity(0, {core})
    allow_files(2 * viewers + 200)
    with closing(socket.create_server(("127.0.0.1", 0), backlog=4096)) as listening:
        port = listening.getsockname()[1]
        reader = multiprocessing.get_context("spawn").Process(target=read, args=(port, viewers, other), daemon=True)
        reader.start()
        sockets = [listening.accept()[0] for _ in range(viewers)]
    try:
        for each in sockets:
            each.setblocking(False)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        by_socket = await measure([each.send for each in sockets], written, times, every, viewers)
        loop = asyncio.get_running_loop()
        transports = [(await loop.create_connection(asyncio.Protocol, sock=each))[0] for each in sockets]
        by_transport = await measure([each.write for each in transports], written, times, every, STRIDE)
    finally:
        reader.terminate()
    return {"socket.send": by_socket, "transport.write": by_transport}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--viewers", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--every-ms", type=float, default=30.0)
    parser.add_argument("--tokens", type=float, default=4.4, help="How many of 8 characters are in a frame.")
    arguments = parser.parse_args()
    every, tokens = arguments.every_ms / 1000, arguments.tokens
    written = frame(round(8 * tokens))
    found = uvloop.run(both(arguments.viewers, max(1, int(arguments.seconds / every)), every, written))
    for name, figures in found.items():
        figures["sum_us"] = sum(figures.values())
        rounded = {key: round(value, 2) for key, value in figures.items()}
        print(json.dumps({"write": name, **rounded, "us_per_token": round(figures["sum_us"] / tokens, 2)}))


if __name__ == "__main__":
    main()
