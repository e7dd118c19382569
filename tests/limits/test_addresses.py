"""The client's address in a whole application: through the real uvicorn, and at rates and caps."""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubline import ConfigurationError, ConnectionRoute, Hub, HubApp, TransportConnection
from hubline._tasks import TaskOwner
from hubline.servers.uvicorn import Server, bind, configure
from hubline.testing import connect
from hubline.wire.packet import Packet
from tests.servers.raw_client import RawWebSocket


async def tell(connection: TransportConnection) -> None:
    """Say where the connection comes from, and end it."""
    connection.write(Packet(str(connection.scope.address).encode()))


@asynccontextmanager
async def served(sockets: list[socket.socket], *trusted_proxies: str, **settings: Any) -> AsyncIterator[None]:
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    app = HubApp({"/raw": ConnectionRoute(tell)}, trusted_proxies=trusted_proxies)
    server = Server(configure(app, log_config=None, **settings), ready=ready.set_result)
    owner = TaskOwner("test")
    running = owner.start(server.serve(sockets))
    async with asyncio.timeout(60):
        await ready
        yield
        server.handle_exit(signal.SIGTERM, None)
        await running


async def address_seen(connection: tuple[asyncio.StreamReader, asyncio.StreamWriter], *forwarded: str) -> str:
    client = RawWebSocket(*connection)
    await client.upgrade("localhost", "/raw", *(f"X-Forwarded-For: {each}" for each in forwarded))
    assert client.status == 101
    return (await client.messages())[0]


@pytest.mark.parametrize(
    ("trusted", "settings", "seen"),
    [
        # uvicorn believes 127.0.0.1 unless told otherwise, and names the client before we see the request
        ((), {}, "198.51.100.9"),
        (("127.0.0.1",), {}, "198.51.100.9"),
        # with a second proxy of ours, which uvicorn takes for the client, we read on from there
        (("127.0.0.1", "198.51.100.0/24"), {}, "203.0.113.5"),
        ((), {"proxy_headers": False}, "127.0.0.1"),
        (("127.0.0.1",), {"proxy_headers": False}, "198.51.100.9"),
    ],
)
async def test_uvicorns_proxy_headers_and_ours_agree(
    trusted: tuple[str, ...], settings: dict[str, Any], seen: str
) -> None:
    (listener,) = sockets = bind("127.0.0.1", 0)
    async with served(sockets, *trusted, **settings):
        connection = await asyncio.open_connection(*listener.getsockname())
        assert await address_seen(connection, "203.0.113.5, 198.51.100.9") == seen


@pytest.mark.parametrize(("trusted", "seen"), [(("unix",), "198.51.100.9"), ((), "None")])
async def test_behind_a_unix_socket(tmp_path: Path, trusted: tuple[str, ...], seen: str) -> None:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    async with served([listener], *trusted, uds=str(tmp_path / "s")):
        connection = await asyncio.open_unix_connection(str(tmp_path / "s"))
        assert await address_seen(connection, "203.0.113.5, 198.51.100.9") == seen


async def test_hubs_see_the_address_that_a_trusted_proxy_tells() -> None:
    class Where(Hub):
        async def am_i(self) -> list[str | None]:
            return [self.context.scope.address, self.context.scope.network]

    app = HubApp({"/where": Where}, trusted_proxies=["10.0.0.0/8"])
    forwarded = {"X-Forwarded-For": "2001:db8::7"}
    async with connect(app, "/where", headers=forwarded, address="10.0.0.1") as behind_the_proxy:
        assert await behind_the_proxy.invoke("AmI") == ["2001:db8::7", "2001:db8::/64"]
    async with connect(app, "/where", headers=forwarded, address="192.0.2.1") as stranger:
        assert await stranger.invoke("AmI") == ["192.0.2.1", "192.0.2.1"]


def test_a_wrong_network_is_reported_with_every_other_mistake() -> None:
    with pytest.raises(ConfigurationError) as caught:
        HubApp({"no-slash": Hub}, trusted_proxies=["10.0.0.1/8"], allowed_origins=["x"])
    assert len(caught.value.problems) == 3
