"""The program of the guide that has nothing but PostgreSQL, served by three processes that share nothing else."""

import asyncio
import json
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.running import LIMIT, hubline
from tests.docs.pages import ROOT, blocks
from tests.servers.raw_client import RawWebSocket

pytestmark = pytest.mark.postgres

SERVERS = 3


class Client:
    """One connection, which was negotiated at one server and opened at another one."""

    def __init__(self, socket: RawWebSocket) -> None:
        self._socket = socket
        self._waiting: list[dict[str, Any]] = []

    @classmethod
    async def open(cls, path: str, negotiated_at: str, opened_at: str) -> "Client":
        async with httpx.AsyncClient(trust_env=False, timeout=LIMIT) as http:
            answer = await http.post(f"{negotiated_at}{path}/negotiate?negotiateVersion=1")
        self = cls(await RawWebSocket.open(opened_at, f"{path}?id={answer.json()['connectionToken']}"))
        assert self._socket.status == 101
        self.send({"protocol": "json", "version": 1})
        assert await self.read() == {}
        return self

    def send(self, message: dict[str, Any]) -> None:
        self._socket.send(json.dumps(message).encode() + b"\x1e")

    async def read(self) -> dict[str, Any]:
        """The next message that is no ping."""
        while not self._waiting:
            _, payload = await self._socket.frame()
            found = [json.loads(each) for each in payload.decode().split("\x1e") if each]
            self._waiting = [each for each in found if each.get("type") != 6]
        return self._waiting.pop(0)

    async def call(self, target: str, *arguments: Any, kind: int = 1) -> list[Any]:
        """The items of a stream (`kind` 4), and the result."""
        self.send({"type": kind, "invocationId": "1", "target": target, "arguments": arguments})
        items = []
        while (message := await self.read()).get("type") != 3:
            if message["type"] == 2:
                items.append(message["item"])
        assert "error" not in message, message
        return [*items, message.get("result")]

    async def hear(self, target: str) -> list[Any]:
        while (message := await self.read()).get("target") != target:
            pass
        arguments: list[Any] = message["arguments"]
        return arguments

    def close(self) -> None:
        self._socket.close()


async def test_three_servers_with_one_database_are_one_server(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guide = ROOT / "docs/guides/scale-out.md"
    [program] = [each.text for each in blocks(guide) if each.attributes.get("file") == "one_database.py"]
    (tmp_path / "one_database.py").write_text(program)
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    async with asyncio.timeout(LIMIT), AsyncExitStack() as stack:
        servers, sockets = [], stack.enter_context(tempfile.TemporaryDirectory(prefix="n-"))  # a short name
        for number in range(SERVERS):
            monkeypatch.setenv("HUBLINE_NODE", f"unix:{sockets}/{number}")
            servers.append(await stack.enter_async_context(hubline(tmp_path, "run", "one_database:app", "--port=0")))
        urls = [await each.url() for each in servers]

        async def opened(path: str, number: int) -> Client:
            client = await Client.open(path, urls[number - 1], urls[number])
            stack.callback(client.close)
            return client

        asking, watching = await opened("/assistant", 0), await opened("/assistant", 1)
        [run_id] = await asking.call("Ask", "why?")
        items = await watching.call("AttachRun", run_id, None, kind=4)
        assert "You asked: why?" in json.dumps(items)
        assert items[-2]["state"] == "completed"

        here, there = await opened("/lobby", 1), await opened("/lobby", 2)
        for each in (here, there):
            await each.call("JoinRoom", "kitchen")
        await there.call("SendToRoom", "kitchen", "tea?")
        assert (await here.hear("RoomMessage"))[1]["data"] == "tea?"
