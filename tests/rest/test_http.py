"""Every operation over real sockets, on each ASGI server: paths arrive as they were sent, and every status is right."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest

from hubline.rest.operations import OPERATIONS
from tests.integration.driver import WAYS, Connector, Peer, connector, done
from tests.interop.running import SERVERS, running
from tests.rest.publisher import VERSION, Publisher, path

GROUP, USER = "a/b 50% ключ", "Ада/🙂?#"
OVER_WEBSOCKETS = WAYS[0]


@pytest.fixture(scope="module", params=SERVERS)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with running("tests.rest.server", "--server", request.param) as found:
        yield found


@pytest.fixture
async def connect(url: str) -> AsyncIterator[Connector]:
    async with connector(url, OVER_WEBSOCKETS) as made:
        yield made


async def user_at(connect: Connector) -> Peer:
    peer = await connect("/chat", query=f"user={quote(USER)}")
    assert await peer.result("Ready") == peer.id
    return peer


class Counting(Publisher):
    """Notes which operations are used."""

    def __init__(self, client: httpx.AsyncClient, base: str) -> None:
        super().__init__(client, base)
        self.used: set[Any] = set()

    async def request(self, method: str, below: str, *rest: Any, **more: Any) -> httpx.Response:
        segments = [unquote(each) for each in below.split("/")[1:]]
        self.used |= {each.handler for each in OPERATIONS if each.method == method and each.match(segments) is not None}
        return await super().request(method, below, *rest, **more)


async def test_every_operation(url: str, connect: Connector) -> None:
    async with AsyncExitStack() as stack:
        rest = Counting(await stack.enter_async_context(httpx.AsyncClient(timeout=60)), url)
        peer = await user_at(connect)
        connection, group, user = path("connections", peer.id), path("groups", GROUP), path("users", USER)
        member, of_user = f"{group}{connection}", f"{user}{group}"
        for method, below, status in (
            *(("HEAD", connection, 200), ("HEAD", user, 200), ("HEAD", group, 404), ("PUT", member, 200)),
            *(("HEAD", group, 200), ("DELETE", member, 200), ("HEAD", group, 404), ("HEAD", of_user, 404)),
            *(("PUT", of_user, 200), ("HEAD", of_user, 200), ("DELETE", of_user, 204), ("HEAD", of_user, 404)),
            *(("PUT", member, 200), ("DELETE", f"{connection}/groups", 200), ("HEAD", group, 404)),
            *(("PUT", member, 200), ("DELETE", f"{user}/groups", 204), ("HEAD", group, 404), ("PUT", member, 200)),
        ):
            assert (await rest.request(method, below)).status_code == status, (method, below)
        listed = (await rest.request("GET", f"{group}/connections")).json()
        assert listed == {"value": [{"connectionId": peer.id, "userId": USER}]}
        for number, below in enumerate(("", group, user, connection)):
            assert await rest.send(below, "Told", number) == 202
            assert await peer.receive() == {"type": 1, "target": "Told", "arguments": [number]}
        assert (await answered(rest, peer)).json() == {"result": 42}
        for below in ("", group, user):
            assert (await rest.request("POST", f"{below}/:closeConnections", [("reason", "out")])).status_code == 204
            assert (await peer.rest())[-1] == {"type": 7, "error": "out", "allowReconnect": True}
            peer = await user_at(connect)
            await rest.request("PUT", f"{group}{path('connections', peer.id)}")
        assert (await rest.request("DELETE", path("connections", peer.id))).status_code == 200
        assert (await peer.rest())[-1] == {"type": 7, "allowReconnect": True}
        assert rest.used == {each.handler for each in OPERATIONS}


async def answered(rest: Publisher, peer: Peer) -> httpx.Response:
    async with asyncio.TaskGroup() as tasks:
        answer = tasks.create_task(rest.invoke(peer.id, "Double", 21))
        asked = await peer.receive()
        await peer.send(done(asked["invocationId"], result=asked["arguments"][0] * 2))
    return answer.result()


async def test_what_is_too_large(url: str) -> None:
    async with httpx.AsyncClient(timeout=60) as client:
        rest = Publisher(client, url)
        assert await rest.send("", "Told", "x" * 900_000) == 202
        assert await rest.send("", "Told", "x" * 1_100_000) == 413
        assert (await client.head(f"{url}/api/health?api-version={VERSION}")).status_code == 200
