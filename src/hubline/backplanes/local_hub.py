"""The hub of the workers of one machine: sends the messages of each worker to the subscribed workers."""

import asyncio
import logging
from collections.abc import Iterable

from hubline.backplanes.local_frames import UNREAD, Done, Frame, Message, Peer, Publish, Subscribe, Unsubscribe, frame

logger = logging.getLogger("hubline.backplane")

TOGETHER = 256
"""Channels of one frame to a worker. A message to a thousand users would else be a thousand times in the hub, and a
worker handles a frame in one turn of its event loop. Ours: some milliseconds."""


class LocalHub:
    """Listens on a Unix socket, and keeps the subscriptions of the workers. It stores no message.

    Every worker gets the messages of a channel in the order in which the hub has received them.
    """

    def __init__(self) -> None:
        self._channels: dict[str, dict[Worker, None]] = {}
        self._workers: set[Worker] = set()
        self._server: asyncio.Server | None = None
        self._without_workers = asyncio.Event()
        self._without_workers.set()

    async def start(self, path: str) -> None:
        """Listen on this path. The permissions of its directory decide which users may connect.

        Raises:
            OSError: the path is in use, too long (about 100 bytes), or cannot be made.
        """
        self._server = await asyncio.get_running_loop().create_unix_server(lambda: Worker(self), path)

    async def close(self) -> None:
        """Stop listening, and end all connections."""
        if self._server is not None:
            self._server.close()
        for worker in list(self._workers):
            worker.abort()
        if self._server is not None:
            await self._server.wait_closed()

    async def abandoned(self) -> None:
        """Returns when no worker is connected."""
        await self._without_workers.wait()

    def entered(self, worker: "Worker") -> None:
        self._workers.add(worker)
        self._without_workers.clear()

    def left(self, worker: "Worker", channels: Iterable[str]) -> None:
        self._workers.discard(worker)
        if not self._workers:
            self._without_workers.set()
        self.unsubscribe(worker, channels)

    def subscribe(self, worker: "Worker", channels: Iterable[str]) -> None:
        for channel in channels:
            self._channels.setdefault(channel, {})[worker] = None

    def unsubscribe(self, worker: "Worker", channels: Iterable[str]) -> None:
        for channel in channels:
            members = self._channels.get(channel, {})
            members.pop(worker, None)
            if not members:
                self._channels.pop(channel, None)

    def publish(self, channels: Iterable[str], payload: bytes) -> int:
        """Pass a message on; returns how many workers get it, a worker with two of the channels twice.

        The bytes of a frame are made once for all workers that have the same of the channels.
        """
        wanted: dict[Worker, list[str]] = {}
        for channel in channels:
            for worker in self._channels.get(channel, ()):
                wanted.setdefault(worker, []).append(channel)
        frames: dict[tuple[str, ...], bytes] = {}
        receivers = 0
        for worker, own in wanted.items():
            for start in range(0, len(own), TOGETHER):
                some = tuple(own[start : start + TOGETHER])
                data = frames.get(some)
                if data is None:
                    data = frames[some] = frame(Message(some, payload))
                if worker.take(data):
                    receivers += len(some)
        return receivers


class Worker(Peer):
    """The hub's end of the connection to one worker."""

    def __init__(self, hub: LocalHub) -> None:
        super().__init__()
        self._hub = hub
        self._channels: set[str] = set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._hub.entered(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._hub.left(self, self._channels)

    def take(self, data: bytes) -> bool:
        """Send a message. A worker that does not read loses its connection; it reports the gap when it is back."""
        if self._transport is None or self._transport.is_closing():
            return False
        if self.unread > UNREAD:
            logger.warning("a worker does not read: its connection to the other workers is closed")
            self.abort()
            return False
        self.send(data)
        return True

    def handle(self, message: Frame) -> bool:
        match message:
            case Publish():
                self.send(frame(Done(message.number, self._hub.publish(message.channels, message.payload))))
            case Subscribe():
                self._channels.update(message.channels)
                self._hub.subscribe(self, message.channels)
                self.send(frame(Done(message.number, 0)))
            case Unsubscribe():
                self._channels.difference_update(message.channels)
                self._hub.unsubscribe(self, message.channels)
                self.send(frame(Done(message.number, 0)))
            case _:
                self.abort()
        return False
