"""Apps of one process as nodes on Unix sockets, behind a load balancer that takes them in turn."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from hubline import HubApp, Nodes
from hubline.testing import running

SECRET = "a secret of the nodes in the tests"


class RoundRobin:
    """A load balancer without stickiness: each request goes to the next app."""

    def __init__(self, apps: Sequence[ASGIApp]) -> None:
        self._apps: Iterator[ASGIApp] = itertools.cycle(apps)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await next(self._apps)(scope, receive, send)


@asynccontextmanager
async def fleet_of(
    make: Callable[[Nodes], HubApp], directory: Path, count: int = 2, **settings: Any
) -> AsyncIterator[list[HubApp]]:
    """So many apps that `make` makes, each a node, with their lifespans."""
    async with AsyncExitStack() as stack:
        apps = []
        for number in range(count):
            app = make(Nodes(secret=SECRET, listen=f"unix:{directory}/{number}.sock", **settings))
            await stack.enter_async_context(running(app))
            apps.append(app)
        yield apps


class NegotiatedAtTheFirst:
    """A load balancer that sends negotiations to the first app, and everything else to the second."""

    def __init__(self, apps: Sequence[ASGIApp]) -> None:
        self._first, self._second = apps[:2]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._first if scope["path"].endswith("/negotiate") else self._second)(scope, receive, send)
