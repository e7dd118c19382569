"""Rooms without `async`."""

from collections.abc import Callable, Coroutine, Generator
from types import TracebackType
from typing import Any, Protocol

from hubline.client.joined import JoinedRoom as AsyncRoom
from hubline.client.room_events import RoomEvent, RoomMember, RoomPage


class Hub(Protocol):
    """What a room is used over: a `HubConnection` without `async`."""

    @property
    def _run(self) -> Callable[[Coroutine[Any, Any, Any]], Any]: ...
    @property
    def _each(self) -> Callable[[AsyncRoom], Generator[RoomEvent, None, None]]: ...


class JoinedRoom:
    """A room of the server, to be used without `async`; as `hubline.client.JoinedRoom`."""

    def __init__(self, hub: Hub, room: AsyncRoom) -> None:
        self._hub, self._room = hub, room

    @property
    def name(self) -> str:
        """The name of the room."""
        return self._room.name

    @property
    def position(self) -> str | None:
        """Up to where events were read."""
        return self._room.position

    @property
    def members(self) -> tuple[RoomMember, ...]:
        """Who is there, as far as it is known."""
        return self._room.members

    @property
    def live(self) -> bool:
        """Whether the room is joined at present."""
        return self._room.live

    def __enter__(self) -> "JoinedRoom":
        self._hub._run(self._room.__aenter__())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def __iter__(self) -> Generator[RoomEvent, None, None]:
        return self._hub._each(self._room)

    def send(self, data: Any, *, key: str | None = None) -> str:
        """Add a message, once, even if the connection is lost meanwhile; its position."""
        position: str = self._hub._run(self._room.send(data, key=key))
        return position

    def signal(self, kind: str, value: Any = None) -> None:
        """Tell the others something that is not kept."""
        self._hub._run(self._room.signal(kind, value))

    def set_state(self, state: Any) -> None:
        """Set our state, now and after each reconnect."""
        self._hub._run(self._room.set_state(state))

    def history(self, before: str | None = None, limit: int = 50) -> RoomPage:
        """Older messages: those before a position, by default the newest."""
        page: RoomPage = self._hub._run(self._room.history(before, limit))
        return page

    def leave(self) -> None:
        """Leave at once."""
        self._hub._run(self._room.leave())
