"""The connection for subscriptions, and since when it may have missed messages."""

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from hubline._bursts import let_others_within_a_burst
from hubline._clock import Clock
from hubline.backplanes.base import BackplaneListener
from hubline.backplanes.lines import PATIENCE, Line
from hubline.backplanes.redis_connections import (
    CHANNELS_OF_A_COMMAND,
    Connection,
    Connections,
    ResponseError,
    channel_name,
)
from hubline.errors import BackplaneError

STRIDE = 64
"""Messages after which other tasks get a turn of the event loop. Ours: one read may bring many messages."""


class Change:
    """A SUBSCRIBE or UNSUBSCRIBE that Redis has not confirmed for every channel."""

    __slots__ = ("done", "left")

    def __init__(self, channels: int) -> None:
        self.left = channels
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class Hearing(Line[Connection]):
    """Subscribes to channels, and again after an interruption, which it reports to its listener."""

    def __init__(self, connections: Connections, listener: BackplaneListener, prefix: str, clock: Clock) -> None:
        super().__init__("hearing Redis", connections.open, clock)
        self._listener, self._prefix = listener, prefix
        self._channels: dict[bytes, str] = {}
        """The wanted channels, by their names in Redis."""
        self._changes: deque[Change] = deque()
        self._heard_at: float | None = None
        """The time at which it last was known to receive, in seconds since 1970."""

    async def subscribe(self, channels: Iterable[str]) -> None:
        """Subscribe to these channels; returns when it is done. After a BackplaneError none of them is subscribed."""
        connection = self.connection
        wanted = {self._name(each): each for each in channels}
        new = [name for name in wanted if name not in self._channels]
        self._channels.update(wanted)
        try:
            await self._change(connection, "SUBSCRIBE", new)
        except BaseException:
            for name in new:
                self._channels.pop(name, None)
            raise

    async def unsubscribe(self, channels: Iterable[str]) -> None:
        connection = self.connection
        gone = [name for name in map(self._name, channels) if name in self._channels]
        await self._change(connection, "UNSUBSCRIBE", gone)
        for name in gone:
            self._channels.pop(name, None)

    def _name(self, channel: str) -> bytes:
        return channel_name(self._prefix, channel)

    async def _change(self, connection: Connection, verb: str, channels: Sequence[bytes]) -> None:
        """Send the command, and wait until Redis confirms it."""
        if not channels:
            return
        changes = await self._send(connection, verb, channels)
        try:
            async with asyncio.timeout(PATIENCE):
                for change in changes:
                    await asyncio.shield(change.done)
        except TimeoutError:
            raise BackplaneError(f"Redis has not answered within {PATIENCE:g} s") from None
        except ResponseError as error:
            raise BackplaneError(f"Redis has refused to {verb.lower()}: {error}") from error

    async def _send(self, connection: Connection, verb: str, channels: Sequence[bytes]) -> list[Change]:
        parts = [channels[at : at + CHANNELS_OF_A_COMMAND] for at in range(0, len(channels), CHANNELS_OF_A_COMMAND)]
        changes = [Change(len(part)) for part in parts]
        self._changes.extend(changes)
        for change in changes:
            change.done.add_done_callback(_look_away)
        await connection.send_packed_command(
            connection.pack_commands([(verb, *part) for part in parts]), check_health=False
        )
        return changes

    async def _use(self, connection: Connection) -> None:
        """Subscribe to all wanted channels again, then receive until the connection is lost."""
        since = self._heard_at
        restored = await self._send(connection, "SUBSCRIBE", list(self._channels))
        until = self._clock.now() + PATIENCE
        while not all(change.done.done() for change in restored):
            await self._take(connection, timeout=PATIENCE)
            if self._clock.now() > until:
                raise BackplaneError(f"Redis has not answered within {PATIENCE:g} s")
        for change in restored:
            change.done.result()
        self._heard_at = time.time()
        self._is_ready(connection)
        if since is not None:
            self._listener.interrupted(_utc(since), _utc(self._heard_at))
        left = STRIDE
        while True:
            others = await self._take(connection, timeout=math.inf)
            left -= 1
            if others or not left:
                left = STRIDE
                await let_others_within_a_burst()

    async def _take(self, connection: Connection, timeout: float) -> bool:
        """Handle the next message. True if other tasks should get a turn."""
        try:
            found: list[Any] | None = await connection.read_response(disable_decoding=True, timeout=timeout)
        except ResponseError as error:
            change = self._changes.popleft()
            if not change.done.done():
                change.done.set_exception(error)
            return False
        if found is None:
            return False
        if found[0] == b"message":
            if self._ready is connection:  # before that, other channels may not be subscribed
                self._heard_at = time.time()
            channel = self._channels.get(found[1])
            return channel is not None and self._listener.received(channel, found[2])
        change = self._changes[0]
        change.left -= 1
        if not change.left:
            self._changes.popleft()
            if not change.done.done():
                change.done.set_result(None)
        if found[0] == b"subscribe" and found[1] not in self._channels:  # the caller's time is over
            await self._send(connection, "UNSUBSCRIBE", [found[1]])
        return False

    async def _end(self, connection: Connection, error: Exception | None) -> None:
        lost, self._changes = self._changes, deque()
        for change in lost:
            if not change.done.done():
                change.done.set_exception(BackplaneError(f"the connection to Redis was lost: {error}"))
        with suppress(Exception):
            await connection.disconnect(nowait=True)


def _utc(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _look_away(done: "asyncio.Future[None]") -> None:
    """Retrieve the exception if nobody waits any more. Otherwise asyncio would log it."""
    if not done.cancelled():
        done.exception()
