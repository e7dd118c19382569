"""Waits in ASGI's `receive` until the client of a request has gone, for servers that do not offer `DISCONNECT`."""

from starlette.types import Receive


async def disconnected(receive: Receive) -> None:
    """Wait until the client of a GET request goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
