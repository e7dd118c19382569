"""A chat with rooms on Django Channels: what `channels_after.py` was made of."""

from typing import Any

from channels.auth import AuthMiddlewareStack
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from channels_site import django_app
from django.urls import path


class ChatConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self) -> None:
        if not self.scope["user"].is_authenticated:
            await self.close()
            return
        self.name = self.scope["user"].get_username()
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def receive_json(self, content: dict[str, Any], **_: Any) -> None:
        if content["type"] == "say":
            await self.say(content["text"])
        elif content["type"] == "ask":
            for word in content["question"].split():
                await self.send_json({"type": "word", "id": content["id"], "word": word})
            await self.send_json({"type": "end", "id": content["id"]})

    async def say(self, text: str) -> None:
        event = {"type": "chat.said", "room": self.room, "name": self.name, "text": text}
        await self.channel_layer.group_send(self.room, event)

    async def chat_said(self, event: dict[str, Any]) -> None:
        await self.send_json({"type": "said", "room": event["room"], "name": event["name"], "text": event["text"]})

    async def disconnect(self, code: int) -> None:
        if hasattr(self, "room"):
            await self.channel_layer.group_discard(self.room, self.channel_name)


sockets = AuthMiddlewareStack(URLRouter([path("ws/<str:room>", ChatConsumer.as_asgi())]))
app = ProtocolTypeRouter({"http": django_app, "websocket": sockets})
