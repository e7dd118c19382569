"""Turns for large input: in each turn of the event loop one piece of the input of one connection is handled."""

import asyncio
from collections import deque
from collections.abc import Callable

from hubline._loops import PerLoop
from hubline._tasks import wake_up

PIECE = 16_384
"""Bytes of input that are handled at once. Ours: 16 KiB of the smallest messages, which have three bytes, take 5 ms. To
handle a million of them at once would block all other connections for seconds."""

SHARE = 4 * PIECE
"""Bytes that all connections together may use of one turn, before connections that send much must wait."""


class Turns:
    """The turns of one event loop, which all its applications share."""

    __slots__ = ("_given", "_scheduled", "_waiting")

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], object]] = deque()
        self._scheduled = False
        self._given = 0

    def give(self, size: int) -> bool:
        """Record that `size` bytes are handled in this turn. False if no more should be handled in it."""
        self._given += size
        self._schedule()
        return self._given <= SHARE

    def soon(self, action: Callable[[], object]) -> None:
        """Call `action`, which handles a piece, after those that were registered before it. It must not raise."""
        self._waiting.append(action)
        self._schedule()

    async def wait(self) -> None:
        """Wait until it is the caller's turn."""
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
