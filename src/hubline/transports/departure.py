"""Learning that the client of a request has gone without waiting for it in ASGI's `receive`.

Whoever waits there can only be woken for another reason by an exception that runs through everybody in between. A poll
ends so a thousand times for each client that leaves, so our own server tells it by a plain call, where it can.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

EXTENSION = "hubline.departure"

Watch: TypeAlias = Callable[[Callable[[], None]], bool]
"""Has a function called once, when the client goes before it has its answer; another one takes its place.

False when that cannot be promised now and `receive` has to be asked: a body is still to be read, or it is gone.
"""


def watched(scope: Mapping[str, Any], gone: Callable[[], None]) -> bool:
    """Have `gone` called, if the server offers it. False when `receive` has to be asked instead."""
    extension = (scope.get("extensions") or {}).get(EXTENSION)
    watch: Watch | None = extension["watch"] if extension else None
    return watch is not None and watch(gone)
