"""Ports of 127.0.0.1 for servers that must be told theirs before they start."""

import os
import random
import socket
from collections import deque
from contextlib import ExitStack

FIRST, LAST = 11_000, 21_000
"""Below what the kernel gives to connections (`ip_local_port_range`, from 32,768): nobody gets one of these by chance
between the choice and the server's start. A cluster's bus has the port 10,000 above, which is below that range too."""

SHARES = 10
"""Each process of pytest-xdist has a share of its own: none is given the port of a server that another is starting."""

TRIES = 1_000

GIVEN: deque[int] = deque(maxlen=500)
"""What this process was given lately, which its servers may not listen on yet. Without this, two of eight ports
that are chosen one after the other would be the same once in 36 times."""


def free_ports(count: int) -> list[int]:
    """Different ports on which nobody listens."""
    with ExitStack() as stack:
        return [_bound(stack) for _ in range(count)]


def free_port() -> int:
    """A port on which nobody listens."""
    return free_ports(1)[0]


def _bound(stack: ExitStack) -> int:
    """A port that is held until the stack ends, so that the next choice is another."""
    share = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % SHARES
    for _ in range(TRIES):
        port = random.SystemRandom().randrange(FIRST + share, LAST, SHARES)
        if port in GIVEN:
            continue
        probe = stack.enter_context(socket.socket())
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            continue
        GIVEN.append(port)
        return port
    raise AssertionError(f"no free port between {FIRST} and {LAST}")
