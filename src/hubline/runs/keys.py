"""Keys of requests: a repeated key joins the run that it started."""

import asyncio
from collections import OrderedDict
from dataclasses import dataclass, field

from hubline import HubError

MOST = 100_000
"""Keys that are kept (runs.md R9)."""


OTHER_REQUEST = "The key was used for another request."


@dataclass(slots=True, eq=False)
class Claimed:
    """A key that is in use."""

    run_id: str
    fingerprint: str
    created: "asyncio.Future[bool]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    """Whether the run could be made."""
    ended_at: float = 0.0


class Keys:
    """The run of each key, by starter."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._live: dict[tuple[str, str], Claimed] = {}
        self._ended: OrderedDict[tuple[str, str], Claimed] = OrderedDict()
        """In the order in which their runs ended."""

    def __len__(self) -> int:
        return len(self._live) + len(self._ended)

    def claim(self, starter: str, key: str, run_id: str, fingerprint: str, now: float) -> Claimed:
        """Take a key for a run, or find the run that has it: compare the ids.

        Raises:
            HubError: it was used for another request.
        """
        self.sweep(now)
        claimed = self._live.get((starter, key)) or self._ended.get((starter, key))
        if claimed is None:
            claimed = self._live[starter, key] = Claimed(run_id, fingerprint)
        elif claimed.fingerprint != fingerprint:
            raise HubError(OTHER_REQUEST)
        return claimed

    def give_up(self, starter: str, key: str) -> None:
        """The run could not be made."""
        del self._live[starter, key]

    def ended(self, starter: str, key: str, now: float) -> None:
        """The time of a key begins with the end of its run."""
        claimed = self._live.pop((starter, key), None)
        if claimed is not None:
            claimed.ended_at = now
            self._ended[starter, key] = claimed
        self.sweep(now)

    def sweep(self, now: float) -> None:
        """Remove expired keys, and if there are more than 100,000, those whose runs ended first."""
        while self._ended:
            key, oldest = next(iter(self._ended.items()))
            if oldest.ended_at + self._keep > now and len(self) <= MOST:
                break
            del self._ended[key]
