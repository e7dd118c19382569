"""What a connection offers on top of calls by name: typed calls, typed handlers, runs and rooms."""

from collections.abc import AsyncGenerator, Callable
from typing import Any, TypeVar, overload

from hubline.client.attached import AttachedRun, watch_runs
from hubline.client.calls import Calls
from hubline.client.content import RunInfo
from hubline.client.following import Line
from hubline.client.joined import JoinedRoom, RoomLine
from hubline.client.typed import Caller, ServerInterface, handler_of
from hubline.wire.codec import Codec

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., Any])


class Uses:
    """The base of `HubConnection`."""

    _calls: Calls
    _codec: Codec

    def typed(self: Caller, server: Callable[..., T], /) -> T:
        """Calls through a class that describes the hub, such as a Protocol: an object with its methods.

        `async def add(self, a: int, b: int) -> int` calls `Add` with `invoke`, and its result is validated. `def
        ask(self, prompt: str) -> AsyncIterator[str]` streams. Parameters that are async iterables are uploaded.
        `hub_method(name=…)` gives a method another name on the wire.

        Raises:
            ConfigurationError: mistakes in the class, all of them.
        """
        return ServerInterface(server).bound_to(self)

    @overload
    def handler(self, function: F, /) -> F: ...
    @overload
    def handler(self, /, *, name: str | None = None) -> Callable[[F], F]: ...
    def handler(self, function: Any = None, /, *, name: str | None = None) -> Any:
        """Mark a function as the handler of what the server calls by its name: `receive_message` of `ReceiveMessage`.

        As `on`, but the arguments are validated as the function's annotations say, and their number is checked.
        Arguments that do not fit are logged and the function is not called; a server that waits for a result gets an
        error that says why.

        Raises:
            ConfigurationError: the function cannot be called by a server, or a type cannot be read.
        """
        if function is None:
            return lambda found: self.handler(found) if name is None else self._handle(found, name)
        return self._handle(function, None)

    def _handle(self, function: F, name: str | None) -> F:
        target, handler = handler_of(function, self._codec, name)
        self._calls.handlers[target] = handler
        return function

    def on_unhandled(self, handler: Callable[..., Any] | None, /) -> None:
        """Call `handler(target, *arguments)` for calls that no handler takes, instead of logging them. `None`: log.

        A server that waits for a result gets the error that there is no handler.
        """
        self._calls.unhandled = handler

    def run(self: Line, run_id: str, /, *, after: str | None = None) -> AttachedRun:
        """A run of a hub that includes Hubline's `RunsHub`: its items, over lost connections, and its calls.

        Args:
            run_id: as the method that started the run has returned it.
            after: the position of an item, to get those behind it; `None` for all.
        """
        return AttachedRun(self, run_id, after)

    def watch_runs(self: Line, room: str | None = None) -> AsyncGenerator[tuple[RunInfo, ...], None]:
        """The runs of a room, the oldest first, at once and after each change; `None`: those that we have started.

        Continues when the connection is restored. Ended runs stay until then.

        Raises:
            InvocationError: the server refuses.
            ConnectionClosed: the connection is over, and is not restored.
        """
        return watch_runs(self, room)

    def join_room(
        self: RoomLine,
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
        """A room of a hub that includes Hubline's `RoomsHub`: `async with` joins it, and leaves it at the end.

        Args:
            name: the name of the room.
            since: go on after this position, of a message or a `JoinedRoom`; `None` begins with what the server keeps.
            history: how many messages to begin with at most, without `since`.
            device: what this client calls itself, such as `phone`.
            state: of us as a member; `None` leaves that of our other devices.
            visible: whether we are a member.
            presence: whether we are told of members.
        """
        given = {"history": history, "device": device, "state": state}
        options = {name: value for name, value in given.items() if value is not None}
        return JoinedRoom(self, name, since, {**options, "visible": visible, "presence": presence})
