"""Who sends much takes turns: in one turn of the loop a piece of what one connection has sent, and of the next then."""

import asyncio
from collections import deque
from collections.abc import Callable

from hubline._loops import PerLoop
from hubline._tasks import wake_up

PIECE = 16_384
"""Bytes that are handed on at once of what was sent in one go. Ours: 16 KiB of the smallest messages, three bytes each,
take 5 ms, and reading a million of them in one go would keep everybody else waiting for seconds."""

SHARE = 4 * PIECE
"""Bytes that all connections together are given of one turn, before the rest of those who send much have to wait."""


class Turns:
    """The turns of one event loop, which all its applications share."""

    __slots__ = ("_given", "_scheduled", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._scheduled = False
        self._given = 0

    def give(self, size: int) -> bool:
        """Note that `size` bytes are handled in this turn. False when that is enough for it."""
        self._given += size
        self._schedule()
        return self._given <= SHARE

    def soon(self, action: Callable[[], object]) -> None:
        """Call `action`, which handles a piece, when those before it have had their turn. It must not raise."""
        self._waiting.append(action)
        self._schedule()

    async def wait(self) -> None:
        """The same for a coroutine: return when it is its turn."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.soon(lambda: wake_up(turn))
        await turn

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._next)

    def _next(self) -> None:
        self._scheduled = False
        self._given = 0
        if self._waiting:
            action = self._waiting.popleft()
            self._schedule()
            action()


_turns_of = PerLoop(lambda loop: Turns()).of


def turns() -> Turns:
    """Those of the running loop."""
    return _turns_of(asyncio.get_running_loop())
