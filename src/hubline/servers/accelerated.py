"""A WebSocket protocol for uvicorn with a frame channel for applications that take it (architecture §6)."""

import asyncio
import functools
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import WeakKeyDictionary

import uvicorn
from uvicorn.protocols.utils import (
    ClientDisconnected,
    get_client_addr,
    get_local_addr,
    get_path_with_query_string,
    get_remote_addr,
    is_ssl,
)
from uvicorn.server import ServerState

from hubline.extensions import FRAMES
from hubline.servers.protocols import HttpProtocol, WebSocketProtocol
from hubline.servers.upgrade import Upgrade

if TYPE_CHECKING:
    from hubline.servers.channel import Channel

logger = logging.getLogger("hubline.server")
_uvicorn_logger = logging.getLogger("uvicorn.error")

_KNOWN = ("connections", "tasks", "default_headers")
"""The attributes of uvicorn's state that are used here, and whose absence would not show at once."""

NewChannel: TypeAlias = "Callable[[Callable[[Exception | None], None]], Channel]"

_channels: "WeakKeyDictionary[uvicorn.Config, NewChannel | None]" = WeakKeyDictionary()


@functools.cache
def channel_class() -> "type[Channel] | None":
    """The frame channel, if picows is installed in a known version. If not, a warning is logged once."""
    try:
        from hubline.servers.channel import Channel
        from hubline.servers.parser import probe

        probe()
    except Exception as error:
        logger.warning("WebSockets are not accelerated, because picows cannot be used: %r", error)
        return None
    return Channel


@functools.cache
def say_that_uvicorn_is_unknown(missing: str) -> None:
    logger.warning("WebSockets are not accelerated, because uvicorn's state has no %r", missing)


def channels_of(config: uvicorn.Config, state: ServerState) -> "NewChannel | None":
    """Makes the channels of a server, which share its parsers. `None` if an expected attribute is missing."""
    try:
        return _channels[config]
    except KeyError:
        _channels[config] = made = _new_channels(config, state)
        return made


def _new_channels(config: uvicorn.Config, state: ServerState) -> "NewChannel | None":
    unknown = next((name for name in _KNOWN if not hasattr(state, name)), None)
    if unknown is not None:
        say_that_uvicorn_is_unknown(unknown)
        return None
    channel_type = channel_class()
    if channel_type is None:
        return None
    from hubline.servers.parser import Parsers

    return functools.partial(channel_type, Parsers())


class HubWebSocketProtocol(asyncio.Protocol):
    """WebSockets for uvicorn's `ws` setting.

    An ordinary request whose application takes the channel and accepts is answered here, and from then on picows reads
    the socket. uvicorn's own protocol handles everything else: unusual requests, refusals, applications
    that do not use the channel. It gets the request unchanged, and continues the running application.

    Compression is never agreed on: one frame goes to all recipients of a broadcast, and it costs more than it saves.
    """

    __slots__ = (
        "_accepted",
        "_app_state",
        "_application",
        "_channel",
        "_close_timer",
        "_config",
        "_early",
        "_gone",
        "_loop",
        "_own",
        "_request",
        "_scope",
        "_state",
        "_told",
        "_upgrade",
        "transport",
    )

    standard = WebSocketProtocol
    """uvicorn's own protocol."""

    close_timeout = 10.0
    """Seconds that the peer has to answer our close frame, as in uvicorn."""

    def __init__(
        self,
        config: uvicorn.Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self._config, self._state = config, server_state
        self._loop = _loop or asyncio.get_running_loop()
        self._app_state = app_state
        self._scope: dict[str, Any] = {}
        self._request = self._early = b""
        self._upgrade: Upgrade | None = None
        self._channel: Channel | None = None
        self._own: WebSocketProtocol | None = None
        """uvicorn's own protocol, if it has taken over the connection."""
        self._application: asyncio.Task[Any] | None = None
        self._told = self._accepted = self._gone = False
        self._close_timer: asyncio.TimerHandle | None = None

    @classmethod
    def take_over(cls, http: HttpProtocol, data: bytes) -> bool:
        """Whether the first bytes of a socket are an ordinary request. If so, it is started."""
        upgrade = Upgrade.read(data)
        if upgrade is None:
            return False
        self = cls(http.config, http.server_state, http.app_state, http.loop)
        self.connection_made(http.transport)
        self._request = data
        self._begin(upgrade)
        http.transport.set_protocol(self)
        return True

    # Input from the socket

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._state.connections.add(self)  # type: ignore[arg-type]  # it only asks for `shutdown`

    def data_received(self, data: bytes) -> None:
        if self._own is not None:
            self._own.data_received(data)
        elif self._request:
            self._early += data  # for this protocol or uvicorn's: known when the application has accepted or refused
            self.transport.pause_reading()
        else:
            self._request = data
            self._begin(Upgrade.read(data))

    def connection_lost(self, exc: Exception | None) -> None:
        if self._own is not None:
            self._own.connection_lost(exc)
            return
        self._gone = True
        self._state.connections.discard(self)
        if self._close_timer is not None:
            self._close_timer.cancel()
        self.transport.close()
        self._channel = None

    def shutdown(self) -> None:
        """The server ends."""
        if self._accepted:
            assert self._channel is not None
            self._channel.shut_down()
        else:
            self._leave_to_uvicorn().shutdown()

    # Calls of the application

    async def _receive(self) -> Any:
        if not self._told:
            self._told = True
            return {"type": "websocket.connect"}
        if self._gone:
            return {"type": "websocket.disconnect", "code": 1006}
        if self._accepted:
            raise RuntimeError("messages come through the frame channel, which was taken")
        return await self._leave_to_uvicorn().receive()

    async def _send(self, message: Any) -> None:
        channel = self._channel
        if self._gone or channel is None:
            raise ClientDisconnected
        if self._accepted:
            if message["type"] != "websocket.close":
                raise RuntimeError(f"{message['type']!r} after the frame channel was taken")
            if channel.close(message.get("code", 1000), message.get("reason") or ""):
                self._close_timer = self._loop.call_later(self.close_timeout, self.transport.abort)
        elif not channel.taken or message["type"] != "websocket.accept":
            await self._leave_to_uvicorn().send(message)
        elif self._own is not None or self.transport.is_closing():
            raise ClientDisconnected
        else:
            self._accept(channel, message)

    def _begin(self, upgrade: Upgrade | None) -> None:
        """Run the application, if the request is one to be answered here."""
        new_channel = channels_of(self._config, self._state)
        if upgrade is None or new_channel is None:
            self._loop.call_soon(self._leave_unread)  # uvicorn makes us the socket's protocol when this returns
            return
        self._upgrade, self._channel = upgrade, new_channel(self.connection_lost)
        server, client, scheme = _ends(self.transport)
        self._scope = {
            **upgrade.scope(self._config.root_path),
            "asgi": {"version": self._config.asgi_version, "spec_version": "2.4"},
            "scheme": scheme,
            "server": server,
            "client": client,
            "state": self._app_state.copy(),
            "extensions": {"websocket.http.response": {}, FRAMES: {"channel": self._channel}},
        }
        self._application = self._loop.create_task(self._config.loaded_app(self._scope, self._receive, self._send))
        self._state.tasks.add(self._application)
        self._application.add_done_callback(self._ended)

    def _accept(self, channel: "Channel", message: Any) -> None:
        """Answer the request, and give the socket to the channel."""
        assert self._upgrade is not None
        theirs = [(name.lower(), value) for name, value in message.get("headers", ())]
        headers = [*self._state.default_headers, *theirs]
        if message.get("subprotocol"):
            headers.append((b"Sec-WebSocket-Protocol", message["subprotocol"].encode("ascii")))
        answer = self._upgrade.accepted(headers)
        if _uvicorn_logger.isEnabledFor(logging.INFO):
            of: Any = self._scope
            _uvicorn_logger.info('%s - "WebSocket %s" [accepted]', get_client_addr(of), get_path_with_query_string(of))
        self.transport.write(answer)
        self._accepted = True
        del self._scope["extensions"][FRAMES]
        early, self._early = self._early, b""
        self._scope, self._upgrade, self._request = {}, None, b""  # an idle connection needs none of it
        channel.open(self.transport, early)
        if early:
            self.transport.resume_reading()

    def _ended(self, application: "asyncio.Task[Any]") -> None:
        self._state.tasks.discard(application)
        if self._own is not None:
            return  # it has waited for the application itself
        if not self._accepted and not self._gone:
            self._leave_to_uvicorn()  # which says what is missing
            return
        self._application = None
        error = None if application.cancelled() else application.exception()
        if error is not None and not isinstance(error, ClientDisconnected):
            _uvicorn_logger.error("Exception in ASGI application\n", exc_info=error)
        if self._close_timer is None:
            self.transport.close()

    # Handing over to uvicorn

    def _leave_unread(self) -> None:
        if not self._gone:
            self._leave_to_uvicorn()

    def _leave_to_uvicorn(self) -> WebSocketProtocol:
        """Give the connection to uvicorn's own protocol."""
        if self._own is not None:
            return self._own
        own = self._own = self.standard(
            config=self._config, server_state=self._state, app_state=self._app_state, _loop=self._loop
        )
        if self._application is not None:
            own.app = self._running
            self._scope["extensions"].pop(FRAMES, None)
        own.conn.available_extensions = []
        self._state.connections.discard(self)
        own.connection_made(self.transport)
        own.data_received(self._request)
        if self._told:
            own.queue.get_nowait()  # `websocket.connect`
        self.transport.set_protocol(own)
        if self._early:
            self.transport.resume_reading()
            own.data_received(self._early)
        return own

    async def _running(self, *_: Any) -> Any:
        """The application, as uvicorn's protocol runs it."""
        assert self._application is not None
        return await self._application


def _ends(transport: asyncio.Transport) -> tuple[Any, Any, str]:
    """Our address, the peer's, and the scheme.

    The transport of a TCP socket knows both addresses. uvicorn asks the socket itself, which are five system calls with
    uvloop; for Unix sockets uvicorn's function is used.
    """
    scheme = "wss" if is_ssl(transport) else "ws"
    ours, theirs = transport.get_extra_info("sockname"), transport.get_extra_info("peername")
    if type(ours) is tuple and type(theirs) is tuple:
        return ours[:2], theirs[:2], scheme
    return get_local_addr(transport), get_remote_addr(transport), scheme
