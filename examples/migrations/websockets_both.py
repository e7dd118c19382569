"""Old and new clients in the same rooms, in one process, while the clients of `websockets_before.py` are replaced."""

import websockets_before
from fastapi import FastAPI
from websockets_after import ChatHub, authenticate

from hubline import HubApp

say_to_old = websockets_before.say


async def say(room: str, name: str, text: str) -> None:
    """To everybody in the room, on whichever side."""
    await hubs.context(BothHub).clients.group(room).said(room, name, text)
    await say_to_old(room, name, text)


class BothHub(ChatHub):
    """The new side, until the last old client is gone; then `ChatHub` again."""

    async def say(self, room: str, text: str) -> None:
        await say(room, self.name, text)


websockets_before.say = say  # what the old side calls
hubs = HubApp({"/chat": BothHub}, authenticate=authenticate)
app = FastAPI(lifespan=hubs.lifespan)
app.router.routes += websockets_before.app.routes
app.mount("/", hubs)
