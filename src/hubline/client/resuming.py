"""Stateful reconnect: a connection that goes on over a new carrier, with nothing lost and nothing doubled (spec §7)."""

import contextlib
from collections import deque
from collections.abc import Awaitable, Callable

from hubline._clock import Clock
from hubline.client.carrier import Carrier, Take
from hubline.client.session import ClientSession
from hubline.errors import ConnectionClosed, NegotiationError

DELAYS = (0.0, 0.5, 1.0, 2.0, 4.0, 4.0, 3.0)
"""Seconds before each attempt. Ours: official clients try once. Servers keep a connection for 15 s (spec §6)."""


class Resuming:
    """A carrier that replaces the one below when that is lost, while the session is open.

    `reopen` opens a carrier to the same connection. What is written while there is none is dropped: the session keeps
    what must arrive, and it is written first on the next carrier.
    """

    def __init__(
        self,
        carrier: Carrier,
        session: ClientSession,
        clock: Clock,
        reopen: Callable[[], Awaitable[Carrier]],
        retire: Callable[[Carrier], None],
    ) -> None:
        self._session, self._clock, self._reopen, self._retire = session, clock, reopen, retire
        self._carrier = carrier
        self._attached = True
        """Whether what is written goes to the carrier at once."""
        self._replayed: deque[bytes] | None = None
        """What is still to be written on a new carrier before it is used, with what is written meanwhile."""

    async def carry(self, take: Take) -> None:
        while True:
            try:
                return await self._carrier.carry(take)
            except ConnectionClosed as lost:
                await self._resume(lost)

    async def write(self, data: bytes) -> None:
        if self._replayed is not None:
            self._replayed.append(data)
        elif self._attached:
            with contextlib.suppress(ConnectionClosed):  # the reader sees it too
                await self._carrier.write(data)

    async def close(self) -> None:
        await self._carrier.close()

    async def _resume(self, lost: ConnectionClosed) -> None:
        """Replace the carrier. Raises `lost` if that is not possible."""
        session, now = self._session, self._clock.now
        self._attached = False
        session.pause(now())
        for seconds in DELAYS:
            if session.replay is None or session.close_message is not None:
                break
            self._retire(self._carrier)
            await self._clock.sleep(seconds)
            try:
                self._carrier = await self._reopen()
                await self._replay(self._carrier)
            except NegotiationError as refused:
                if refused.status < 500:  # otherwise a proxy may be without its server for a moment
                    break
            except ConnectionClosed:
                pass
            else:
                session.resume(now())
                return
        raise lost

    async def _replay(self, carrier: Carrier) -> None:
        packets = self._replayed = deque(self._session.reconnected(self._clock.now()))
        try:
            while packets:
                await carrier.write(packets.popleft())
            self._attached = True
        finally:
            self._replayed = None
