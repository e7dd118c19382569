"""A team's rooms: nothing is lost while a client is away, and everybody sees who is there and who types.

A page keeps the position of the last message. After each connect it calls `invoke("JoinRoom", room, position)`: it gets
what it missed, and whether that is everything. `joinRoom` of `@hubline/client/rooms` does this by itself.
"""

import asyncio
import os

from hubline import ConnectionScope, HubApp, Identity
from hubline.rooms import Rooms, RoomsHub
from hubline.runs import Caller

PAUSE = float(os.environ.get("PAUSE", "1"))
TEAMS = {"kitchen": {"ada", "bob"}, "garden": {"ada"}}


async def authenticate(scope: ConnectionScope) -> Identity | None:
    """A placeholder for your sign-in: the name in the address."""
    name = scope.query.get("user")
    return Identity(name) if name else None


async def is_in_team(action: str, room: str, caller: Caller) -> bool:
    """Asked before every `join`, `send` and `signal`."""
    return caller.user_id in TEAMS.get(room, set())


rooms = Rooms(is_in_team)


class Team(RoomsHub, rooms=rooms):
    async def ask(self, room: str, question: str) -> str:
        """A bot is in the room while it answers."""
        await rooms.send(room, {"text": question}, caller=Caller(self.context.user_id))
        async with rooms.agent(room, "assistant", state={"thinking": True}) as agent:
            await asyncio.sleep(PAUSE)  # a placeholder for your model
            return await agent.send({"text": f"{question} It depends."})


app = HubApp({"/team": Team}, authenticate=authenticate)
