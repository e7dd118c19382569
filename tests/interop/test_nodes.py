"""No sticky sessions: nginx takes three servers in turn, and official clients do not notice."""

import asyncio
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.cli.running import Running
from tests.deployment.nginx import Nginx, nginx
from tests.deployment.test_nginx import Driver, driving
from tests.interop.cutting_proxy import CuttingProxy
from tests.interop.running import ROOT, SERVERS, contract_server
from tests.interop.test_dotnet import assert_all_pass_in_the_end
from tests.interop.test_javascript import assert_all_passed, install, results_against
from tests.ports import free_port
from tests.processes import process_group
from tests.valkey import valkey

pytestmark = [pytest.mark.nginx, pytest.mark.valkey, pytest.mark.timeout(300)]


FILES = ("calls", "reconnect", "streams")
"""What one connection does. Between connections on several servers `test_fleet.py` tries everything."""
FEWEST = 180
APPLICATION = "tests.interop.nodes_application:app"


@contextmanager
def fleet(directory: Path, servers: Sequence[str] = ("accelerated",) * 3) -> Iterator[Nginx]:
    """Servers on one Redis, each a node, behind nginx."""
    with ExitStack() as stack:
        redis = stack.enter_context(valkey())
        shared = {"REDIS": redis.address, "RUNS_REDIS": redis.address, "RUNS_DRAIN_MS": "0"}
        urls = [
            stack.enter_context(contract_server(server, NODE=f"unix:{directory}/{number}.sock", **shared))
            for number, server in enumerate(servers)
        ]
        yield stack.enter_context(nginx(urls, directory))


@pytest.mark.interop
def test_official_javascript_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    monkeypatch.setenv("HUBLINE_BACKPLANE", "1")
    with fleet(tmp_path, SERVERS) as behind:
        assert_all_passed(results_against(behind.url, *FILES), FEWEST)


@pytest.mark.interop
async def test_stateful_reconnects_find_their_connection_on_another_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install()
    monkeypatch.setenv("HUBLINE_ROUNDS", "60")
    with fleet(tmp_path) as behind:
        proxy = CuttingProxy(behind.url, seed=1)
        async with proxy.running() as address:
            assert_all_passed(await asyncio.to_thread(results_against, address, "reconnect"), 2)
    assert proxy.cuts >= 4, "else this was no test"
    assert behind.access_log.count('"GET /hub-stateful" 101') > 8, "four connections, and more sockets"


@asynccontextmanager
async def hubline_run(setting: str, port: int = 0) -> AsyncIterator[Running]:
    """A real `hubline run` of a node."""
    command = ("env", setting, sys.executable, "-m", "hubline.cli.main", "run", APPLICATION, "--port", str(port))
    async with process_group(*command, directory=ROOT, limit=120) as process:
        yield Running(process)


@pytest.mark.interop
async def test_of_a_server_that_is_killed_only_its_own_clients_notice(tmp_path: Path) -> None:
    """Over WebSockets, calls go on all the time. Event streams end too that the killed server has passed on."""
    install()
    nodes = [f"unix:{tmp_path}/{number}.sock" for number in range(3)]
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(hubline_run(f"NODE={node}")) for node in nodes]
        behind = stack.enter_context(nginx([await server.url() for server in servers], tmp_path))
        client = await stack.enter_async_context(clients_at(f"{behind.url}/where"))
        before = await client.answer()
        assert {each["node"] for each in before} == set(nodes)
        assert {each["doubled"] for each in before} == {42}
        killed = [each["node"] == nodes[0] for each in before]

        servers[0].process.kill()
        after = await client.answer(f"return {[index for index, was_there in enumerate(killed) if was_there]}")
        for was_there, each in zip(killed, after, strict=True):
            assert each["node"] != nodes[0]
            if was_there:
                assert (each["returns"], each["same"]) == (1, False), each
            elif each["transport"] != "ServerSentEvents":
                assert (each["returns"], each["failed"], each["same"]) == (0, 0, True), each
        websockets = [each["transport"] == "WebSockets" for each in after]
        again = await client.answer("look")
        calls = [now["calls"] - then["calls"] for then, now in zip(after, again, strict=True)]
        assert all(more > 0 for more, there in zip(calls, websockets, strict=True) if there), "they go on"


@pytest.mark.interop
async def test_clients_follow_to_the_server_that_negotiate_points_them_to(tmp_path: Path) -> None:
    install()
    ports = [free_port() for _ in range(3)]
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    async with AsyncExitStack() as stack:
        for url, port in zip(urls, ports, strict=True):
            await (await stack.enter_async_context(hubline_run(f"PUBLIC_URL={url}", port))).url()
        behind = stack.enter_context(nginx(urls, tmp_path))
        client = await stack.enter_async_context(clients_at(f"{behind.url}/where"))
        found = await client.answer()
        assert {each["node"] for each in found} == set(urls)
        assert {each["doubled"] for each in found} == {42}
    requests = behind.access_log.splitlines()
    assert len(requests) == len(found)
    assert all('"POST /where/negotiate" 200' in line for line in requests), "nothing else came by way of nginx"


@asynccontextmanager
async def clients_at(url: str) -> AsyncIterator[Driver]:
    """Official clients on every transport: `nodes-check.mjs`."""
    async with driving("nodes-check.mjs", url, seconds=100) as driver:
        yield driver


@pytest.mark.refpeer
def test_official_dotnet_client(tmp_path: Path) -> None:
    with fleet(tmp_path) as behind:
        assert_all_pass_in_the_end(behind.url, {"REFPEER_PARENT": tempfile.gettempdir()} | os.environ)
