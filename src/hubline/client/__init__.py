"""A client of hubs, for asyncio: of Hubline's, and of ASP.NET Core's.

async with HubConnection("https://example.com/chatHub", token=get_token) as hub:
    hub.on("ReceiveMessage", print)
    total = await hub.invoke("Add", 1, 2, result_type=int)
    async for word in hub.stream("Ask", "why?", result_type=str):
        print(word)
"""

from hubline.client.attached import AttachedRun
from hubline.client.connection import HubConnection
from hubline.client.content import RunContent, RunInfo
from hubline.client.joined import JoinedRoom
from hubline.client.retry import Retry, RetryPolicy
from hubline.client.room_events import (
    RoomDevice,
    RoomEvent,
    RoomGap,
    RoomMember,
    RoomMessage,
    RoomPage,
    RoomPresence,
    RoomSignal,
)
from hubline.client.states import ConnectionState
from hubline.client.transports import TransportName

__all__ = [
    "AttachedRun",
    "ConnectionState",
    "HubConnection",
    "JoinedRoom",
    "Retry",
    "RetryPolicy",
    "RoomDevice",
    "RoomEvent",
    "RoomGap",
    "RoomMember",
    "RoomMessage",
    "RoomPage",
    "RoomPresence",
    "RoomSignal",
    "RunContent",
    "RunInfo",
    "TransportName",
]
