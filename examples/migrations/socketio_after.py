"""The chat of `socketio_before.py` as a hub."""

from collections.abc import AsyncIterator
from typing import Protocol

from hubline import ConnectionScope, Hub, HubApp, Identity, authorize


class ChatClient(Protocol):
    """The events that the server emitted."""

    async def said(self, room: str, name: str, text: str) -> None: ...

    async def cleared(self, room: str) -> None: ...

    async def confirm(self, question: str) -> bool: ...

    async def left(self, name: str) -> None: ...


def authenticate(scope: ConnectionScope) -> Identity | None:
    name = scope.query.get("name")  # stands for the check of a real token
    return Identity(name) if name else None


@authorize
class ChatHub(Hub[ChatClient]):
    """The events that clients emitted."""

    async def join(self, room: str) -> None:
        await self.groups.add(self.context.connection_id, room)

    async def say(self, room: str, text: str) -> None:  # `invoke` waits for its end: the acknowledgement
        await self.clients.group(room).said(room, self.name, text)

    async def clear(self, room: str) -> bool:
        if not await self.clients.caller.confirm(f"Clear {room}?"):
            return False
        await self.clients.group(room).cleared(room)
        return True

    async def ask(self, question: str) -> AsyncIterator[str]:
        for word in question.split():
            yield word

    async def on_disconnected(self, error: Exception | None) -> None:
        await self.clients.all.left(self.name)

    @property
    def name(self) -> str:
        return self.context.user_id or ""


hubs = HubApp({"/chat": ChatHub}, authenticate=authenticate)
app = hubs
