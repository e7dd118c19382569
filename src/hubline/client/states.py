"""The state of a client's connection, and those who watch it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from enum import Enum

from hubline._tasks import wake_up
from hubline.errors import ConnectionClosed

KEPT = 64
"""States that are kept for a watcher that does not read. The oldest are dropped."""

ELSEWHERE = "the connection is one of another event loop: nobody here would get an answer"


class ConnectionState(Enum):
    """The states of the official clients."""

    DISCONNECTED = "disconnected"
    """Not started, stopped, or lost for good."""
    CONNECTING = "connecting"
    """The first attempt, by `start`."""
    CONNECTED = "connected"
    """Calls are possible."""
    RECONNECTING = "reconnecting"
    """The connection was lost. Calls fail until it is restored."""


class States:
    """The current state, and the states that each watcher has not read."""

    def __init__(self) -> None:
        self.current = ConnectionState.DISCONNECTED
        self._watchers: list[_Watcher] = []

    def become(self, state: ConnectionState) -> None:
        if state is not self.current:
            self.current = state
            for watcher in self._watchers:
                watcher.tell(state)

    async def watch(self) -> AsyncIterator[ConnectionState]:
        """The current state, then each new one. Ends after `DISCONNECTED`, unless this is the first one."""
        watcher = _Watcher(self.current)
        self._watchers.append(watcher)
        try:
            first = True
            while True:
                state = await watcher.next()
                yield state
                if state is ConnectionState.DISCONNECTED and not first:
                    return
                first = False
        finally:
            self._watchers.remove(watcher)


def absent(state: ConnectionState, end: "asyncio.Future[ConnectionClosed | None] | None") -> ConnectionClosed:
    """Why nothing can be called."""
    if state is ConnectionState.RECONNECTING:
        return ConnectionClosed("the connection was lost and is being restored")
    lost = end.result() if end is not None and end.done() else None
    why = "it has not been started" if end is None else "it is being made" if not end.done() else "it was stopped"
    error = ConnectionClosed(f"there is no connection: {why if lost is None else lost}")
    error.__cause__ = lost
    return error


class _Watcher:
    def __init__(self, state: ConnectionState) -> None:
        self._states = deque([state], maxlen=KEPT)
        self._woken: asyncio.Future[None] | None = None

    def tell(self, state: ConnectionState) -> None:
        self._states.append(state)
        if self._woken is not None:
            wake_up(self._woken)

    async def next(self) -> ConnectionState:
        while not self._states:
            self._woken = asyncio.get_running_loop().create_future()
            await self._woken
        return self._states.popleft()
