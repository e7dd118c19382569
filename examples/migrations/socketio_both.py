"""Old and new clients in the same rooms, in one process, while the clients of `socketio_before.py` are replaced."""

from typing import Any

import socketio
from socketio_after import ChatHub, authenticate
from socketio_before import sio

from hubline import HubApp


async def say(room: str, name: str, text: str) -> None:
    """To everybody in the room, on whichever side."""
    await hubs.context(BothHub).clients.group(room).said(room, name, text)
    await sio.emit("said", (room, name, text), room=room)


class BothHub(ChatHub):
    """The new side, until the last old client is gone; then `ChatHub` again."""

    async def say(self, room: str, text: str) -> None:
        await say(room, self.name, text)


@sio.on("say")  # takes the place of the old handler
async def say_from_old(sid: str, room: str, text: str) -> Any:
    session = await sio.get_session(sid)
    await say(room, session["name"], text)
    return "delivered"


hubs = HubApp({"/chat": BothHub}, authenticate=authenticate)
app = socketio.ASGIApp(sio, other_asgi_app=hubs)  # /socket.io/ is the old side, and hubs have the lifespan
