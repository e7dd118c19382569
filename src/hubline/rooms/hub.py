"""The hub methods with which clients use rooms."""

from typing import Any, ClassVar, cast

from typing_extensions import TypeVar

from hubline import Client, ConfigurationError, Hub
from hubline._mistakes import Mistakes
from hubline.rooms import items
from hubline.rooms.joining import JoinOptions
from hubline.rooms.service import Rooms
from hubline.runs import Caller

ClientT = TypeVar("ClientT", default=Client)


class RoomsHub(Hub[ClientT]):
    """A hub whose clients join rooms: `class Chat(RoomsHub, rooms=rooms)`.

    Clients call the methods below, and are called `RoomMessage`, `RoomPresence`, `RoomSignal`, `RoomGap` and
    `RoomClosed`, each with the name of the room. A class that overrides `on_authentication_refreshed` must call that of
    this class.
    """

    hubline_rooms: Rooms
    """The application's rooms, from the class or its base class. A hub that a function makes sets it in its constructor
    instead."""

    _hubline_calls: ClassVar[type | None] = items.RoomCalls

    def __init_subclass__(cls, rooms: Rooms | None = None, **others: Any) -> None:
        super().__init_subclass__(**others)
        mistakes = Mistakes(cls.__qualname__)
        mistakes.fits("rooms", rooms, isinstance(rooms, Rooms), "the application's `Rooms(…)`", optional=True)
        mistakes.replaced(cls, RoomsHub)
        mistakes.tell()
        if rooms is not None:
            cls.hubline_rooms = rooms

    async def join_room(
        self, room: str, since: str | None = None, options: JoinOptions | None = None
    ) -> items.RoomJoined:
        """Join a room, or join it again: what was missed since a position, and who is there."""
        context, rooms = self.context, self._rooms
        send = self.hubline_scope.runtime.fanout.send
        found = await rooms._join(room, since, options or JoinOptions(), self._room_caller, send, context.aborted)
        return cast("items.RoomJoined", found)

    async def leave_room(self, room: str) -> None:
        """Leave a room at once."""
        await self._rooms._leave(room, self.context.connection_id)

    async def send_to_room(self, room: str, data: Any, key: str | None = None) -> str:
        """Add a message to a room; its position. With a key, what is sent again is added once."""
        return await self._rooms.send(room, data, key=key, caller=self._room_caller)

    async def signal_room(self, room: str, kind: str, value: Any = None) -> None:
        """Tell the others in a room something that is not kept, such as `typing`."""
        await self._rooms.signal(room, kind, value, caller=self._room_caller)

    async def set_room_state(self, room: str, state: Any) -> None:
        """Set the caller's state in a room, on all its devices."""
        await self._rooms._set_state(room, state, self._room_caller)

    async def room_members(self, room: str) -> items.RoomMembers:
        """The members of a room on all servers, and how many they are."""
        members = await self._rooms.members(room, caller=self._room_caller)
        listed = [each.item() for each in members[: self._rooms._limits.listed]]
        return cast("items.RoomMembers", {"count": len(members), "members": listed})

    async def room_history(self, room: str, before: str | None = None, limit: int = 50) -> items.RoomPage:
        """Earlier messages: those before a position."""
        return cast("items.RoomPage", await self._rooms.history(room, before, limit, caller=self._room_caller))

    async def on_authentication_refreshed(self) -> None:
        """The connection leaves the rooms that the newer identity may not be in."""
        await super().on_authentication_refreshed()
        if (rooms := getattr(self, "hubline_rooms", None)) is not None:
            await rooms._renewed(self._room_caller)

    @property
    def _rooms(self) -> Rooms:
        rooms: Rooms | None = getattr(self, "hubline_rooms", None)
        if rooms is None:
            raise ConfigurationError([f"{type(self).__qualname__} has no rooms: class …(RoomsHub, rooms=Rooms(…))"])
        return rooms

    @property
    def _room_caller(self) -> Caller:
        context = self.context
        return Caller(context.user_id, context.connection_id, context.identity)
