"""Rooms: groups of connections, and a list of who is in them."""

from collections import defaultdict
from typing import Protocol

from hubline import Hub, HubApp, HubError


class RoomClient(Protocol):
    """What the server may call on clients."""

    async def receive_message(self, room: str, user: str, message: str) -> None: ...

    async def people_changed(self, room: str, names: list[str]) -> None: ...


class Rooms:
    """The members of each room. Every call makes a new hub object, so this object is outside of it."""

    def __init__(self) -> None:
        self._people: dict[str, dict[str, str]] = defaultdict(dict)

    def enter(self, room: str, connection_id: str, name: str) -> None:
        self._people[room][connection_id] = name

    def leave(self, connection_id: str) -> list[str]:
        """Take a connection out of every room; gives the rooms it was in."""
        return [room for room, people in self._people.items() if people.pop(connection_id, None) is not None]

    def names(self, room: str) -> list[str]:
        return sorted(self._people[room].values())


class RoomHub(Hub[RoomClient]):
    """`HubApp` makes it with a function, which passes it the service."""

    def __init__(self, rooms: Rooms) -> None:
        self.rooms = rooms

    async def join(self, room: str, name: str) -> list[str]:
        """Enter a room; gives the names of all who are in it."""
        if not name.strip():
            raise HubError("Choose a name first.")  # this text reaches the caller
        self.context.items["name"] = name
        self.rooms.enter(room, self.context.connection_id, name)
        await self.groups.add(self.context.connection_id, room)
        await self.clients.others_in_group(room).people_changed(room, self.rooms.names(room))
        return self.rooms.names(room)

    async def send_message(self, room: str, message: str) -> None:
        await self.clients.group(room).receive_message(room, self.context.items["name"], message)

    async def on_disconnected(self, error: Exception | None) -> None:
        for room in self.rooms.leave(self.context.connection_id):
            await self.clients.group(room).people_changed(room, self.rooms.names(room))


rooms = Rooms()
app = HubApp({"/rooms": lambda: RoomHub(rooms)})
