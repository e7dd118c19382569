"""Runs over plain HTTP on real sockets: read as it comes, cut, left, refused, behind nginx, and on granian."""

import asyncio
import json
import random
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.running import hubline
from tests.deployment.nginx import nginx
from tests.integration.driver import WEB_SOCKETS, Peer, Way, connector
from tests.interop.running import ELSEWHERE, ROOT, SERVERS, contract_server
from tests.ports import free_port
from tests.processes import child_process, until_it_listens
from tests.runs.http.events import Event, Parser
from tests.runs.viewer import Page

APPLICATION = "tests.integration.runs_application:app"
PATIENCE = 60.0
"""Seconds after which what is waited for will not come: a safety net."""


@pytest.fixture
async def http(server: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=server, timeout=PATIENCE) as client:
        yield client


@pytest.fixture
async def peer(server: str) -> AsyncIterator[Peer]:
    """A connection that starts runs."""
    async with connector(server, Way(WEB_SOCKETS, "json")) as connect:
        yield await connect("/hub-runs")


async def events(response: httpx.Response) -> AsyncIterator[Event]:
    """As they come."""
    parser = Parser()
    async for data in response.aiter_raw():
        for event in parser.feed(data):
            yield event


async def read(http: httpx.AsyncClient, run_id: str, page: Page, *, most: int = sys.maxsize, **options: Any) -> int:
    """Go on from the page's position, and leave after so many events; the status of the answer."""
    if page.position is not None:
        options["headers"] = {"last-event-id": page.position}
    async with http.stream("GET", f"/runs/{run_id}/events", **options) as response:
        if response.status_code == 200 and most > 0:
            async for event in events(response):
                page.apply(event.json)
                most -= 1
                if most == 0:
                    break
    page.cut()
    return response.status_code


async def viewers(http: httpx.AsyncClient, run_id: str, wanted: int) -> None:
    """Wait until so many watch it."""
    async with asyncio.timeout(PATIENCE):
        while (await http.get(f"/runs/{run_id}")).json()["viewers"] != wanted:
            pass


@pytest.mark.rule("H1", "R1", "R5")
async def test_who_is_cut_again_and_again_has_everything_once(http: httpx.AsyncClient, peer: Peer) -> None:
    run_id, page, chance = await peer.result("StartCount", 120, 5, None, None), Page(), random.Random(5)
    statuses = []
    while page.end is None:
        statuses.append(await read(http, run_id, page, most=chance.randrange(12)))
    assert page.text == "".join(f"{number} " for number in range(120))
    assert set(statuses) == {200}
    assert await read(http, run_id, page) == 204
    await viewers(http, run_id, 0)


@pytest.mark.rule("H1")
async def test_an_item_comes_when_it_is_written(http: httpx.AsyncClient, peer: Peer) -> None:
    run_id = await peer.result("StartSteered", 3)
    async with http.stream("GET", f"/runs/{run_id}/events") as response:
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["cache-control"] == "no-cache,no-store"
        found = events(response)
        assert (await anext(found)).json["kind"] == "live"
        for word in ("one", "two", "three"):
            sent = await http.post(f"/runs/{run_id}/messages", json={"value": word})
            assert sent.status_code == 200
            taken, text = await anext(found), await anext(found)
            assert taken.json["steerId"] == sent.json()["steerId"]
            assert text.json["text"] == f"{word} "
        end = await anext(found)
        assert (end.json["state"], end.id) == ("completed", end.json["position"])
        with pytest.raises(StopAsyncIteration):
            await anext(found)


@pytest.mark.rule("H1", "R13", "R25")
async def test_stopping_and_answering(http: httpx.AsyncClient, peer: Peer) -> None:
    run_id = await peer.result("StartAsking", 60_000)
    async with http.stream("GET", f"/runs/{run_id}/events") as response:
        async for event in events(response):
            if event.json["kind"] == "ask":
                break
    path = f"/runs/{run_id}/answers/{event.json['askId']}"
    assert (await http.post(path, json={"value": "x"})).status_code == 409
    assert (await http.post(path, json={"value": True})).status_code == 204
    page = Page()
    await read(http, run_id, page)
    assert page.text == "yes by nobody"
    run_id = await peer.result("StartCount", 100_000, 1, None, None)
    stopped = await http.post(f"/runs/{run_id}/stop")
    assert (stopped.status_code, stopped.json()["state"]) == (200, "stopped")


@pytest.mark.rule("H1", "R4", "R22")
async def test_whose_run_it_is(http: httpx.AsyncClient, server: str) -> None:
    token = (await http.get("/token", params={"sub": "ada"})).text
    other = (await http.get("/token", params={"sub": "bob"})).text
    async with connector(server, Way(WEB_SOCKETS, "json")) as connect:
        ada = await connect("/hub-runs", token=token)
        run_id = await ada.result("StartCount", 3, 1, None, None)
    statuses = {}
    for who, bearer in (("ada", token), ("bob", other), ("nobody", None), ("broken", f"{token[:-3]}abc")):
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        statuses[who] = (await http.get(f"/runs/{run_id}", headers=headers)).status_code
    assert statuses == {"ada": 200, "bob": 404, "nobody": 404, "broken": 401}
    page = Page()
    assert await read(http, run_id, page, params={"access_token": token}) == 200
    assert page.text == "0 1 2 "


@pytest.mark.rule("H1", "R17", "R19")
async def test_who_does_not_read_holds_nobody_up_and_has_everything_in_the_end(
    http: httpx.AsyncClient, peer: Peer, server: str
) -> None:
    numbers = 80_000
    run_id = await peer.result("StartCount", numbers, 0, None, None)
    host, _, port = server.removeprefix("http://").partition(":")
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    slow.connect((host, int(port)))
    slow.sendall(f"GET /runs/{run_id}/events HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    async with asyncio.timeout(60):
        while (await http.get(f"/runs/{run_id}")).json()["state"] != "completed":
            pass
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1_048_576)  # or what is buffered would come by the kilobyte
    slow.setblocking(False)
    reader, writer = await asyncio.open_connection(sock=slow)
    async with asyncio.timeout(PATIENCE):
        answer = await reader.read()
    writer.close()
    body = answer.partition(b"\r\n\r\n")[2]
    late = Page()
    for event in Parser().feed(_unchunked(body)):
        late.apply(event.json)
    assert late.text == "".join(f"{number} " for number in range(numbers))
    assert "snapshot" in late.kinds()
    await viewers(http, run_id, 0)


def _unchunked(body: bytes) -> bytes:
    found, at = list[bytes](), 0
    while at < len(body):
        end = body.index(b"\r\n", at)
        start, size = end + 2, int(body[at:end], 16)
        found.append(body[start : start + size])
        at = start + size + 2
    return b"".join(found)


@pytest.mark.skipif(bool(ELSEWHERE), reason="ends the server")
@pytest.mark.rule("H1", "R16")
@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_that_is_told_to_stop_sends_its_readers_the_end(name: str) -> None:
    page = Page()
    with ExitStack() as stack:
        url = stack.enter_context(contract_server(name, RUNS_DRAIN_MS="0"))
        async with (
            httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http,
            connector(url, Way(WEB_SOCKETS, "json")) as connect,
        ):
            run_id = await (await connect("/hub-runs")).result("StartCount", 100_000, 10, None, None)
            reading = asyncio.ensure_future(read(http, run_id, page))
            await viewers(http, run_id, 1)
            await asyncio.gather(reading, asyncio.to_thread(stack.close))
    assert page.end is not None
    assert page.end["state"] == "interrupted"


NUMBERS = 80_000
"""More than the buffers of a connection hold."""


async def deaf_readers(http: httpx.AsyncClient, url: str, run_id: str) -> list[socket.socket]:
    """Three who ask for the events of a run of `NUMBERS`, and read none of them; the run has completed."""
    host, _, port = url.removeprefix("http://").partition(":")
    found = []
    for _ in range(3):
        deaf = socket.socket()
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.connect((host, int(port)))
        deaf.sendall(f"GET /runs/{run_id}/events HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        found.append(deaf)
    async with asyncio.timeout(60):
        while (await http.get(f"/runs/{run_id}")).json()["state"] != "completed":
            pass
    await viewers(http, run_id, 3)
    return found


def heard(deaf: socket.socket) -> bytes:
    """What comes of a connection that the server has given up."""
    found = bytearray()
    with deaf, suppress(ConnectionResetError):
        deaf.settimeout(PATIENCE)
        while data := deaf.recv(1_048_576):
            found += data
    return bytes(found)


@pytest.mark.skipif(bool(ELSEWHERE), reason="ends the server")
@pytest.mark.rule("H1", "R16")
@pytest.mark.parametrize("name", SERVERS)
async def test_readers_that_do_not_read_do_not_disturb_the_end_of_a_server(name: str) -> None:
    """They are broken off when the others have had their time; the log has no faults (`contract_server`)."""
    with ExitStack() as stack:
        url = stack.enter_context(contract_server(name, RUNS_DRAIN_MS="0"))
        async with (
            httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http,
            connector(url, Way(WEB_SOCKETS, "json")) as connect,
        ):
            run_id = await (await connect("/hub-runs")).result("StartCount", NUMBERS, 0, None, None)
            deaf = await deaf_readers(http, url, run_id)
        await asyncio.to_thread(stack.close)
    for each in deaf:
        assert not heard(each).endswith(b"0\r\n\r\n"), "it was no deaf reader"


@pytest.mark.rule("H1", "R16")
async def test_under_hubline_run_such_readers_leave_nothing_in_the_log() -> None:
    async with asyncio.timeout(60), hubline(ROOT, "run", APPLICATION, "--port", "0") as command:
        url = await command.url()
        async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http:
            run_id = (await http.post("/start", params={"words": NUMBERS})).text
            deaf = await deaf_readers(http, url, run_id)
        command.process.terminate()
        assert await command.end() == 0
    assert "ERROR" not in "".join(command.log)
    for each in deaf:
        assert not heard(each).endswith(b"0\r\n\r\n"), "it was no deaf reader"


@pytest.mark.nginx
@pytest.mark.rule("H1")
async def test_behind_nginx_an_item_comes_when_it_is_written(tmp_path: Path) -> None:
    with contract_server("accelerated") as url, nginx(url, tmp_path) as front:
        async with connector(front.url, Way(WEB_SOCKETS, "json")) as connect:
            peer = await connect("/hub-runs")
            async with httpx.AsyncClient(base_url=front.url, timeout=PATIENCE) as http:
                await test_an_item_comes_when_it_is_written(http, peer)


@asynccontextmanager
async def granian() -> AsyncIterator[str]:
    port = free_port()
    command = [sys.executable, "-m", "granian", "--interface", "asgi", "--port", str(port), APPLICATION]
    async with child_process(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE) as process:
        assert process.stdout is not None
        while "Started worker" not in (line := (await process.stdout.readline()).decode()):
            assert line, "granian did not start"
        await until_it_listens(port, process)  # a moment after it has said so
        yield f"http://127.0.0.1:{port}"
        process.terminate()
        await process.communicate()


@asynccontextmanager
async def hubline_run() -> AsyncIterator[str]:
    async with hubline(ROOT, "run", APPLICATION, "--port", "0") as command:
        yield await command.url()
        command.process.terminate()
        assert await command.end() == 0


@pytest.mark.rule("H1")
@pytest.mark.parametrize("served", [granian, hubline_run])
async def test_on_servers_that_are_started_by_a_command(served: Callable[[], Any]) -> None:
    async with asyncio.timeout(60), served() as url, httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http:
        run_id, page = (await http.post("/start")).text, Page()
        for most in (3, 5, sys.maxsize):
            assert await read(http, run_id, page, most=most) == 200
        assert page.text == "".join(f"{number} " for number in range(50))
        assert await read(http, run_id, page) == 204
        await viewers(http, run_id, 0)


async def test_the_parser_of_these_tests_reads_what_is_cut_anywhere() -> None:
    data = b':\n\nid: a-1\ndata: {"n": 1}\n\n:\nevent: error\ndata: {"error":\ndata: "x"}\n\n'
    for size in range(1, len(data)):
        parser, found = Parser(), list[Event]()
        for start in range(0, len(data), size):
            found += parser.feed(data[start : start + size])
        assert [(each.id, each.name, each.json) for each in found] == [
            ("a-1", "message", {"n": 1}),
            ("a-1", "error", json.loads('{"error": "x"}')),
        ]
