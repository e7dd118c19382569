"""`deploy/several/`: three servers, nginx and Valkey, as docker compose would start them, without Docker."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hubline.errors import ConnectionClosed, InvocationError
from tests.chaos.client import Line, line, negotiated
from tests.deployment.several import DIRECTORY, SERVERS, services, several
from tests.runs.viewer import Page
from tests.valkey import LIMIT

DEPLOY = DIRECTORY.parent
PROMPT = " ".join(f"word {number}" for number in range(50))


def without_upstream(text: str) -> str:
    return re.sub(r"\A.*?\n}\n", "", text, count=1, flags=re.DOTALL)


def test_nginx_is_set_up_as_in_front_of_one_server() -> None:
    several_, one = ((each / "nginx.conf").read_text("utf-8") for each in (DIRECTORY, DEPLOY))
    assert without_upstream(several_) == without_upstream(one)


def test_everything_that_compose_and_the_image_name_is_there() -> None:
    found = services()
    for name in SERVERS:
        build = found[name]["build"]
        context = (DIRECTORY / build["context"]).resolve()
        image = (context / build["dockerfile"]).read_text("utf-8")
        copied = [word for rest in re.findall(r"^COPY (.*)$", image, flags=re.MULTILINE) for word in rest.split()[:-1]]
        assert [path for path in copied if not (context / path).exists()] == []
        assert "deploy/several/app.py" in copied
    [mount] = found["nginx"]["volumes"]
    assert (DIRECTORY / mount.partition(":")[0]).is_file()
    assert found["nginx"]["depends_on"] == list(SERVERS)
    assert found["valkey"]["volumes"] == ["valkey:/data"]


def test_docker_gives_more_time_than_the_server_takes() -> None:
    for name in SERVERS:
        service = services()[name]
        drain = service["command"][service["command"].index("--drain-timeout") + 1]
        assert float(service["stop_grace_period"].removesuffix("s")) > float(drain)


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[Line]:
    """A line of one who waits for a busy machine: no server is frozen here."""
    async with line(url, path="/assistant", patience=LIMIT, **options) as opened:
        yield opened


async def follow(url: str, run_id: str, page: Page, begun: asyncio.Event) -> None:
    """To the end, over as many connections as it takes."""
    while page.end is None:
        try:
            async with connected(url, negotiate=True) as opened:
                async for item in opened.stream("AttachRun", run_id, page.position):
                    page.apply(item)
                    if page.text:
                        begun.set()
        except (ConnectionClosed, InvocationError):
            await asyncio.sleep(0.1)
        page.cut()


async def join_by_polling(url: str, room: str) -> None:
    """Each request comes to another server than the one before."""
    calls = {"protocol": "json", "version": 1}, {"type": 1, "invocationId": "1", "target": "Join", "arguments": [room]}
    hub = f"{url}/assistant"
    connection = {"id": await negotiated(url, "/assistant", LIMIT)}
    async with httpx.AsyncClient(trust_env=False, timeout=LIMIT) as http:
        heard = (await http.get(hub, params=connection)).raise_for_status().text
        for call in calls:
            (await http.post(hub, params=connection, content=json.dumps(call) + "\x1e")).raise_for_status()
        while '"type":3' not in heard:
            heard += (await http.get(hub, params=connection)).raise_for_status().text
        assert '"error"' not in heard
        (await http.delete(hub, params=connection)).raise_for_status()


@pytest.mark.nginx
@pytest.mark.valkey
@pytest.mark.timeout(300)
async def test_every_request_of_a_connection_may_come_to_another_server(tmp_path: Path) -> None:
    with several(tmp_path) as running:
        await asyncio.gather(*(server.start() for server in running.servers))
        for number in range(6):
            said: list[Any] = []
            await join_by_polling(running.url, "room")
            async with connected(running.url, negotiate=True, Said=said.append) as ada:
                await ada.invoke("Join", "room")
                await ada.invoke("Say", "room", str(number))
                async with asyncio.timeout(LIMIT):
                    while not said:
                        await ada.invoke("Join", "room")
            assert said == [str(number)]
        assert await asyncio.gather(*(asyncio.to_thread(server.stop) for server in running.servers)) == [0, 0, 0]


@pytest.mark.nginx
@pytest.mark.valkey
@pytest.mark.timeout(300)
async def test_an_answer_goes_on_while_every_server_is_stopped_and_valkey_restarted(tmp_path: Path) -> None:
    with several(tmp_path) as running:
        await asyncio.gather(*(server.start() for server in running.servers))
        said: asyncio.Queue[str] = asyncio.Queue()
        async with connected(running.url, Said=said.put_nowait) as ada:
            await ada.invoke("Join", "room")
            await ada.invoke("Say", "room", "hello")
            run_id = await ada.invoke("Ask", PROMPT, "message-1")
            async with asyncio.timeout(LIMIT):
                assert await said.get() == "hello"
        page, begun = Page(), asyncio.Event()
        viewer = asyncio.create_task(follow(running.url, run_id, page, begun))
        await begun.wait()
        for server in running.servers:
            assert await asyncio.to_thread(server.stop) == 0
            await server.start()
        await running.redis.restart()
        await viewer
        assert page.end is not None
        assert page.end["state"] == "completed"
        whole = f"You asked: {PROMPT} That takes a while to say, and goes on whichever server is stopped. "
        assert page.text == whole
