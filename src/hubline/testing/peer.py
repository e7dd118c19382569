"""A client below the hub protocol: bytes, faults, and waits with a time limit."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from hubline._tasks import TaskOwner
from hubline.errors import ConnectionClosed
from hubline.testing.channels import Channel, ChannelEndError
from hubline.wire.messages import Close

T = TypeVar("T")


@dataclass(frozen=True)
class Closed:
    """How a connection ended, as the client saw it."""

    message: Close | None
    """The hub's `Close` message; `None` when the connection ended without one."""
    code: int | None
    """The WebSocket close code, 1006 without a closing handshake; `None` on the other transports."""

    @property
    def error(self) -> str | None:
        """The error in the hub's `Close` message; `None` without one."""
        return (self.message.error or None) if self.message is not None else None

    @property
    def allow_reconnect(self) -> bool:
        """Whether the server invited the client to reconnect."""
        return self.message is not None and self.message.allow_reconnect


async def within(
    awaitable: Awaitable[T], time_limit: float, complaint: str, situation: Callable[[], str] = lambda: ""
) -> T:
    """Await at most `time_limit` seconds. Raises AssertionError with `complaint` and the result of `situation`."""
    limit = asyncio.timeout(time_limit)
    try:
        async with limit:
            return await awaitable
    except TimeoutError:
        if not limit.expired():
            raise
        raise AssertionError(f"{complaint} within {time_limit:g} s of real time{situation()}") from None


class Peer:
    """A client that can send raw bytes and misbehave. Every wait fails after `time_limit` seconds of real time."""

    def __init__(self, channel: Channel, sessions: TaskOwner, time_limit: float, connection_id: str | None) -> None:
        self.connection_id = connection_id
        """The public id from the negotiate response; `None` without negotiation."""
        self._channel = channel
        self._sessions = sessions
        self._time_limit = time_limit
        self._sending = asyncio.Lock()

    async def send_bytes(self, data: bytes, *, binary: bool = False) -> None:
        """Send bytes as they are: one WebSocket message (of text, unless `binary`), or the body of one POST.

        Raises:
            ConnectionClosed: the server does not know the connection any more.
        """
        await self._within(self._transmit(data, binary), "the application did not read the bytes")

    def drop(self) -> None:
        """Lose the connection. The server notices at once, as after a TCP reset."""
        self._channel.drop()

    def half_open(self) -> None:
        """Lose the connection without a notice, as with a dead router: bytes are lost in both directions."""
        self._channel.half_open()

    def stop_reading(self) -> None:
        """Stop reading: from now on each `send` of the application waits. What it has already sent still arrives."""
        self._channel.stop_reading()

    def resume_reading(self) -> None:
        """Continue to read after `stop_reading`."""
        self._channel.resume_reading()

    async def _transmit(self, data: bytes, binary: bool) -> None:
        async with self._sending:
            await self._channel.send(data, binary=binary)

    async def _within(self, awaitable: Awaitable[T], complaint: str) -> T:
        """Await with the time limit; `complaint` is what did not happen."""
        return await within(awaitable, self._time_limit, complaint, self._situation)

    def _situation(self) -> str:
        return ""

    async def stop(self) -> None:
        """End the connection, and wait until the application's call has ended."""
        await self._within(self._channel.close(), "the connection could not be closed")
        self._channel.drop()
        await self._within(self._sessions.join(), "the application did not leave the connection of this client")


class RawClient(Peer):
    """A client without the hub protocol, for `ConnectionRoute` and for tests of protocol errors."""

    async def receive_bytes(self) -> bytes:
        """Receive one unit: a WebSocket message, an event, or the body of a poll.

        Raises:
            ConnectionClosed: the connection ended.
        """
        try:
            return await self._within(self._channel.receive(), "no bytes came")
        except ChannelEndError as end:
            raise ConnectionClosed(f"the connection ended (code {end.code})") from None

    async def closed(self) -> Closed:
        """Wait for the end of the connection. Bytes that arrive before it are discarded."""
        try:
            while True:
                await self._within(self._channel.receive(), "the connection did not end")
        except ChannelEndError as end:
            return Closed(None, end.code)
