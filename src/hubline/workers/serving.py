"""The processes of `hubline run --workers`: one carries messages between the workers, the others serve."""

import asyncio
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from uvicorn.config import STARTUP_FAILURE

from hubline import _worker
from hubline.backplanes.local_hub import LocalHub
from hubline.servers.garbage import collect_rarely
from hubline.servers.listening import bind
from hubline.servers.uvicorn import Server
from hubline.workers.children import HAND_OVER, Main, Parent
from hubline.workers.directory import Stay, directory
from hubline.workers.supervisor import LEAVE_TIME, Supervisor

logger = logging.getLogger("hubline.workers")

BALANCED = sys.platform == "linux"
"""Whether the system spreads new connections evenly over the sockets of one port (SO_REUSEPORT)."""

BEAT = 1.0
"""Seconds between two signs of life of the hub; of a worker see `servers.uvicorn.TICK`."""

TOUCH = 3600.0
"""Seconds between two times at which all files of the workers are made new. Ours: what removes old ones takes days."""


def listening(host: str, port: int, workers: int) -> list[list[socket.socket]]:
    """The listening sockets of each worker, all on one port; port 0 takes a free one.

    Each worker has its own, so that the system spreads connections evenly. The parent makes and keeps them: a client
    that connects while a worker is replaced waits for the next one and is not refused. Where the system does not spread
    connections, all workers share the same socket.

    Raises:
        OSError: as `hubline.servers.uvicorn.bind`; also when another program listens there.
    """
    first = bind(host, port, shared=BALANCED and not port)  # a port in use is an error: a named one is not shared yet
    if not BALANCED:
        return [first] * workers
    if port:
        for each in first:
            each.close()
        return [bind(host, port, shared=True) for _ in range(workers)]
    chosen = first[0].getsockname()[1]  # it is kept meanwhile, or another program could be given it
    return [first, *(bind(host, chosen, shared=True) for _ in range(workers - 1))]


def serve(
    make_server: Callable[[Callable[[str], None], Callable[[], None]], Server],
    sockets: Sequence[Sequence[socket.socket]],
    *,
    drain_timeout: float,
    hang_timeout: float,
    announce: Callable[[], None],
) -> int:
    """Serve with one worker for each item of `sockets`, until a signal comes. Returns the status for the process.

    `make_server` is called in each worker: it loads the application. It takes what the server calls when it is ready,
    with its URL, and what it calls each second from its event loop. A worker that does not for `hang_timeout` seconds
    is replaced; 0 turns that off.

    Raises:
        ConfigurationError: there is no directory for the sockets of the workers.
    """
    with directory() as stay:
        secret = secrets.token_hex(32)

        def worker(number: int, own: Sequence[socket.socket]) -> Main:
            def main(parent: Parent) -> None:
                _close_others(sockets, own)
                here = stay.enter()
                _worker.current = _worker.Worker(number, here.path, secret, len(sockets))
                collect_rarely()
                try:
                    server = make_server(lambda url: parent.hear(), parent.hear)

                    def hand_over(*_: object) -> None:
                        _worker.leaves_to_a_successor = True
                        server.hand_over()

                    signal.signal(HAND_OVER, hand_over)
                    server.run(list(own))
                finally:
                    here.leave()
                if not server.started:
                    sys.exit(STARTUP_FAILURE)

            return main

        def hub(parent: Parent) -> None:
            _close_others(sockets, ())
            here = stay.enter()
            try:
                asyncio.run(_carry(here, parent, drain_timeout + LEAVE_TIME))
            finally:
                here.leave()

        mains = [worker(number, own) for number, own in enumerate(sockets)]
        supervisor = Supervisor(hub, mains, drain_timeout=drain_timeout, hang_timeout=hang_timeout, announce=announce)
        return supervisor.run()


def _close_others(sockets: Sequence[Sequence[socket.socket]], own: Sequence[socket.socket]) -> None:
    """Close the sockets of other workers, so that a connection to one that is no longer served is refused at once."""
    for each in {sock for some in sockets for sock in some} - set(own):
        each.close()


async def _carry(here: Stay, parent: Parent, limit: float) -> None:
    """Be the hub of the workers until SIGTERM. Without a parent the workers are told to leave at the same moment.

    `limit`: seconds for them to do so, because they still exchange messages.
    """
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    hub = LocalHub()
    await hub.start(os.path.join(here.path, _worker.HUB))
    touched = time.monotonic()
    while not stopped.is_set():
        parent.hear()
        if time.monotonic() - touched > TOUCH:
            here.touch()
            touched = time.monotonic()
        with suppress(TimeoutError):
            async with asyncio.timeout(BEAT):
                await stopped.wait()
    if parent.gone:
        with suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await hub.abandoned()
    await hub.close()
