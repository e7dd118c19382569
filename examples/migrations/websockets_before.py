"""A chat with rooms over WebSockets by hand, with FastAPI: what `websockets_after.py` was made of."""

from collections import defaultdict
from typing import Any

from fastapi import FastAPI, WebSocket, WebSocketDisconnect

app = FastAPI()
rooms: dict[str, set[WebSocket]] = defaultdict(set)


async def broadcast(room: str, message: dict[str, Any]) -> None:
    for socket in list(rooms[room]):
        try:
            await socket.send_json(message)
        except (RuntimeError, WebSocketDisconnect):  # it has gone meanwhile
            rooms[room].discard(socket)


async def say(room: str, name: str, text: str) -> None:
    await broadcast(room, {"type": "said", "room": room, "name": name, "text": text})


@app.websocket("/ws/{room}")
async def chat(socket: WebSocket, room: str, name: str) -> None:
    await socket.accept()
    rooms[room].add(socket)
    try:
        async for content in socket.iter_json():
            match content:
                case {"type": "say", "text": str(text)}:
                    await say(room, name, text)
                case {"type": "ask", "id": question_id, "question": str(question)}:
                    for word in question.split():
                        await socket.send_json({"type": "word", "id": question_id, "word": word})
                    await socket.send_json({"type": "end", "id": question_id})
                case _:
                    await socket.send_json({"type": "error", "text": "this is not a message of the chat"})
    finally:
        rooms[room].discard(socket)
        await broadcast(room, {"type": "left", "name": name})
