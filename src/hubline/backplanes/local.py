"""The backplane of the workers of one machine, over a Unix socket to their hub. `hubline run --workers` starts it."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence

from hubline._clock import Clock, MonotonicClock
from hubline.backplanes.base import BackplaneLink, BackplaneListener
from hubline.backplanes.lines import PATIENCE, Line, utc
from hubline.backplanes.local_frames import UNREAD, Done, Frame, Message, Peer, Publish, Subscribe, Unsubscribe, frame
from hubline.errors import BackplaneError

__all__ = ["LocalBackplane"]

LOST = "the connection to the other workers was lost"


class LocalBackplane:
    """Connects servers of one machine through the `LocalHub` that listens on the Unix socket `path`.

    The messages of a channel have one order on all servers. If the hub ends, the messages that it holds are lost; the
    servers reconnect, and report the gap as with any backplane.
    """

    local_first = False
    """All servers see one order: see `Backplane.local_first`."""

    def __init__(self, path: str, *, clock: Clock | None = None) -> None:
        self._path, self._clock = path, clock or MonotonicClock()

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        """Make a link; see `Backplane.connect`."""
        link = LocalLink(self._path, listener, self._clock)
        await link.start()
        return link


class HubConnection(Peer):
    """The server's end of one connection to the hub."""

    def __init__(self, listener: BackplaneListener) -> None:
        super().__init__()
        self._listener = listener
        self._numbers = itertools.count()
        self._requests: dict[int, asyncio.Future[int]] = {}
        self._heard = 0
        self.heard_at = time.time()
        """When something was last received, in seconds since 1970."""

    async def ask(self, request: Callable[[int], Frame]) -> int:
        """Send the frame that `request` makes for a number, and wait for the answer with this number.

        Raises:
            BackplaneError: the connection was lost, or a name cannot be sent, or too many bytes wait for the hub.
        """
        if self.lost.done():
            raise BackplaneError(LOST)
        if self.unread > UNREAD:
            raise BackplaneError(f"the hub of the workers does not keep up: {self.unread} bytes wait for it")
        number = next(self._numbers)
        try:
            data = frame(request(number))
        except UnicodeEncodeError as error:
            raise BackplaneError(f"{error.object[:100]!r} is no name of a channel: {error.reason}") from error
        answer: asyncio.Future[int] = self._loop.create_future()
        self._requests[number] = answer
        self.send(data)
        return await answer

    async def silent(self, clock: Clock) -> None:
        """Returns when the hub has been silent for 5 to 10 seconds although a request waits for its answer."""
        while True:
            heard, asked = self._heard, next(iter(self._requests), None)
            await clock.sleep(PATIENCE)
            if asked is not None and asked in self._requests and heard == self._heard:
                return

    def handle(self, message: Frame) -> bool:
        self._heard += 1
        self.heard_at = time.time()
        match message:
            case Message():
                return any([self._listener.received(channel, message.payload) for channel in message.channels])
            case Done():
                answer = self._requests.pop(message.number, None)
                if answer is not None and not answer.done():
                    answer.set_result(message.receivers)
            case _:
                self.abort()
        return False

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        requests, self._requests = self._requests, {}
        for answer in requests.values():
            if not answer.done():
                answer.set_exception(BackplaneError(LOST))


class LocalLink(Line[HubConnection]):
    """One server's connection to the hub: for what it publishes, and for its subscriptions."""

    def __init__(self, path: str, listener: BackplaneListener, clock: Clock) -> None:
        super().__init__("the hub of the workers", self._connect, clock)
        self._path, self._listener = path, listener
        self._channels: set[str] = set()
        self._heard_at: float | None = None
        """When the last connection that was ready last received data: what came after it may be lost."""

    async def publish(self, channels: Sequence[str], payload: bytes) -> int:
        return await self.connection.ask(lambda number: Publish(number, list(channels), payload))

    async def subscribe(self, channels: Sequence[str]) -> None:
        new = [channel for channel in channels if channel not in self._channels]
        self._channels.update(new)
        try:
            await self.connection.ask(lambda number: Subscribe(number, list(channels)))
        except BackplaneError:
            self._channels.difference_update(new)
            raise

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        gone = [channel for channel in channels if channel in self._channels]
        self._channels.difference_update(gone)  # before the answer: who subscribes meanwhile, or later, asks again
        try:
            await self.connection.ask(lambda number: Unsubscribe(number, gone))
        except BackplaneError:
            self._channels.update(gone)
            raise

    async def _connect(self) -> HubConnection:
        loop = asyncio.get_running_loop()
        try:
            _, connection = await loop.create_unix_connection(lambda: HubConnection(self._listener), self._path)
        except OSError as error:
            raise BackplaneError(f"{self._path}: {error.strerror or error}") from error
        return connection

    async def _use(self, connection: HubConnection) -> None:
        since, restored = self._heard_at, list(self._channels)
        async with asyncio.timeout(PATIENCE):
            await connection.ask(lambda number: Subscribe(number, restored))
        self._is_ready(connection)
        if since is not None:
            self._listener.interrupted(utc(since), utc(connection.heard_at))
        silent = self._tasks.start(connection.silent(self._clock), name=self.name)
        try:
            await asyncio.wait([silent, connection.lost], return_when=asyncio.FIRST_COMPLETED)
            raise BackplaneError(f"no answer within {PATIENCE:g} s" if silent.done() else LOST)
        finally:
            silent.cancel()
            self._heard_at = connection.heard_at

    async def _end(self, connection: HubConnection, error: Exception | None) -> None:
        connection.abort()
        await connection.lost
