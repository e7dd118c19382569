"""A client of hubs for scripts: the same calls, without `async`.

with HubConnection("https://example.com/chatHub") as hub:
    hub.on("ReceiveMessage", print)
    total = hub.invoke("Add", 1, 2, result_type=int)
    for word in hub.stream("Ask", "why?", result_type=str):
        print(word)
"""

import functools
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Generator, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, TypeVar, overload

from hubline.client.connection import HubConnection as AsyncConnection
from hubline.client.content import RunContent, RunInfo, RunItem
from hubline.client.states import ConnectionState
from hubline.client.sync_rooms import JoinedRoom
from hubline.client.thread import LoopThread
from hubline.client.transports import TransportName
from hubline.client.typed import ServerInterface
from hubline.errors import ConfigurationError, ConnectionClosed

__all__ = ["AttachedRun", "HubConnection", "JoinedRoom"]

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])
P = ParamSpec("P")

_END = object()


def _as(model: Callable[P, Any]) -> Callable[[Callable[..., None]], Callable[Concatenate[Any, P], None]]:
    """Gives a constructor the parameters of another class."""

    def mark(init: Callable[..., None]) -> Callable[Concatenate[Any, P], None]:
        own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        found = inspect.signature(model)
        parameters = [own, *found.parameters.values()]
        init.__signature__ = found.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]  # as functools.wraps sets it
        return init

    return mark


class HubConnection:
    """A connection to a hub whose calls block. Any thread may call it.

    Its parameters are those of `hubline.client.HubConnection`, except `http`, which belongs to an event loop. The
    connection runs in a thread of its own. Handlers, and plain functions for `token`, are called in further threads of
    the connection: handlers one after another, in the order of the calls, and those that must answer at the same time
    as others. They may call the connection, and may take their time.

    Ctrl+C in a call cancels the call, on the server too. At the end of the `with` the connection is closed; a handler
    that runs then is not interrupted, but what it returns is dropped. A process that is forked has no part in it.

    Raises:
        ConfigurationError: as the other one.
    """

    @_as(AsyncConnection)
    def __init__(self, *args: Any, **settings: Any) -> None:
        if settings.get("http") is not None:
            raise ConfigurationError(["http belongs to an event loop, and a blocking connection has one of its own"])
        self._thread = LoopThread("hubline client")
        token = settings.get("token")
        if callable(token) and not inspect.iscoroutinefunction(token):
            settings["token"] = functools.partial(self._thread.call_aside, token)
        self._hub = AsyncConnection(*args, **settings)

    @property
    def state(self) -> ConnectionState:
        """The state at this moment."""
        return self._hub.state

    @property
    def connection_id(self) -> str | None:
        """The server's name of the connection. It changes when the connection is restored. `None` without one."""
        return self._hub.connection_id

    @property
    def transport(self) -> TransportName | None:
        """What carries the connection. `None` without one."""
        return self._hub.transport

    def states(self) -> Iterator[ConnectionState]:
        """The state, then each new one, until the connection is stopped or lost for good. Waits for each."""
        return self._each(self._hub.states())

    def on(self, target: str, handler: Callable[..., Any]) -> None:
        """Call `handler` when the server calls `target`. If the server waits for a result, it gets what it returns."""
        self._hub.on(target, self._aside(handler))

    def on_unhandled(self, handler: Callable[..., Any] | None, /) -> None:
        """Call `handler(target, *arguments)` for calls that no handler takes, instead of logging them."""
        self._hub.on_unhandled(None if handler is None else self._aside(handler))

    def off(self, target: str) -> None:
        """Remove the handler."""
        self._hub.off(target)

    @overload
    def handler(self, function: F, /) -> F: ...
    @overload
    def handler(self, /, *, name: str | None = None) -> Callable[[F], F]: ...
    def handler(self, function: Any = None, /, *, name: str | None = None) -> Any:
        """Mark a function as the handler of what the server calls by its name, with arguments validated by its hints.

        Raises:
            ConfigurationError: the function cannot be called by a server, or a type cannot be read.
        """
        if function is None:
            return lambda found: self._handle(found, name)
        return self._handle(function, None)

    def _handle(self, function: F, name: str | None) -> F:
        self._hub.handler(name=name)(self._aside(function))
        return function

    def typed(self, server: Callable[..., T], /) -> T:
        """Calls through a class that describes the hub, with plain methods: an object with these methods.

        `def add(self, a: int, b: int) -> int` calls `Add` and waits for its result. `def ask(self, prompt: str) ->
        Iterator[str]` streams.

        Raises:
            ConfigurationError: mistakes in the class, all of them.
        """
        return ServerInterface(server, blocking=True).bound_to(self)

    def start(self) -> None:
        """Connect. `with` does it. Raises the errors of the other `start`."""
        new = self.state is ConnectionState.DISCONNECTED
        self._thread.start()
        try:
            self._run(self._hub.start())
        except BaseException as error:
            started_by_another = isinstance(error, RuntimeError) and self.state is not ConnectionState.DISCONNECTED
            if new and not started_by_another:
                self.stop()
            raise

    def stop(self) -> None:
        """Disconnect. Calls of other threads that wait fail with `ConnectionClosed`. Without effect a second time."""
        if self._thread.running:
            try:
                self._run(self._hub.stop())
            finally:
                self._thread.stop()

    def connected(self, timeout: float | None = None) -> None:
        """Wait until calls are possible, while the connection is being made or restored.

        Raises:
            ConnectionClosed: it is over, or has not been started.
            TimeoutError: they are not possible after `timeout` seconds.
        """
        self._run(self._hub.connected(), timeout)

    def closed(self, timeout: float | None = None) -> ConnectionClosed | None:
        """Wait until the connection is over, and return why it was lost for good; `None` if it was stopped.

        Raises:
            TimeoutError: it is not over after `timeout` seconds.
        """
        return self._run(self._hub.closed(), timeout)

    def __enter__(self) -> "HubConnection":
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @overload
    def invoke(self, target: str, /, *args: Any, timeout: float | None = None) -> Any: ...
    @overload
    def invoke(self, target: str, /, *args: Any, result_type: type[T], timeout: float | None = None) -> T: ...
    @overload
    def invoke(self, target: str, /, *args: Any, result_type: Any, timeout: float | None = None) -> Any: ...
    def invoke(self, target: str, /, *args: Any, result_type: Any = Any, timeout: float | None = None) -> Any:
        """Call a hub method and return its result, validated as `result_type`. Iterators in `args` are uploaded.

        Raises:
            InvocationError: the method failed; `message` is the server's text.
            ConnectionClosed: there is no connection, or it ended first. The method may have run.
            TimeoutError: there is no answer after `timeout` seconds. The call is cancelled, on the server too.
            TypeError: an argument cannot be encoded.
            msgspec.ValidationError: the result does not fit.
        """
        return self._run(self._hub.invoke(target, *self._uploads(args), result_type=result_type), timeout)

    def send(self, target: str, /, *args: Any) -> None:
        """Call a hub method without waiting for it. Uploads continue.

        Raises:
            ConnectionClosed: there is no connection.
        """
        self._run(self._hub.send(target, *self._uploads(args)))

    @overload
    def stream(self, target: str, /, *args: Any) -> Generator[Any, None, None]: ...
    @overload
    def stream(self, target: str, /, *args: Any, result_type: type[T]) -> Generator[T, None, None]: ...
    @overload
    def stream(self, target: str, /, *args: Any, result_type: Any) -> Generator[Any, None, None]: ...
    def stream(self, target: str, /, *args: Any, result_type: Any = Any) -> Generator[Any, None, None]:
        """Call a streaming hub method and yield its items, each validated as `result_type`.

        To leave the loop cancels the stream on the server. Raises the errors of `invoke`, after the items before.
        """
        return self._each(self._hub.stream(target, *self._uploads(args), result_type=result_type))

    def run(self, run_id: str, /, *, after: str | None = None) -> "AttachedRun":
        """A run of a hub that includes Hubline's `RunsHub`: its items, over lost connections, and its calls."""
        return AttachedRun(self, run_id, after)

    def watch_runs(self, room: str | None = None) -> Generator[tuple[RunInfo, ...], None, None]:
        """The runs of a room, or of the caller, at once and after each change."""
        return self._each(self._hub.watch_runs(room))

    def join_room(
        self,
        name: str,
        /,
        *,
        since: str | None = None,
        history: int | None = None,
        device: str | None = None,
        state: Any = None,
        visible: bool = True,
        presence: bool = True,
    ) -> JoinedRoom:
        """A room of a hub that includes Hubline's `RoomsHub`: `with` joins it, and leaves it at the end."""
        options: dict[str, Any] = {"history": history, "device": device, "state": state}
        return JoinedRoom(self, self._hub.join_room(name, since=since, visible=visible, presence=presence, **options))

    def _run(self, coroutine: Coroutine[Any, Any, T], timeout: float | None = None) -> T:
        return self._thread.run(coroutine, timeout)

    def _each(self, items: AsyncIterator[T]) -> Generator[T, None, None]:
        """Read from another thread, item after item."""
        try:
            while (item := self._run(_next(items))) is not _END:
                yield item
        finally:
            if isinstance(items, AsyncGenerator):
                self._thread.finish(items.aclose())

    def _aside(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """A handler for the loop, that calls this one in a thread."""
        if inspect.iscoroutinefunction(handler):
            name = getattr(handler, "__qualname__", repr(handler))
            raise ConfigurationError([f"{name} must be a plain function: this connection has no event loop for it"])

        async def call(*args: Any) -> Any:
            return await self._thread.call_aside(handler, *args)

        return functools.wraps(handler)(call)

    def _uploads(self, args: Sequence[Any]) -> list[Any]:
        return [self._upload(value) if isinstance(value, Iterator) else value for value in args]

    async def _upload(self, items: Iterator[T]) -> AsyncIterator[T]:
        """Read in a thread: the iterator may wait."""
        try:
            while (item := await self._thread.call_aside(next, items, _END)) is not _END:
                yield item
        finally:
            if isinstance(items, Generator):
                with suppress(ValueError):  # it runs at this moment, in a thread that nobody can interrupt
                    items.close()


class AttachedRun:
    """A run of the server, to be read without `async`; as `hubline.client.AttachedRun`."""

    def __init__(self, hub: HubConnection, run_id: str, after: str | None) -> None:
        self._hub, self._attached = hub, hub._hub.run(run_id, after=after)

    @property
    def id(self) -> str:
        """The id of the run."""
        return self._attached.id

    @property
    def position(self) -> str | None:
        """The position of the last item that was read."""
        return self._attached.position

    @property
    def content(self) -> RunContent:
        """What was read until now."""
        return self._attached.content

    def __iter__(self) -> Generator[RunItem, None, None]:
        return self._hub._each(aiter(self._attached))

    def wait(self) -> RunContent:
        """Read to the end; what the run has written, and how it ended."""
        return self._hub._run(self._attached.wait())

    def stop(self) -> RunInfo:
        """End the run. What it has written stays."""
        return self._hub._run(self._attached.stop())

    def info(self) -> RunInfo:
        """The state of the run."""
        return self._hub._run(self._attached.info())

    def answer(self, ask_id: str, value: Any) -> None:
        """Answer a question of the run."""
        self._hub._run(self._attached.answer(ask_id, value))

    def steer(self, value: Any) -> str:
        """Send a message to the run; its id."""
        return self._hub._run(self._attached.steer(value))


async def _next(items: AsyncIterator[T]) -> Any:
    return await anext(items, _END)
