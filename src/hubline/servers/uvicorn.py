"""uvicorn with draining before it closes sockets, and without secrets in its log.

uvicorn alone closes every WebSocket with 1012 at a signal and lets streams run into a time limit, so clients lose what
was on its way and cannot tell a deployment from a crash (aspnetcore#25069 asks the original for the same).
"""

import asyncio
import copy
import itertools
import logging
import re
import signal
import socket
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from types import FrameType
from typing import Any
from urllib.parse import unquote

import uvicorn
from uvicorn.config import LOGGING_CONFIG

from hubline._mistakes import Mistakes
from hubline._signals import server_drains
from hubline._tasks import TaskOwner
from hubline.extensions import DRAIN
from hubline.servers.accelerated import HubWebSocketProtocol
from hubline.servers.ending import die_by, die_by_the_next_signal, run_to_the_end
from hubline.servers.listening import bind as bind
from hubline.servers.listening import url_of
from hubline.servers.protocols import HttpProtocol, WebSocketProtocol

SECRETS = {"access_token": re.compile(""), "id": re.compile(r"(?:[\w-]{22}|[\w-]{44,})$", re.ASCII)}
"""Query keys with the pattern of secret values: every bearer token, and values like connection tokens. Those of one
server have 22 characters, those that name a node 44 or more (`nodes/tokens.py`); a UUID has 36 and is shown."""

MAX_SIZE = 2 * 1024 * 1024
"""Bytes of one WebSocket message where it is held until it is whole. Ours: 64 times the limit of one hub message, for
what the official JavaScript client joins (docs/decisions/websocket-message-size.md)."""

TICK = 1.0
"""Seconds between two looks at what uvicorn keeps: the `Date` header, its limit of requests."""

LAST_REQUESTS = 0.2
"""Seconds in which a server that hands its socket over still serves what it accepted before, as if it stayed. Ours."""

FIRST_REQUESTS = 3.0
"""Seconds more in which a connection that it had accepted may bring its first request. Ours: a client that is far away
or, with a thousand others, waits for a busy server. Some browsers open connections that they may never use."""

logger = logging.getLogger("hubline.server")
_query_pair = re.compile(r'(?<=[?&])([^=&\s"]+)=([^&\s"]*)')
_bearer = re.compile(r"(?i)\bbearer\s+\S+")


def _nothing() -> None:
    """Not a lambda: with `--reload` the server is pickled."""


class Server(uvicorn.Server):
    """A uvicorn server that runs the application's drain functions when it is asked to stop.

    The first SIGTERM or SIGINT drains: for `drain_timeout` seconds at most it goes on serving, because clients that
    poll must be able to fetch their last messages. Then uvicorn's own shutdown runs. A second signal ends both at once.
    Unlike uvicorn's, the process then ends with status 0 and not by the signal.

    With `run()`, the process ends at most `drain_timeout` and 10 seconds after the signal, even when user code does
    not let go (`servers/ending.py`), and the second signal has its default effect: it ends the process where it stands.
    """

    _owns_process = _hands_over = False

    _should_exit = False
    _wake: Callable[[], object] | None = None

    def __init__(
        self,
        config: uvicorn.Config,
        *,
        drain_timeout: float = 15.0,
        ready: Callable[[str], None] | None = None,
        alive: Callable[[], object] | None = None,
    ) -> None:
        """`ready` is called with the URL as soon as connections are accepted; from then on, until it has
        drained, `alive` is called by the event loop each second or more often.

        Raises:
            ConfigurationError: `drain_timeout` is no number of seconds.
        """
        mistakes = Mistakes("Server")
        mistakes.number("drain_timeout", drain_timeout, least=0)
        mistakes.tell()
        super().__init__(config)
        self.drain_timeout = drain_timeout
        self._ready, self._alive = ready, alive or _nothing
        self._heard = itertools.count()

    @property
    def should_exit(self) -> bool:
        """uvicorn's flag for "stop". Setting it, in any thread or signal handler, wakes the server."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._should_exit = value
        if value and self._wake is not None:
            self._wake()

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until a signal comes, as the last action of the process: see `servers/ending.py`."""
        self._owns_process = True
        run_to_the_end(self.serve(sockets), self.config.get_loop_factory())

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        redact_secrets()
        log_upgrades(self.config.access_log)
        token = server_drains.set(True)
        try:
            await super().serve(sockets)
        finally:
            server_drains.reset(token)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self._ready is not None:
            self._ready(self.url)

    async def main_loop(self) -> None:
        """Wait until it is time to stop. uvicorn looks ten times a second, which takes 0.2 % of a core while idle."""
        loop, asked = asyncio.get_running_loop(), asyncio.Event()
        self._wake = lambda: loop.call_soon_threadsafe(asked.set)
        try:
            while not await self.on_tick(0):  # 0: the `Date` of answers is renewed each time
                self._alive()
                with suppress(TimeoutError):
                    async with asyncio.timeout(TICK):
                        await asked.wait()
        finally:
            self._wake = None

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._owns_process:
            die_by_the_next_signal()
        if self._hands_over:
            for listener in self.servers:
                listener.close()
            await self._serve_what_was_accepted()
        await self.drain()
        await super().shutdown(sockets)

    async def _serve_what_was_accepted(self) -> None:
        await asyncio.sleep(LAST_REQUESTS)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + FIRST_REQUESTS
        while loop.time() < deadline and not self.force_exit:
            if not any(isinstance(each, HttpProtocol) and each.unused for each in self.server_state.connections):
                break
            await asyncio.sleep(LAST_REQUESTS / 4)

    def hand_over(self) -> None:
        """Stop as at a first signal, but accept nothing more meanwhile: another process has the same listening socket.

        May be called in a signal handler.
        """
        self._hands_over = True
        self.handle_exit(signal.SIGTERM, None)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Note the signal. uvicorn would raise it once more at the end, which turns a clean stop into a failure."""
        if self.config.should_reload and sig == signal.SIGINT:
            return  # Ctrl+C reaches every process of the terminal; the supervisor passes it on as SIGTERM
        second = bool(next(self._heard))  # one step: a handler may be interrupted by another signal's
        if second and self._owns_process:
            die_by(sig)
        if second or self.should_exit:
            self.force_exit = True
        self.should_exit = True
        if self._owns_process:
            die_by_the_next_signal([sig])  # the others' follows in `shutdown`

    @property
    def url(self) -> str:
        """The address of the server, with the chosen port if the setting was 0."""
        if self.config.uds is not None:
            return f"unix:{self.config.uds}"
        return url_of(self.servers[0].sockets[0], secure=self.config.is_ssl)

    async def drain(self) -> None:
        """Run the drain functions of the application side by side, until they end, time is up or a second signal."""
        functions: Sequence[Callable[[], Awaitable[None]]] = self.lifespan.state.get(DRAIN, ())
        owner = TaskOwner("draining")
        pending = {owner.start(_call(function)) for function in functions}
        deadline = asyncio.get_running_loop().time() + self.drain_timeout
        while pending and not self.force_exit:
            if asyncio.get_running_loop().time() >= deadline:
                logger.warning("draining took longer than %g s, closing what is left", self.drain_timeout)
                break
            self._alive()
            _, pending = await asyncio.wait(pending, timeout=0.1)
        await owner.cancel(grace=0.1)


def configure(
    app: Any,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    log_level: str = "info",
    max_size: int = MAX_SIZE,
    accelerate: bool = True,
    **settings: Any,
) -> uvicorn.Config:
    """uvicorn's settings for hubs; `settings` are any others that `uvicorn.Config` takes.

    With `accelerate` WebSockets take the accelerated path (`HubWebSocketProtocol`).

    `max_size` limits one WebSocket message in bytes, where the server holds it until it is whole: without `accelerate`,
    and of WebSockets that are not a hub's. The official JavaScript client joins into one whatever it sends in one turn,
    so the limit must be far above that of one hub message (`HubOptions.maximum_receive_message_size`), which the hub
    itself checks. The accelerated path hands on what comes and holds nothing: there the hub's limit is the only one.

    Raises:
        ConfigurationError: `max_size` is no number of bytes.
    """
    mistakes = Mistakes("configure")
    mistakes.whole("max_size", max_size, above=0)
    mistakes.tell()
    chosen: dict[str, Any] = {
        "host": host,
        "port": port,
        "log_level": log_level,
        "log_config": log_config(log_level),
        "http": HttpProtocol,
        "ws": HubWebSocketProtocol if accelerate else WebSocketProtocol,
        "ws_max_size": max_size,
        "ws_per_message_deflate": False,  # costs more than it saves on small messages, and rules out ready-made frames
        "ws_ping_interval": None,  # hubs have their own pings (spec §12, statement 52)
        "ws_ping_timeout": None,
        "timeout_graceful_shutdown": 1,  # after draining, only responses that are not ours can still be running
    }
    return uvicorn.Config(app, **(chosen | settings))


async def serve(
    app: Any,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    drain_timeout: float = 15.0,
    ready: Callable[[str], None] | None = None,
    **settings: Any,
) -> None:
    """Serve `app` until a signal comes, and drain it then. `settings` are those of `configure`.

    Raises:
        ConfigurationError: a setting makes no sense.
        OSError: the address cannot be bound; nothing of the application has been started then.
    """
    config = configure(app, host=host, port=port, **settings)
    server = Server(config, drain_timeout=drain_timeout, ready=ready)
    await server.serve(bind(host, port) if config.uds is None and config.fd is None else None)


def log_config(level: str) -> dict[str, Any]:
    """uvicorn's logging, with Hubline's loggers beside its own."""
    config = copy.deepcopy(LOGGING_CONFIG)
    config["loggers"]["hubline"] = {"handlers": ["default"], "level": level.upper(), "propagate": False}
    return config


class SecretFilter(logging.Filter):
    """Removes the values of `SECRETS` from uvicorn's log of requests, and bearer tokens from its debug output."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            record.args = tuple(redacted(value) if isinstance(value, str) else value for value in record.args)
        return True


class UpgradeFilter(logging.Filter):
    """Drops the log lines that uvicorn and its WebSocket library write for every upgrade."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno > logging.INFO or not str(record.msg).startswith(('%s - "WebSocket', "connection "))


def log_upgrades(wanted: bool) -> None:
    """Set whether upgrades are logged. uvicorn's setting for its access log covers only requests."""
    target = logging.getLogger("uvicorn.error")
    for present in [each for each in target.filters if isinstance(each, UpgradeFilter)]:
        target.removeFilter(present)
    if not wanted:
        target.addFilter(UpgradeFilter())


def redact_secrets() -> None:
    """Make uvicorn's loggers remove secrets. A second call changes nothing."""
    for name in ("uvicorn.access", "uvicorn.error"):
        target = logging.getLogger(name)
        if not any(isinstance(present, SecretFilter) for present in target.filters):
            target.addFilter(SecretFilter())


def redacted(text: str) -> str:
    """`text` without the secrets in it. Keys are compared as the server reads them: decoded, in any case."""
    text = _query_pair.sub(_blot, text)
    return _bearer.sub("Bearer [redacted]", text)


def _blot(pair: re.Match[str]) -> str:
    secret = SECRETS.get(unquote(pair[1]).lower())
    return f"{pair[1]}=[redacted]" if secret is not None and secret.match(unquote(pair[2])) else pair[0]


async def _call(function: Callable[[], Awaitable[None]]) -> None:
    await function()
