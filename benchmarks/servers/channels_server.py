"""Django Channels with its layer in memory, on uvicorn. All connections are in one group, as in its tutorial."""

import asyncio
from typing import Any

import django
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from channels.routing import ProtocolTypeRouter, URLRouter
from django.conf import settings
from django.urls import path

from benchmarks.servers.serving import serve

# A layer drops what goes beyond its capacity, 100 messages a channel by default; then nothing could be counted.
LAYER = {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 100_000}}


class Consumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    groups = ["everybody"]  # noqa: RUF012, as Channels documents it

    async def receive_json(self, content: dict[str, Any], **_: Any) -> None:
        result = await self.answer(content["method"], content["arguments"])
        if "id" in content:
            await self.send_json({"id": content["id"], "result": result})

    async def answer(self, method: str, arguments: list[Any]) -> Any:
        """Run one call."""
        if method == "EchoText":
            return arguments[0]
        messages, size = arguments
        for _ in range(messages):
            await self.channel_layer.group_send("everybody", {"type": "deliver", "text": "x" * size})
            if method == "BroadcastApart":
                await asyncio.sleep(0)
        return None

    async def deliver(self, event: dict[str, Any]) -> None:
        await self.send_json({"target": "ReceiveMessage", "arguments": ["alice", event["text"]]})


def application() -> Any:
    settings.configure(CHANNEL_LAYERS={"default": LAYER}, INSTALLED_APPS=["channels"], SECRET_KEY="benchmark")
    django.setup()
    return ProtocolTypeRouter({"websocket": URLRouter([path("hub", Consumer.as_asgi())])})


if __name__ == "__main__":
    serve(application(), lifespan="off")
