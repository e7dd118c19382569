"""python-socketio on uvicorn, WebSocket only."""

import asyncio
from typing import Any

import socketio

from benchmarks.servers.serving import serve

server: Any = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], cors_allowed_origins="*")


@server.on("EchoText")  # type: ignore[untyped-decorator]
async def echo_text(sid: str, value: str) -> str:
    return value


@server.on("Broadcast")  # type: ignore[untyped-decorator]
async def broadcast(sid: str, messages: int, size: int) -> None:
    for _ in range(messages):
        await server.emit("ReceiveMessage", ("alice", "x" * size))


@server.on("BroadcastApart")  # type: ignore[untyped-decorator]
async def broadcast_apart(sid: str, messages: int, size: int) -> None:
    for _ in range(messages):
        await server.emit("ReceiveMessage", ("alice", "x" * size))
        await asyncio.sleep(0)


if __name__ == "__main__":
    serve(socketio.ASGIApp(server))
