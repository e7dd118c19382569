"""Learning that the client of a request has gone: by ASGI's `receive`, or by a plain call.

Whoever waits in `receive` can only be woken for another reason by an exception that runs through everybody in between.
A poll ends so a thousand times for each client that leaves, so our own server tells it by a call, where it can.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from starlette.types import Receive

EXTENSION = "hubline.disconnect"

Watch: TypeAlias = Callable[[Callable[[], None]], bool]
"""Has a function called once, when the client goes before it has its answer; another one takes its place.

False when that cannot be promised now and `receive` has to be asked: a body is still to be read, or it is gone.
"""


def watched(scope: Mapping[str, Any], gone: Callable[[], None]) -> bool:
    """Have `gone` called, if the server offers it. False when `receive` has to be asked instead."""
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    watch: Watch | None = extension["watch"] if extension else None
    return watch is not None and watch(gone)


async def disconnected(receive: Receive) -> None:
    """Wait until the client of a GET request goes away."""
    while (await receive())["type"] != "http.disconnect":
        pass
