"""uvicorn's WebSocket protocol with a frame channel for applications that take it (architecture §6)."""

import functools
import logging
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import uvicorn
from uvicorn.protocols.utils import ClientDisconnected

from hubline.servers.protocols import WebSocketProtocol

if TYPE_CHECKING:
    from hubline.servers.frames import Channel
    from hubline.servers.parser import Parsers

EXTENSION = "hubline.frames"

logger = logging.getLogger("hubline.server")

_parsers: "WeakKeyDictionary[uvicorn.Config, Parsers]" = WeakKeyDictionary()

_KEPT = frozenset(
    {
        *("app", "scope", "transport", "loop", "logger", "connections", "tasks", "queue", "writable", "_channel"),
        *("handshake_complete", "initial_response", "close_sent", "close_timer", "close_timeout", "disconnected"),
        *("ping_timer", "pong_timer", "pending_ping_payload"),
    }
)
"""What uvicorn's protocol needs to see the end of a connection whose socket it has handed over."""

_KNOWN = ("conn", "request", "response", "scope", "config", "close_sent", "close_timer", "handshake_complete")
"""What uvicorn's protocol must have, besides methods that would be missed at once."""


@functools.cache
def channel_class() -> "type[Channel] | None":
    """The frame channel, if picows is there and has the shape that it knows. If not, the log says so once."""
    try:
        from hubline.servers.frames import Channel
        from hubline.servers.parser import probe

        probe()
    except Exception as error:
        logger.warning("WebSockets are not accelerated, because picows cannot be used: %r", error)
        return None
    return Channel


def parsers_of(config: uvicorn.Config) -> "Parsers":
    """The parsers of a server, which go with its settings."""
    from hubline.servers.parser import Parsers

    parsers = _parsers.get(config)
    if parsers is None:
        parsers = _parsers[config] = Parsers(config.ws_max_size)
    return parsers


@functools.cache
def say_that_uvicorn_is_unknown(missing: str) -> None:
    logger.warning("WebSockets are not accelerated, because uvicorn's protocol has no %r", missing)


class _Nobody:
    """Who is told the end of a connection where nobody waits for it: uvicorn's queue and event would be 3 KB."""

    def put_nowait(self, message: Any) -> None: ...

    def set(self) -> None: ...


_NOBODY: Any = _Nobody()


class HubWebSocketProtocol(WebSocketProtocol):
    """WebSockets for uvicorn's `ws` setting.

    uvicorn's own protocol has a connection until it is accepted, so that everything before is as always; then picows
    takes over the socket of an application that has taken the channel.

    Compression is never agreed on: one frame goes to all recipients of a broadcast, and it costs more than it saves.
    """

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.conn.available_extensions = []
        self._channel: Channel | None = None
        self._early = b""

    def handle_connect(self, event: Any) -> None:
        super().handle_connect(event)
        if not self.close_sent:
            self._offer_channel()

    def data_received(self, data: bytes) -> None:
        if self._channel is not None and not self.handshake_complete:
            self._early += data  # whose it is shows when the application accepts
            self.transport.pause_reading()
        else:
            super().data_received(data)

    async def send(self, message: Any) -> None:
        channel = self._channel
        if channel is None or not channel.taken:
            await super().send(message)
            if self._early and self.handshake_complete and not self.transport.is_closing():
                early, self._early = self._early, b""
                self.transport.resume_reading()
                self.data_received(early)
        elif not self.handshake_complete:
            await super().send(message)
            if self.handshake_complete and not self.close_sent:
                self._hand_over(channel)
            elif message["type"] == "websocket.accept":
                raise ClientDisconnected  # it left, and uvicorn says nothing when it has not been told yet
        elif message["type"] != "websocket.close":
            raise RuntimeError(f"{message['type']!r} after the frame channel was taken")
        elif channel.close(message.get("code", 1000), message.get("reason") or ""):
            self.close_timer = self.loop.call_later(self.close_timeout, self.transport.abort)

    def shutdown(self) -> None:
        if self._channel is not None and self._channel.taken and self.handshake_complete:
            self._channel.shut_down()
        else:
            super().shutdown()

    def _offer_channel(self) -> None:
        unknown = next((name for name in _KNOWN if not hasattr(self, name)), None)
        if unknown is not None:
            say_that_uvicorn_is_unknown(unknown)
        elif (channel_type := channel_class()) is not None:
            self._channel = channel_type(parsers_of(self.config), self.connection_lost)
            self.scope["extensions"][EXTENSION] = {"channel": self._channel}

    def _hand_over(self, channel: "Channel") -> None:
        """The socket is the channel's; what only uvicorn's protocol needs is not kept for the life of a connection."""
        self.stop_keepalive()
        early, self._early = self._early, b""
        channel.open(self.transport, early)
        if early:
            self.transport.resume_reading()
        del self.scope["extensions"][EXTENSION]
        self.queue = self.writable = _NOBODY
        self.__dict__ = {name: value for name, value in vars(self).items() if name in _KEPT}
