"""The whole program with the real local model, as a newcomer runs it."""

import asyncio
import json
import os
import re
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect

pytestmark = [pytest.mark.model, pytest.mark.timeout(300)]

SOURCES = Path(__file__).parents[1] / "src"
END = "\x1e"


@asynccontextmanager
async def program(**settings: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, int, list[str]]]:
    """`python -m hubline_chat`, its port, and what it says."""
    bare = {name: value for name, value in os.environ.items() if not name.startswith(("HUBLINE_CHAT", "OPENAI"))}
    with tempfile.TemporaryDirectory() as data:
        paths = [str(SOURCES), *filter(None, [bare.get("PYTHONPATH")])]  # behind it, the library that is being tested
        ours = {"PYTHONPATH": os.pathsep.join(paths), "HUBLINE_CHAT_PORT": "0", "HUBLINE_CHAT_DATA": data}
        async with started(bare | ours | settings) as found:
            yield found


@asynccontextmanager
async def started(environment: dict[str, str]) -> AsyncIterator[tuple[asyncio.subprocess.Process, int, list[str]]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "hubline_chat",
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said: list[str] = []
    try:
        async with asyncio.timeout(60):
            while (address := re.search(r"http://.*:(\d+)$", await said_next(process, said))) is None:
                pass
        yield process, int(address[1]), said
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def said_next(process: asyncio.subprocess.Process, said: list[str]) -> str:
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode().rstrip()
    if not line and process.stdout.at_eof():
        raise AssertionError("the program ended:\n" + "\n".join(said))
    said.append(line)
    return line


class Wire:
    """The JSON hub protocol over a WebSocket, by hand."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._read: list[dict[str, Any]] = []

    async def write(self, *messages: dict[str, Any]) -> None:
        await self._socket.send("".join(json.dumps(message) + END for message in messages))

    async def call(self, target: str, *arguments: object) -> None:
        await self.write({"type": 1, "target": target, "arguments": arguments})

    async def next(self) -> dict[str, Any]:
        while not self._read:
            received = await self._socket.recv()
            assert isinstance(received, str)
            self._read += [json.loads(part) for part in received.split(END) if part]
        return self._read.pop(0)

    async def until(self, target: str) -> list[Any]:
        while (message := await self.next()).get("target") != target:
            assert message.get("error") is None, message
        return list(message["arguments"])

    async def attach(self) -> str:
        """Watch the next answer that begins; the id of its run."""
        while (answer := (await self.until("ReceiveMessage"))[0]["answer"]) is None:
            pass
        run_id = str(answer["runId"])
        await self.write({"type": 4, "invocationId": run_id, "target": "AttachRun", "arguments": [run_id, None]})
        return run_id

    async def text(self) -> str:
        """The next piece of the answers that are watched."""
        while (message := await self.next())["type"] != 2 or message["item"]["kind"] != "text":
            pass
        return str(message["item"]["text"])


@asynccontextmanager
async def page(port: int) -> AsyncIterator[Wire]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api", timeout=60) as browser:
        assert (await browser.post("/guest", json={"name": "Ada"})).status_code == 201
        token = (await browser.post("/token", json={})).json()["token"]
    async with (
        asyncio.timeout(90),
        connect(f"ws://127.0.0.1:{port}/chatHub?access_token={token}", open_timeout=60) as socket,
    ):
        wire = Wire(socket)
        await wire.write({"protocol": "json", "version": 1})
        assert await wire.next() == {}
        await wire.call("Enter")
        await wire.call("OpenRoom", "general", None)
        yield wire


async def test_the_real_model_answers_in_many_steps_and_stop_really_stops_it() -> None:
    async with program() as (_, port, _), page(port) as ada:
        # Asked at once, while the model is still loading: the question waits for it.
        await ada.call("Ask", "general", "1", "Write a very long story about a lighthouse keeper.")
        run_id = await ada.attach()
        text = "".join([await ada.text() for _ in range(6)])
        await ada.call("StopRun", run_id)
        [message] = await ada.until("MessageChanged")
        assert message["answer"]["state"] == "stopped"
        assert message["text"].startswith(text)
        await ada.call("Ask", "general", "2", "Say hello.")
        assert await ada.attach() != run_id
        assert await ada.text()


async def test_ctrl_c_ends_it_in_order_and_soon_with_a_page_open_and_an_answer_under_way() -> None:
    async with program() as (process, port, said):
        async with page(port) as ada:
            await ada.call("Ask", "general", "1", "Write a very long story about a lighthouse keeper.")
            await ada.attach()
            await ada.text()
            process.send_signal(signal.SIGINT)
            [message] = await ada.until("MessageChanged")
            answer = message["answer"]
            assert (answer["state"], answer["error"]) == ("interrupted", "A server restart interrupted the answer.")
            assert message["text"]
            while (last := await ada.next())["type"] != 7:
                pass
            assert last == {"type": 7, "allowReconnect": True}
        async with asyncio.timeout(60):
            while await said_next(process, said) != "Stopped.":
                pass
            assert await process.wait() == 0
    assert not [line for line in said if "Traceback" in line or "ERROR" in line]


async def test_a_wrong_setting_ends_it_at_once_with_a_sentence() -> None:
    with pytest.raises(
        AssertionError, match="HUBLINE_CHAT_MODEL_URL is set, so HUBLINE_CHAT_MODEL must name the model"
    ):
        async with program(HUBLINE_CHAT_MODEL_URL="http://127.0.0.1:1/v1"):
            pass
