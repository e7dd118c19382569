"""Rooms of `hubline run --workers`: one for all workers, without Redis."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from tests.cli.running import hubline
from tests.cli.test_workers import Client, on_each_worker

ROOMS = """
import os
from hubline import HubApp
from hubline.rooms import MemoryRoomStore, Rooms, RoomsHub, anyone

class Chat(RoomsHub, rooms=Rooms(anyone)):
    async def pid(self) -> int:
        return os.getpid()

alone = Rooms(anyone, store=MemoryRoomStore())

app = HubApp({"/chat": Chat}, drain_timeout=2)
"""

LIMIT = 100.0


async def heard(client: Client, target: str) -> Any:
    while (message := await client.read()).get("target") != target:
        assert message["type"] == 1, message
    return message["arguments"][1]


async def test_clients_of_different_workers_meet_and_a_room_in_memory_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "served.py").write_text(ROOMS)
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        running = await stack.enter_async_context(hubline(tmp_path, "run", "served:app", "--port=0", "--workers=2"))
        one, two = (await on_each_worker(stack, await running.url(), 2)).values()
        joined = await one.call("JoinRoom", "r", None, {"device": "one"})
        assert (await two.call("JoinRoom", "r", None, {"device": "two"}))["count"] == 2
        assert (await heard(one, "RoomPresence"))["member"]["devices"][0]["name"] == "two"
        for number in range(20):
            await (one, two)[number % 2].call("SendToRoom", "r", number)
        for client in (one, two):
            assert [(await heard(client, "RoomMessage"))["data"] for _ in range(20)] == [*range(20)]
        await two.call("LeaveRoom", "r")
        again = await two.call("JoinRoom", "r", joined["position"], {"visible": False})
        assert ([each["data"] for each in again["messages"]], again["complete"]) == ([*range(20)], True)
        assert [each["key"] for each in again["members"]] == [joined["key"]]
        assert "".join(running.log).count("the rooms of Rooms are in the memory of each worker") == 1
