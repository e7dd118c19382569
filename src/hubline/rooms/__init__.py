"""Rooms that lose nothing: history without a silent gap, who is there, who types.

rooms = Rooms(may)

class Chat(RoomsHub, rooms=rooms): ...

async def may(action: str, room: str, caller: Caller) -> bool:
    return caller.user_id is not None and await store.is_member(room, caller.user_id)
"""

from hubline.rooms.feed import RoomMember
from hubline.rooms.hub import RoomsHub
from hubline.rooms.joining import JoinOptions
from hubline.rooms.limits import RoomLimits, anyone
from hubline.rooms.memory import MemoryRoomStore
from hubline.rooms.service import Agent, Rooms
from hubline.rooms.store import Appended, Device, Page, Presence, RoomListener, RoomStore, Snapshot

__all__ = [
    "Agent",
    "Appended",
    "Device",
    "JoinOptions",
    "MemoryRoomStore",
    "Page",
    "Presence",
    "RoomLimits",
    "RoomListener",
    "RoomMember",
    "RoomStore",
    "Rooms",
    "RoomsHub",
    "Snapshot",
    "anyone",
]
