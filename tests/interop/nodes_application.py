"""An application of several nodes: `NODE=unix:/run/a.sock hubline run tests.interop.nodes_application:app`.

With PUBLIC_URL in place of NODE, negotiate points clients there.
"""

import os

from hubline import Client, Hub, HubApp, HubOptions, Nodes, TransportOptions

LISTEN, PUBLIC_URL = os.environ.get("NODE"), os.environ.get("PUBLIC_URL")
NAME = LISTEN or PUBLIC_URL or ""


class Where(Hub[Client]):
    """Tells which server a connection is on."""

    async def node(self) -> str:
        return NAME

    async def ask_me(self, value: int) -> int:
        return int(await self.clients.client(self.context.connection_id).invoke("Double", value))


app = HubApp(
    {"/where": Where},
    nodes=Nodes(secret="a secret of the nodes in the tests", listen=LISTEN, public_url=PUBLIC_URL),
    options=HubOptions(maximum_parallel_invocations=4),
    transport=TransportOptions(stateful_reconnect=True),
)
