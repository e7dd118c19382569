"""A client of hubs, for asyncio."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from hubline._clock import Clock, MonotonicClock
from hubline._tasks import TaskOwner
from hubline.client.calls import Calls
from hubline.client.connector import Connector, Token, http_of
from hubline.client.events import CallFailed, Result, with_uploads
from hubline.client.link import Link
from hubline.client.negotiation import http_address, shown
from hubline.client.pacing import Pacing, Queue
from hubline.client.retry import DELAYS, RetryPolicy, restored
from hubline.client.settings import CODECS, WebSettings, problems
from hubline.client.states import ELSEWHERE, ConnectionState, States, absent
from hubline.client.transports import TRANSPORTS, TransportName
from hubline.client.uses import Uses
from hubline.errors import ConfigurationError, ConnectionClosed, text_of

if TYPE_CHECKING:
    import aiohttp

T = TypeVar("T")


class HubConnection(Uses):
    """A connection to a hub, of Hubline or of ASP.NET Core. It needs the extra `client` (aiohttp).

    As a context manager it connects, and disconnects at the end. Use it in one event loop.

    Args:
        url: the address of the hub, with `http`, `https`, `ws` or `wss`. Its query comes with every request.
        token: a bearer token, or a function that returns one, plain or async. It is asked before every attempt to
            connect, and once more if the server answers 401.
        codec: `json` or `messagepack`.
        transports: which may be used. They are tried in the server's order. An event stream carries `json` only.
        stateful: a connection that is lost goes on over another WebSocket, if the server allows that and it comes
            within the server's 15 s: nothing is lost, and calls and streams go on. `state` stays `CONNECTED`.
        stateful_buffer: bytes that the server may not have acknowledged before senders wait.
        headers: of every request.
        retry: when a lost connection is restored: seconds before each attempt, or a function of a `Retry` that returns
            them or `None` to give up. `None` never reconnects. The first connection is never retried.
        skip_negotiation: open the WebSocket at once. Then redirections do not work, there is no `connection_id`, no
            other transport, and no stateful reconnect.
        connect_timeout: seconds for one attempt: negotiation, transports and handshake together.
        keep_alive_interval: seconds after which the client pings if it sends nothing else. Polling needs no pings.
        server_timeout: seconds without a message of the server after which the connection is lost. At least twice the
            server's keep-alive interval. The clock is looked at once a second. Not with polling.
        maximum_message_size: bytes of one message of the server, `None` for no limit.
        buffer: items of one stream, and calls to handlers, that wait before reading pauses.
        tls: certificates and so on, for `https`. Without it, those of the system are trusted.
        proxy: the address of an HTTP proxy, `http://user:password@host:port`. The environment is not looked at.
        unix_socket: the path of the server's socket. Then the host in `url` is only a name.
        http: an `aiohttp.ClientSession` of yours, for its cookies, middlewares and connector. It is not closed.
        clock: for tests.

    Raises:
        ConfigurationError: an argument is wrong, or aiohttp is missing.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token = None,
        codec: Literal["json", "messagepack"] = "json",
        transports: Collection[TransportName] = tuple(TRANSPORTS),
        stateful: bool = False,
        stateful_buffer: int = 100_000,
        headers: Mapping[str, str] | None = None,
        retry: RetryPolicy = DELAYS,
        skip_negotiation: bool = False,
        connect_timeout: float = 15.0,
        keep_alive_interval: float = 15.0,
        server_timeout: float = 30.0,
        maximum_message_size: int | None = 16_777_216,
        buffer: int = 128,
        tls: ssl.SSLContext | None = None,
        proxy: str | None = None,
        unix_socket: str | None = None,
        http: "aiohttp.ClientSession | None" = None,
        clock: Clock | None = None,
    ) -> None:
        web = WebSettings(http, tls, proxy, unix_socket)
        kinds = {"skip_negotiation": skip_negotiation, "stateful": stateful}
        seconds = connect_timeout, keep_alive_interval, server_timeout
        sizes = buffer, stateful_buffer, maximum_message_size
        mistakes = problems(web, codec, transports, retry, seconds, sizes, **kinds)
        if mistakes:
            raise ConfigurationError(mistakes)
        self._clock: Clock = clock or MonotonicClock()
        self._pacing, self._buffer, self._retry = Pacing(), buffer, retry
        self._codec = CODECS[codec]()
        self._calls, self._closing = Calls(self._pacing, buffer), TaskOwner("hubline client")
        self._connector = Connector(
            url=http_address(url),
            token=token,
            headers=dict(headers or {}),
            codec=self._codec,
            transports=frozenset(transports),
            skip_negotiation=skip_negotiation,
            stateful_buffer=stateful_buffer if stateful else None,
            connect_timeout=connect_timeout,
            keep_alive_interval=keep_alive_interval,
            server_timeout=server_timeout,
            maximum_message_size=maximum_message_size,
            clock=self._clock,
            make_http=http_of(web),
            pacing=self._pacing,
            calls=self._calls,
            closing=self._closing,
        )
        self._states = States()
        self._tasks, self._stops = TaskOwner("hubline client"), TaskOwner("hubline client")
        self._link: Link | None = None
        self._end: asyncio.Future[ConnectionClosed | None] | None = None

    @property
    def state(self) -> ConnectionState:
        """The state at this moment."""
        return self._states.current

    @property
    def connection_id(self) -> str | None:
        """The server's name of the connection. It changes when the connection is restored. `None` without one."""
        return None if self._link is None else self._link.connection_id

    @property
    def transport(self) -> TransportName | None:
        """What carries the connection. `None` without one."""
        return None if self._link is None else self._link.transport

    def states(self) -> AsyncIterator[ConnectionState]:
        """The state, then each new one, until the connection is stopped or lost for good.

        Groups and the server's state are lost with a connection: after `RECONNECTING`, join again at `CONNECTED`.
        """
        return self._states.watch()

    def on(self, target: str, handler: Callable[..., Any]) -> None:
        """Call `handler`, plain or async, when the server calls `target`. It replaces an earlier one.

        Case matters, as in the .NET client. Handlers run one after another, in the order of the calls. If the server
        waits for a result, the handler runs in a task of its own; the server gets what it returns, or the text of its
        exception. Exceptions are logged.
        """
        self._calls.on(target, handler)

    def off(self, target: str) -> None:
        """Remove the handler."""
        self._calls.handlers.pop(target, None)

    async def start(self) -> None:
        """Connect. `async with` does it, and calls `stop`, which is needed after a loss too: it closes the sockets.

        Raises:
            NegotiationError: the server refused a request; `status` says how.
            HandshakeError: it refused the handshake.
            ConnectionClosed: it could not be reached or did not answer within `connect_timeout`.
            RuntimeError: the connection has been started and not stopped.
        """
        if self.state is not ConnectionState.DISCONNECTED:
            raise RuntimeError(f"the connection is {self.state.value}; it can be started when it is disconnected")
        self._states.become(ConnectionState.CONNECTING)
        end = self._end = asyncio.get_running_loop().create_future()
        try:
            await self._stops.join()  # one that began before this may still be freeing what there was
            await self._release()
            if end.done():
                raise ConnectionClosed("the connection was stopped")
            found = await self._connector.attempt(self._tasks)
            if isinstance(found, ConnectionClosed):
                raise found
            if end.done():
                self._closing.start(found.close())
                raise ConnectionClosed("the connection was stopped")
        except BaseException:
            if not end.done() and not len(self._stops):  # otherwise `stop` does it, and another start may have begun
                await self._release()
                self._over(None)
            raise
        self._calls.start()
        self._adopt(found)
        self._tasks.start(self._supervise(found), name="hubline client: connection")

    async def stop(self) -> None:
        """Disconnect. Calls that wait fail with `ConnectionClosed`, and handlers that run are cancelled.

        Handlers may call it. It goes on if its caller is cancelled.
        """
        await asyncio.shield(self._stops.start(self._stop()))

    async def _stop(self) -> None:
        (link, self._link), end = (self._link, None), self._end
        try:
            await self._tasks.cancel()
            if link is not None:
                self._closing.start(link.close())  # for which another `stop` waits too
            await self._release()
        finally:  # the event loop may end too
            if self._end is end:
                self._over(None)

    async def connected(self) -> None:
        """Wait until calls are possible, while the connection is being made or restored.

        Raises:
            ConnectionClosed: it is over, or has not been started.
        """
        async for state in self.states():
            if state is ConnectionState.CONNECTED and self._link is not None and not self._link.ended.done():
                return
            if state is ConnectionState.DISCONNECTED:
                break
        raise absent(self.state, self._end)

    async def closed(self) -> ConnectionClosed | None:
        """Wait until the connection is over, and return why it was lost for good; `None` if it was stopped."""
        if self._end is None:
            raise RuntimeError("the connection has not been started")
        return await asyncio.shield(self._end)

    async def __aenter__(self) -> "HubConnection":
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @overload
    async def invoke(self, target: str, /, *args: Any) -> Any: ...
    @overload
    async def invoke(self, target: str, /, *args: Any, result_type: type[T]) -> T: ...
    @overload
    async def invoke(self, target: str, /, *args: Any, result_type: Any) -> Any: ...
    async def invoke(self, target: str, /, *args: Any, result_type: Any = Any) -> Any:
        """Call a hub method and return its result, validated as `result_type`. Async iterables in `args` are uploaded.

        If the caller is cancelled, the server is told so. ASP.NET Core stops the method from .NET 11 on.

        Raises:
            InvocationError: the method failed; `message` is the server's text.
            ConnectionClosed: there is no connection, or it ended first. The method may have run.
            TypeError: an argument cannot be encoded.
            msgspec.ValidationError: the result does not fit.
        """
        return await self._connected().invoke(target, with_uploads(args), result_type)

    async def send(self, target: str, /, *args: Any) -> None:
        """Call a hub method without waiting for it. Returns when its bytes are on their way; uploads continue.

        Raises:
            ConnectionClosed: there is no connection.
        """
        await self._connected().send(target, with_uploads(args))

    @overload
    def stream(self, target: str, /, *args: Any) -> AsyncGenerator[Any, None]: ...
    @overload
    def stream(self, target: str, /, *args: Any, result_type: type[T]) -> AsyncGenerator[T, None]: ...
    @overload
    def stream(self, target: str, /, *args: Any, result_type: Any) -> AsyncGenerator[Any, None]: ...
    async def stream(self, target: str, /, *args: Any, result_type: Any = Any) -> AsyncGenerator[Any, None]:
        """Call a streaming hub method and yield its items, each validated as `result_type`.

        To leave the loop cancels the stream on the server. When `buffer` items wait, reading pauses, so that the server
        waits, unless a call waits for its answer. Every 4 s up to 2 MiB are read all the same, 64 MiB in all, because
        servers end connections that take nothing for longer.

        Raises:
            InvocationError, ConnectionClosed, msgspec.ValidationError: as `invoke`, after the items before.
        """
        link = self._connected()
        call, uploads = await link.begin(target, with_uploads(args), result_type, self._buffer)
        try:
            queue: Queue[Any] = call.sink
            items, take = queue.items, queue.items.popleft
            while True:
                answer = take() if items else await queue.get()
                if queue.full:
                    queue.taken()
                if type(answer) is Result or type(answer) is CallFailed:
                    break
                yield answer
        finally:
            link.finish(call, uploads)
        if isinstance(answer, CallFailed):
            raise answer.error

    def _connected(self) -> Link:
        link = self._link
        if link is None or link.loop is not asyncio.get_running_loop():
            raise absent(self.state, self._end) if link is None else RuntimeError(ELSEWHERE)
        return link

    def _adopt(self, link: Link) -> None:
        self._link = link
        self._states.become(ConnectionState.CONNECTED)

    async def _supervise(self, link: Link) -> None:
        """Keep a connection. If that fails, it is over: others wait for its end, or for the next one."""
        try:
            await self._keep(link)
        except Exception as error:
            failed = ConnectionClosed(f"the client failed: {text_of(error)}")
            failed.__cause__ = error
            self._over(failed)
            raise
        except asyncio.CancelledError:
            if not len(self._stops):  # the event loop ends without a `stop`; there may be another one later
                self._link = None
                self._over(ConnectionClosed("the event loop has ended"))
            raise

    async def _keep(self, link: Link) -> None:
        """Wait for the end of the connection and restore it, as often as that works."""
        while True:
            await asyncio.shield(link.ended)  # which `stop` must not cancel: calls wait for it
            self._link = None
            self._calls.lost()
            policy = self._retry if link.may_reconnect else None
            if policy is not None:
                self._states.become(ConnectionState.RECONNECTING)
            self._closing.start(link.close())  # the server may take its time to answer the close of the WebSocket
            again = partial(self._connector.attempt, self._tasks)
            found = await restored(policy, self._clock, again, link.reason, shown(self._connector.url))
            if isinstance(found, ConnectionClosed):
                self._over(found)
                return
            link = found
            self._adopt(link)

    def _over(self, reason: ConnectionClosed | None) -> None:
        self._calls.lost()
        self._states.become(ConnectionState.DISCONNECTED)
        if self._end is not None and not self._end.done():
            self._end.set_result(reason)

    async def _release(self) -> None:
        """Free what a connection that was lost for good has left too."""
        await self._calls.stop()
        await self._connector.close()
