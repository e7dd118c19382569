"""Hubline behind nginx, with the configuration that the deployment guide shows."""

import asyncio
import json
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from hubline.servers.uvicorn import configure
from tests.cli.running import hubline
from tests.deployment.nginx import CONFIGURATION, Nginx, nginx
from tests.interop.running import contract_server
from tests.interop.test_javascript import FEWEST, JS, assert_all_passed, install, results_against
from tests.ports import free_port
from tests.processes import child_process
from tests.servers.raw_client import TEXT, RawWebSocket

pytestmark = [pytest.mark.nginx, pytest.mark.timeout(300)]

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "deployment.md"
APPLICATION = "tests.deployment.application:app"
NOWHERE = "http://127.0.0.1:9"
SECRET = "token-that-nobody-may-read"
HANDSHAKE = b'{"protocol":"json","version":1}\x1e'


@asynccontextmanager
async def behind(directory: Path, *arguments: str, location: str = "", limits: bool = False) -> AsyncIterator[Nginx]:
    """nginx before a real `hubline run`."""
    async with hubline(ROOT, "run", APPLICATION, "--port", "0", *arguments) as command:
        with nginx(await command.url(), directory, location=location, limits=limits) as running:
            yield running
            command.process.terminate()
            assert await command.end() == 0


def negotiation(url: str, **options: Any) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.1"), timeout=60) as client:
        return client.post(f"{url}/behind/negotiate?negotiateVersion=1", **options)


class Driver:
    """The official client in Node, with a connection for each transport and codec."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def answer(self, line: str = "") -> Any:
        """What it says next or, with a line, to that."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        if line:
            self._process.stdin.write(f"{line}\n".encode())
        said = await self._process.stdout.readline()
        assert said, "the client ended: its error is on this test's error output"
        return json.loads(said)


@asynccontextmanager
async def driving(program: str, *arguments: str, seconds: float) -> AsyncIterator[Driver]:
    """A program of `tests/interop/js`, which must end well within this time."""
    command, pipe = ("node", program, *arguments), asyncio.subprocess.PIPE
    async with child_process(*command, cwd=JS, stdin=pipe, stdout=pipe) as process, asyncio.timeout(seconds):
        yield Driver(process)
        await process.communicate(b"")
        assert process.returncode == 0


@asynccontextmanager
async def official_client(url: str) -> AsyncIterator[Driver]:
    install()
    async with driving("proxy-check.mjs", f"{url}/behind", SECRET, seconds=60) as driver:
        yield driver


@pytest.mark.interop
async def test_the_official_client_on_every_transport_sees_no_proxy(tmp_path: Path) -> None:
    async with behind(tmp_path) as running, official_client(running.url) as client:
        results = await client.answer()
        assert len(results) == 5
        for each in results:
            assert each["address"] == ["127.0.0.1", "127.0.0.1"]
            assert (each["size"], each["items"]) == (500_000, ["first", "last"]), each


@pytest.mark.interop
async def test_official_clients_stay_over_a_reload_and_come_back_after_restarts(tmp_path: Path) -> None:
    port = str(free_port())
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(hubline(ROOT, "run", APPLICATION, "--port", port))
        backend = await first.url()
        with nginx(backend, tmp_path) as running:
            client = await stack.enter_async_context(official_client(running.url))
            await client.answer()
            running.reload()
            assert await client.answer("call") == {"sizes": [4] * 5, "returns": [0] * 5}

            first.process.terminate()
            assert await first.end() == 0
            while negotiation(running.url).status_code != 502:
                pass
            second = await stack.enter_async_context(hubline(ROOT, "run", APPLICATION, "--port", port))
            await second.url()
            assert await client.answer("return") == {"sizes": [6] * 5, "returns": [1] * 5}
        with nginx(backend, tmp_path, port=running.port) as running:
            assert await client.answer("return") == {"sizes": [6] * 5, "returns": [2] * 5}
            assert '"GET /behind" 101' in running.access_log
            assert '"POST /behind/negotiate" 502' in running.access_log
            assert SECRET not in running.logs
            assert "access_token" not in running.logs


async def test_no_log_of_nginx_has_a_token_whatever_goes_wrong(tmp_path: Path) -> None:
    query = f"/behind?access_token={SECRET}"
    with nginx(NOWHERE, tmp_path, limits=True) as running:
        async with httpx.AsyncClient(base_url=running.url, headers={"upgrade": "websocket"}, timeout=60) as http:
            answers = await asyncio.gather(*(http.get(query) for _ in range(150)))
            too_large = await http.post(query, content=b"x" * 1_048_577)
        assert {answer.status_code for answer in answers} == {429, 502}
        assert too_large.status_code in (413, 429)
        assert running.access_log.count('"GET /behind" 502') >= 100
    assert SECRET not in running.logs


async def test_good_bye_and_close_code_pass_through(tmp_path: Path) -> None:
    async with hubline(ROOT, "run", APPLICATION, "--port", "0") as command:
        with nginx(await command.url(), tmp_path) as running:
            websocket = await RawWebSocket.open(running.url, "/behind")
            assert websocket.status == 101
            websocket.send(HANDSHAKE)
            assert await websocket.frame() == (TEXT, b"{}\x1e")
            command.process.terminate()
            assert await websocket.messages() == ['{"type":7,"allowReconnect":true}\x1e', "close 1000"]
            assert await command.end() == 0


async def test_a_poll_that_finds_nothing_is_answered_at_its_time_out_and_the_connection_lives_on(
    tmp_path: Path,
) -> None:
    async with behind(tmp_path) as running, httpx.AsyncClient(base_url=running.url, timeout=60) as http:
        token = (await http.post("/behind/negotiate?negotiateVersion=1")).json()["connectionToken"]
        url = f"/behind?id={token}"
        assert (await http.get(url)).status_code == 200
        await http.post(url, content=HANDSHAKE)
        assert (await http.get(url)).text == "{}\x1e"
        idle = await http.get(url)
        assert (idle.status_code, idle.content) == (200, b"")
        assert idle.elapsed.total_seconds() > 0.4
        await http.post(url, content=b'{"type":1,"invocationId":"1","target":"Size","arguments":["abc"]}\x1e')
        assert (await http.get(url)).text == '{"type":3,"invocationId":"1","result":3}\x1e'
        await http.delete(url)


def test_nginx_gives_up_idle_connections_before_uvicorn_does() -> None:
    found = re.search(r"keepalive_timeout (\d+)s;", CONFIGURATION.read_text("utf-8"))
    assert found is not None
    assert int(found[1]) < configure(None, log_config=None).timeout_keep_alive


@pytest.mark.interop
@pytest.mark.parametrize(
    ("files", "fewest"), [("streams", 80), pytest.param("*", FEWEST, marks=pytest.mark.slow)], ids=["streams", "all"]
)
def test_the_whole_contract_holds_through_it(tmp_path: Path, files: str, fewest: int) -> None:
    install()
    with contract_server() as url, nginx(url, tmp_path) as running:
        assert_all_passed(results_against(running.url, files), fewest)


async def test_the_clients_address_arrives_and_cannot_be_made_up(tmp_path: Path) -> None:
    async with behind(tmp_path) as running:
        for made_up in ({}, {"x-forwarded-for": "203.0.113.9"}, {"forwarded": "for=203.0.113.9"}):
            transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
            async with httpx.AsyncClient(
                transport=transport, base_url=running.url, headers=made_up, timeout=60
            ) as http:
                assert await called(http, "Address") == ["127.0.0.2", "127.0.0.2"]


async def test_pages_of_the_proxys_origin_are_let_in_and_others_are_not(tmp_path: Path) -> None:
    async with behind(tmp_path) as running:
        assert negotiation(running.url, headers={"origin": running.url}).status_code == 200
        assert negotiation(running.url, headers={"origin": "http://evil.example"}).status_code == 403


async def test_two_thousand_behind_one_address_come_back_at_once_and_all_are_let_in(tmp_path: Path) -> None:
    """Each negotiates and opens its WebSocket; the first 600 stay until all have been served."""
    stay, clients = list[RawWebSocket](), iter(range(2_000))

    async def come_back(running: Nginx, http: httpx.AsyncClient) -> None:
        for number in clients:
            answer = await http.post("/behind/negotiate?negotiateVersion=1")
            assert answer.status_code == 200
            websocket = await RawWebSocket.open(running.url, f"/behind?id={answer.json()['connectionToken']}")
            assert websocket.status == 101
            websocket.send(HANDSHAKE)
            assert await websocket.frame() == (TEXT, b"{}\x1e")
            if number < 600:
                stay.append(websocket)
            else:
                websocket.close()

    async with behind(tmp_path, "--no-access-log") as running:
        async with (
            httpx.AsyncClient(base_url=running.url, limits=httpx.Limits(max_connections=50), timeout=60) as http,
            asyncio.TaskGroup() as group,
        ):
            for _ in range(50):
                group.create_task(come_back(running, http))
        assert len(stay) == 600
        for websocket in stay:
            websocket.close()
        assert running.access_log.count(" 101 ") > 1_000
        assert " 429 " not in running.access_log


async def test_with_limits_a_flood_from_one_address_is_answered_429_and_others_go_on(tmp_path: Path) -> None:
    async with behind(tmp_path, limits=True) as running:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=20), timeout=60) as http:
            url = f"{running.url}/behind/negotiate?negotiateVersion=1"
            statuses = [answer.status_code for answer in await asyncio.gather(*(http.post(url) for _ in range(400)))]
        assert statuses.count(429) >= 200
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(transport=transport, base_url=running.url, timeout=60) as other:
            assert await called(other, "Size", "abc") == 3


async def test_a_body_that_is_too_large_does_not_reach_hubline(tmp_path: Path) -> None:
    async with behind(tmp_path) as running:
        assert negotiation(running.url, content=b"x" * 1_048_577).status_code == 413
        assert negotiation(running.url, content=b"x" * 1_048_576).status_code == 200


async def test_while_hubline_is_away_the_answer_is_502_and_then_it_is_there_again(tmp_path: Path) -> None:
    with nginx(NOWHERE, tmp_path) as running:
        assert negotiation(running.url).status_code == 502
    async with behind(tmp_path) as running:
        assert negotiation(running.url).status_code == 200


async def test_while_hubline_hangs_the_answer_is_504_and_websockets_end_and_then_it_is_there_again(
    tmp_path: Path,
) -> None:
    async with hubline(ROOT, "run", APPLICATION, "--port", "0") as command:
        with nginx(await command.url(), tmp_path, read_timeout="4s") as running:
            websocket = await RawWebSocket.open(running.url, f"/behind?access_token={SECRET}")
            websocket.send(HANDSHAKE)
            assert await websocket.frame() == (TEXT, b"{}\x1e")
            command.process.send_signal(signal.SIGSTOP)
            try:
                assert negotiation(running.url).status_code == 504
                refused = await RawWebSocket.open(running.url, f"/behind?access_token={SECRET}")
                refused.close()
                assert refused.status == 504
                assert await websocket.messages() == []
            finally:
                command.process.send_signal(signal.SIGCONT)
            assert negotiation(running.url).status_code == 200
            assert SECRET not in running.logs
            assert re.search(r'"POST /behind/negotiate" 504 \d+ [\d.]+ 504 ', running.access_log)


async def test_a_path_that_the_proxy_cuts_off(tmp_path: Path) -> None:
    location = CONFIGURATION.read_text("utf-8").split("    location / {")[1].split("\n    }")[0]
    location = "location /live/ {" + location.replace("http://hubline;", "http://hubline/;") + "\n    }"
    async with (
        behind(tmp_path, "--root-path", "/live", location=location) as running,
        httpx.AsyncClient(base_url=f"{running.url}/live", timeout=60) as http,
    ):
        assert await called(http, "Size", "abc") == 3


def test_the_guide_shows_the_files_as_they_are() -> None:
    guide = GUIDE.read_text("utf-8")
    shown = re.findall(r"^```(?:nginx|ini|dockerfile)\n(.*?)^```$", guide, flags=re.DOTALL | re.MULTILINE)
    for name in ("nginx.conf", "hubline.service"):
        assert (ROOT / "deploy" / name).read_text("utf-8") in shown, name


async def called(http: httpx.AsyncClient, method: str, *arguments: object) -> object:
    """Call a method over long polling, and return its result."""
    token = (await http.post("/behind/negotiate?negotiateVersion=1")).json()["connectionToken"]
    url = f"/behind?id={token}"
    assert (await http.get(url)).status_code == 200
    call = {"type": 1, "invocationId": "1", "target": method, "arguments": arguments}
    await http.post(url, content=f'{{"protocol":"json","version":1}}\x1e{json.dumps(call)}\x1e')
    received = ""
    while '"type":3' not in received:
        answer = await http.get(url)
        assert answer.status_code == 200
        received += answer.text
    result: object = next(each["result"] for each in messages(received) if each.get("type") == 3)
    await http.delete(url)
    return result


def messages(text: str) -> Iterator[dict[str, object]]:
    return (json.loads(each) for each in text.split("\x1e") if each)
