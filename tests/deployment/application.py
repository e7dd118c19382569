"""The application that stands behind nginx in the tests: `hubline run tests.deployment.application:app`."""

import asyncio
from collections.abc import AsyncIterator

from hubline import Hub, HubApp, HubOptions, TransportOptions

GATES: dict[str, asyncio.Event] = {}


class Behind(Hub):
    """What only shows with a proxy in between."""

    async def address(self) -> tuple[str | None, str]:
        """Where the client is, and what the ASGI server says."""
        client = self.context.scope.client
        return self.context.scope.address, client[0] if client else ""

    async def gated(self, gate: str) -> AsyncIterator[str]:
        """One item at once, and the other when the gate is opened: a proxy that gathers the stream keeps both."""
        yield "first"
        await GATES.setdefault(gate, asyncio.Event()).wait()
        yield "last"

    async def open(self, gate: str) -> None:
        GATES.setdefault(gate, asyncio.Event()).set()

    async def size(self, text: str) -> int:
        return len(text)


app = HubApp(
    {"/behind": Behind},
    trusted_proxies=["127.0.0.1"],
    options=HubOptions(maximum_parallel_invocations=4, maximum_receive_message_size=1_000_000),
    transport=TransportOptions(poll_timeout=0.5),
)
