"""The chat of `websockets_before.py` as a hub."""

from collections.abc import AsyncIterator
from typing import Protocol

from fastapi import FastAPI

from hubline import ConnectionScope, Hub, HubApp, Identity, authorize


class ChatClient(Protocol):
    """The messages of the server, one method for each `type`."""

    async def said(self, room: str, name: str, text: str) -> None: ...

    async def left(self, name: str) -> None: ...


def authenticate(scope: ConnectionScope) -> Identity | None:
    name = scope.query.get("name")  # stands for the check of a real token
    return Identity(name) if name else None


@authorize
class ChatHub(Hub[ChatClient]):
    """The messages of clients, one method for each `type`."""

    async def join(self, room: str) -> None:
        await self.groups.add(self.context.connection_id, room)
        self.context.items.setdefault("rooms", set()).add(room)

    async def say(self, room: str, text: str) -> None:
        await self.clients.group(room).said(room, self.name, text)

    async def ask(self, question: str) -> AsyncIterator[str]:
        for word in question.split():
            yield word

    async def on_disconnected(self, error: Exception | None) -> None:
        for room in self.context.items.get("rooms", ()):
            await self.clients.others_in_group(room).left(self.name)

    @property
    def name(self) -> str:
        return self.context.user_id or ""


hubs = HubApp({"/chat": ChatHub}, authenticate=authenticate)
app = FastAPI(lifespan=hubs.lifespan)
app.mount("/", hubs)
