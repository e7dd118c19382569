"""The contract server as one of several workers, each at an address of its own, so that tests choose theirs.

    python -m tests.interop.worker_server --hub DIRECTORY
    WORKER=0,DIRECTORY python -m tests.interop.worker_server --port 0

The first is the hub between them. Otherwise they are what `hubline run --workers` starts: same backplane, same nodes.
"""

import asyncio
import os
import signal
import sys

from hubline import _worker
from hubline._worker import Worker
from hubline.backplanes.local_hub import LocalHub
from tests.interop import contract_server

SECRET = "the secret of workers in the tests"


async def carry(path: str) -> None:
    """Be the hub until SIGTERM."""
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    hub = LocalHub()
    await hub.start(path)
    print(f"listening on {path}", flush=True)
    await stopped.wait()
    await hub.close()


if __name__ == "__main__":
    if sys.argv[1] == "--hub":
        asyncio.run(carry(Worker(-1, sys.argv[2], SECRET).hub))
    else:
        number, _, directory = os.environ["WORKER"].partition(",")
        _worker.current = Worker(int(number), directory, SECRET)
        contract_server.main()
