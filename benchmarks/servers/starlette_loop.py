"""A server written by hand on Starlette: a set of WebSockets, and a loop that sends to each."""

import asyncio
import json
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from benchmarks.servers.serving import serve

everybody: set[WebSocket] = set()


async def to_all(*arguments: Any) -> None:
    text = json.dumps({"target": "ReceiveMessage", "arguments": arguments}, separators=(",", ":"))
    for each in list(everybody):
        await each.send_text(text)


async def answer(method: str, arguments: list[Any]) -> Any:
    """Run one call."""
    if method == "EchoText":
        return arguments[0]
    messages, size = arguments
    for _ in range(messages):
        await to_all("alice", "x" * size)
        if method == "BroadcastApart":
            await asyncio.sleep(0)
    return None


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    everybody.add(websocket)
    try:
        while True:
            message = json.loads(await websocket.receive_text())
            result = await answer(message["method"], message["arguments"])
            if "id" in message:
                await websocket.send_text(json.dumps({"id": message["id"], "result": result}, separators=(",", ":")))
    except WebSocketDisconnect:
        pass
    finally:
        everybody.discard(websocket)


if __name__ == "__main__":
    serve(Starlette(routes=[WebSocketRoute("/hub", talk)]))
