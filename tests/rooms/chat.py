"""An application with rooms, and a client that does what docs/reference/rooms.md says, and nothing else."""

from typing import Any

from hubline import ConnectionScope, HubApp, Identity
from hubline.rooms import Rooms, RoomsHub
from hubline.runs import Caller
from hubline.testing import InMemoryClient


async def identified(scope: ConnectionScope) -> Identity | None:
    """The user's name is in the query."""
    name = scope.query.get("user")
    return Identity(name) if name else None


async def not_secret(action: str, room: str, caller: Caller) -> bool:
    """Everybody may do everything, but only Ada in `secret`."""
    return room != "secret" or caller.user_id == "ada"


def chat_with(rooms: Rooms, **settings: Any) -> HubApp:
    """An application whose hub at `/chat` has these rooms."""

    class Chat(RoomsHub, rooms=rooms):
        pass

    return HubApp({"/chat": Chat}, authenticate=identified, **settings)


class Page:
    """What a client has of one room, over all its connections."""

    def __init__(self, room: str = "r") -> None:
        self.room = room
        self.said: list[Any] = []
        self.position: str | None = None
        self.complete: list[bool] = []
        self.members: dict[str, dict[str, Any]] = {}
        self.included = 0
        """The number of the newest change that the last list of members included."""
        self.changes: list[tuple[str, str]] = []
        self.signals: list[dict[str, Any]] = []
        self.gaps: list[dict[str, Any]] = []
        self._early: list[tuple[str, Any]] | None = None

    async def join(self, client: InMemoryClient, **options: Any) -> dict[str, Any]:
        """Join, or join again from where it was."""
        for target in ("RoomMessage", "RoomPresence", "RoomSignal", "RoomGap"):
            client.on(target, self._handler(target))
        self._early = []
        found: dict[str, Any] = await client.invoke("JoinRoom", self.room, self.position, options or None)
        self.complete.append(found["complete"])
        self.said += [each["data"] for each in found["messages"]]
        self.position = found["position"]
        self.members = {each["key"]: each for each in found["members"]}
        self.included = found["changes"]
        early, self._early = self._early, None
        for target, value in early:
            self._heard(target, value)
        return found

    def _handler(self, target: str) -> Any:
        def heard(room: str, value: Any) -> None:
            if room != self.room:
                return
            if self._early is not None:
                self._early.append((target, value))
            else:
                self._heard(target, value)

        return heard

    def _heard(self, target: str, value: Any) -> None:
        if target == "RoomMessage":
            self.said.append(value["data"])
            self.position = value["position"]
        elif target == "RoomPresence" and value["number"] <= self.included:
            pass  # it was on its way when the room was joined
        elif target == "RoomPresence":
            kind, member = value["kind"], value["member"]
            self.changes.append((kind, member["key"]))
            if kind == "leave":
                self.members.pop(member["key"], None)
            else:
                self.members[member["key"]] = member
        elif target == "RoomSignal":
            self.signals.append(value)
        else:
            self.gaps.append(value)
            self.position = value["position"]
