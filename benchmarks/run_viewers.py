"""What does one token of a run cost in CPU, for each viewer?

    python -m benchmarks.run_viewers [--viewers 1000] [--tokens 1500] [--rate 150] [--merge 0.03]

One function writes tokens at a steady rate; N viewers are pumped into a writer that counts bytes and never waits, with
the JSON codec's own encoder. So it is only the library's part, without sockets. User time of the process, divided by
tokens and viewers; the time of a function without viewers is measured first and shown beside it.
"""

import argparse
import asyncio
import json
import resource
from collections.abc import Callable
from typing import Any

from hubline.runs import Run, Runs
from hubline.streams.download import pump
from hubline.wire.json import JsonCodec


class Counter:
    """A connection that takes everything."""

    cancelled = False

    def __init__(self) -> None:
        self.bytes = self.items = 0

    @property
    def write(self) -> Callable[[bytes], bool]:
        return self._write

    write_now = write

    def _write(self, packet: bytes) -> bool:
        self.bytes += len(packet)
        self.items += 1
        return True

    async def drain(self) -> None: ...


async def measure(viewers: int, tokens: int, rate: float, merge: float) -> dict[str, Any]:
    """Seconds of user time, and the bytes that were sent."""
    runs, codec = Runs(merge=merge), JsonCodec()

    async def answer(run: Run) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for number in range(tokens):
            await run.text(f"token{number % 10} ")
            due += 1 / rate
            await asyncio.sleep(max(0.0, due - loop.time()))

    run = await runs.start(answer)
    counters = [Counter() for _ in range(viewers)]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    pumps = [
        pump(runs.attach_encoded(run.id), codec.item_encoder(str(n)), each, each) for n, each in enumerate(counters)
    ]
    await asyncio.gather(run.wait(), *pumps)
    seconds = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
    items = sum(counter.items for counter in counters)
    return {"seconds": seconds, "items_per_viewer": items / max(1, viewers)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--viewers", type=int, default=1_000)
    parser.add_argument("--tokens", type=int, default=1_500)
    parser.add_argument("--rate", type=float, default=150.0)
    parser.add_argument("--merge", type=float, default=0.03)
    arguments = parser.parse_args()
    alone = asyncio.run(measure(0, arguments.tokens, arguments.rate, arguments.merge))
    watched = asyncio.run(measure(arguments.viewers, arguments.tokens, arguments.rate, arguments.merge))
    each = (watched["seconds"] - alone["seconds"]) / (arguments.tokens * arguments.viewers)
    print(
        json.dumps(
            {
                **vars(arguments),
                "alone_us_per_token": round(alone["seconds"] / arguments.tokens * 1e6, 1),
                "us_per_token_and_viewer": round(each * 1e6, 2),
                "items_per_viewer": watched["items_per_viewer"],
            }
        )
    )


if __name__ == "__main__":
    main()
