"""Paths as real servers report them: `root_path`, mounts and letters beyond ASCII, over HTTP and WebSockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypercorn.asyncio import serve
from hypercorn.config import Config
from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import Hub, HubApp
from hubline._tasks import TaskOwner
from tests.interop.serving import listen
from tests.servers.paths import PATHS, Peer, served

SERVERS = [*PATHS, "hypercorn"]


@asynccontextmanager
async def hypercorn(app: Any, *, root_path: str) -> AsyncIterator[str]:
    listener = listen("127.0.0.1", 0)
    host, port = listener.getsockname()
    config, over, tasks = Config(), asyncio.Event(), TaskOwner("test")
    config.bind, config.root_path, config.loglevel = [f"fd://{listener.detach()}"], root_path, "ERROR"
    running = tasks.start(serve(app, config, shutdown_trigger=over.wait))
    yield f"http://{host}:{port}"
    over.set()
    await running


def serving(server: str, app: Any, root_path: str) -> Any:
    if server == "hypercorn":
        return hypercorn(app, root_path=root_path)
    return served(app, ws=PATHS[server], lifespan="on", root_path=root_path)


async def upgraded(url: str, path: str) -> int:
    """The status that a WebSocket at this path is answered with."""
    peer = await Peer.say_raw(url, b"GET %s HTTP/1.1\r\n" % path.encode() + UPGRADE)
    await peer.answered()
    peer.reset()
    return int(peer.head.split()[1])


UPGRADE = (
    b"Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("root_path", ["", "/", "/live", "/live/"])
@pytest.mark.parametrize("mounted", [False, True], ids=["alone", "mounted"])
async def test_every_hub_is_reached_below_a_root_path(server: str, root_path: str, mounted: bool) -> None:
    class Chat(Hub): ...

    class Root(Hub): ...

    hubs = HubApp({"/chatHub": Chat, "/": Root, "/größe": Chat})
    app = Starlette(routes=[Mount("/hubs", hubs)], lifespan=hubs.lifespan) if mounted else hubs
    below = "/hubs" if mounted else ""
    there = [f"{below}/chatHub", f"{below}/CHATHUB", f"{below}/chathub/", f"{below}/" + quote("GRÖßE"), below or "/"]
    async with serving(server, app, root_path) as url, httpx.AsyncClient(timeout=60) as http:
        for path in there:
            assert await upgraded(url, path) == 101, path
            assert (await http.post(f"{url}{path.removesuffix('/')}/negotiate")).status_code == 200, path
            assert (await http.get(url + path)).text == "Connection ID required", path
        for path in (f"{below}//chatHub", f"{below}/chatHub/other"):
            assert await upgraded(url, path) in (403, 404), path
            assert (await http.post(f"{url}{path}/negotiate")).status_code == 404, path
