"""A backplane in one process, for several apps in it and for tests."""

import asyncio
from collections.abc import Sequence

from hubline._bursts import let_others_within_a_burst
from hubline.backplanes.base import BackplaneLink, BackplaneListener
from hubline.errors import BackplaneError


class MemoryBackplane:
    """Joins apps in one process. No message is lost, and messages arrive at once.

    When `publish` returns, every app on the same event loop has received the message. Apps whose event loop runs in
    another thread receive it in that thread. Apps whose event loop no longer runs get nothing.
    """

    local_first = False
    """All apps see one order: see `Backplane.local_first`."""

    def __init__(self) -> None:
        self._channels: dict[str, dict[MemoryLink, None]] = {}

    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        """Make a link; see `Backplane.connect`."""
        return MemoryLink(self._channels, listener)


class MemoryLink:
    """One app's connection to a `MemoryBackplane`."""

    def __init__(self, channels: "dict[str, dict[MemoryLink, None]]", listener: BackplaneListener) -> None:
        self._channels, self._listener = channels, listener
        self._loop = asyncio.get_running_loop()
        self._subscribed: set[str] = set()
        self._closed = False

    async def publish(self, channels: Sequence[str], payload: bytes) -> int:
        self._check()
        receivers, others = 0, False
        for channel in channels:
            for link in list(self._channels.get(channel, ())):
                if link._loop is self._loop:
                    receivers += 1
                    others |= link._listener.received(channel, payload)
                elif link._loop.is_running():
                    receivers += 1
                    link._loop.call_soon_threadsafe(link._receive, channel, payload)
        if others:
            await let_others_within_a_burst()
        return receivers

    async def subscribe(self, channels: Sequence[str]) -> None:
        self._check()
        for channel in channels:
            self._channels.setdefault(channel, {})[self] = None
        self._subscribed.update(channels)

    async def unsubscribe(self, channels: Sequence[str]) -> None:
        self._check()
        self._leave(channels)

    def renew(self) -> None:
        """Nothing to do: it is never interrupted."""

    async def close(self) -> None:
        self._closed = True
        self._leave(tuple(self._subscribed))

    def _leave(self, channels: Sequence[str]) -> None:
        for channel in channels:
            links = self._channels.get(channel, {})
            links.pop(self, None)
            if not links:
                self._channels.pop(channel, None)
        self._subscribed.difference_update(channels)

    def _receive(self, channel: str, payload: bytes) -> None:
        if channel in self._subscribed:
            self._listener.received(channel, payload)

    def _check(self) -> None:
        if self._closed:
            raise BackplaneError("the link to the backplane is closed")
