"""A connection without a hub: negotiation, three transports and limits, but your own bytes."""

from hubline import ConnectionClosed, ConnectionRoute, HubApp, TransportConnection


async def echo(connection: TransportConnection) -> None:
    """Runs once for each connection. When it returns, what is queued is written and the connection ends."""
    while True:
        try:
            data = await connection.receive()
        except ConnectionClosed:
            return
        if not connection.write(data):
            await connection.drain()


app = HubApp({"/echo": ConnectionRoute(echo)})
