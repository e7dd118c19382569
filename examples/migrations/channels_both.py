"""Old and new clients in the same rooms, in one process, while the clients of `channels_before.py` are replaced."""

from channels.auth import AuthMiddlewareStack
from channels.layers import get_channel_layer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels_after import ChatHub, authenticate
from channels_before import ChatConsumer
from channels_site import django_app
from django.urls import path
from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import HubApp


async def say(room: str, name: str, text: str) -> None:
    """To everybody in the room, on whichever side."""
    await hubs.context(BothHub).clients.group(room).said(room, name, text)
    await get_channel_layer().group_send(room, {"type": "chat.said", "room": room, "name": name, "text": text})


class BothConsumer(ChatConsumer):
    async def say(self, text: str) -> None:
        await say(self.room, self.name, text)


class BothHub(ChatHub):
    """The new side, until the last old client is gone; then `ChatHub` again."""

    async def say(self, room: str, text: str) -> None:
        await say(room, self.context.user_id or "", text)


hubs = HubApp({"/chat": BothHub}, authenticate=authenticate)
sockets = AuthMiddlewareStack(URLRouter([path("ws/<str:room>", BothConsumer.as_asgi())]))
old = ProtocolTypeRouter({"http": django_app, "websocket": sockets})
app = Starlette(routes=[Mount("/live", hubs), Mount("/", old)], lifespan=hubs.lifespan)
