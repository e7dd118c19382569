"""A chat with rooms on python-socketio: what `socketio_after.py` was made of."""

from typing import Any

import socketio

sio = socketio.AsyncServer(async_mode="asgi")


@sio.event
async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str] | None) -> None:
    if not auth or "name" not in auth:  # stands for the check of a real token
        raise socketio.exceptions.ConnectionRefusedError("who are you?")
    await sio.save_session(sid, {"name": auth["name"]})


@sio.event
async def join(sid: str, room: str) -> None:
    await sio.enter_room(sid, room)


@sio.event
async def say(sid: str, room: str, text: str) -> str:
    session = await sio.get_session(sid)
    await sio.emit("said", (room, session["name"], text), room=room)
    return "delivered"  # the acknowledgement


@sio.event
async def clear(sid: str, room: str) -> bool:
    if not await sio.call("confirm", f"Clear {room}?", to=sid, timeout=10):
        return False
    await sio.emit("cleared", room, room=room)
    return True


@sio.event
async def ask(sid: str, question: str) -> None:
    for word in question.split():
        await sio.emit("word", word, to=sid)
    await sio.emit("end", to=sid)


@sio.event
async def disconnect(sid: str, reason: str) -> None:
    session = await sio.get_session(sid)
    await sio.emit("left", session["name"])


app = socketio.ASGIApp(sio)
