"""Learning that the client of a request has gone by ASGI's `receive`, where the server does not tell it by a call."""

from starlette.types import Receive


async def disconnected(receive: Receive) -> None:
    """Wait until the client of a GET request goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
