"""Hubline behind nginx, with the configuration that the deployment guide shows."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from tests.cli.running import hubline
from tests.deployment.nginx import CONFIGURATION, Nginx, nginx
from tests.interop.running import contract_server
from tests.interop.test_javascript import FEWEST, JS, assert_all_passed, install, results_against

pytestmark = [pytest.mark.nginx, pytest.mark.timeout(240)]

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "deployment.md"
APPLICATION = "tests.deployment.application:app"
NOWHERE = "http://127.0.0.1:9"
SECRET = "token-that-nobody-may-read"


@asynccontextmanager
async def behind(directory: Path, *arguments: str, location: str = "") -> AsyncIterator[Nginx]:
    """nginx before a real `hubline run`."""
    async with hubline(ROOT, "run", APPLICATION, "--port", "0", *arguments) as command:
        with nginx(await command.url(), directory, location=location) as running:
            yield running
            command.process.terminate()
            assert await command.end() == 0


def negotiation(url: str, **options: object) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(local_address="127.0.0.1")) as client:
        return client.post(f"{url}/behind/negotiate?negotiateVersion=1", **options)  # type: ignore[arg-type]


@pytest.mark.interop
async def test_the_official_client_on_every_transport_sees_no_proxy(tmp_path: Path) -> None:
    install()
    async with hubline(ROOT, "run", APPLICATION, "--port", "0") as command:
        backend = await command.url()
        with nginx(backend, tmp_path) as first:
            client = await asyncio.create_subprocess_exec(
                *("node", "proxy-check.mjs", f"{first.url}/behind", SECRET),
                cwd=JS,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
            )
            assert client.stdout is not None
            results = json.loads(await client.stdout.readline() or "[]")
            log = first.access_log
        with nginx(backend, tmp_path, port=first.port):
            told, _ = await client.communicate(b"the proxy is there again\n")
    assert len(results) == 5
    for each in results:
        assert each["address"] == ["127.0.0.1", "127.0.0.1"]
        assert (each["size"], each["items"]) == (500_000, ["first", "last"]), each
    assert json.loads(told) == [4] * 5
    assert "/behind" in log
    assert SECRET not in log
    assert "access_token" not in log


@pytest.mark.interop
@pytest.mark.parametrize(
    ("files", "fewest"), [("streams", 80), pytest.param("*", FEWEST, marks=pytest.mark.slow)], ids=["streams", "all"]
)
def test_the_whole_contract_holds_through_it(tmp_path: Path, files: str, fewest: int) -> None:
    install()
    with contract_server() as url, nginx(url, tmp_path, rate="2000r/s") as running:
        assert_all_passed(results_against(running.url, files), fewest)


async def test_the_clients_address_arrives_and_cannot_be_made_up(tmp_path: Path) -> None:
    async with behind(tmp_path) as running:
        for made_up in ({}, {"x-forwarded-for": "203.0.113.9"}, {"forwarded": "for=203.0.113.9"}):
            transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
            async with httpx.AsyncClient(transport=transport, base_url=running.url, headers=made_up) as http:
                assert await called(http, "Address") == ["127.0.0.2", "127.0.0.2"]


async def test_pages_of_the_proxys_origin_are_let_in_and_others_are_not(tmp_path: Path) -> None:
    async with behind(tmp_path) as running:
        assert negotiation(running.url, headers={"origin": running.url}).status_code == 200
        assert negotiation(running.url, headers={"origin": "http://evil.example"}).status_code == 403


async def test_a_flood_from_one_address_is_answered_429_and_others_go_on(tmp_path: Path) -> None:
    async with behind(tmp_path) as running:
        async with httpx.AsyncClient(limits=httpx.Limits(max_connections=20)) as http:
            url = f"{running.url}/behind/negotiate?negotiateVersion=1"
            statuses = [answer.status_code for answer in await asyncio.gather(*(http.post(url) for _ in range(400)))]
        assert statuses.count(429) >= 200
        transport = httpx.AsyncHTTPTransport(local_address="127.0.0.2")
        async with httpx.AsyncClient(transport=transport, base_url=running.url) as other:
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


async def test_a_path_that_the_proxy_cuts_off(tmp_path: Path) -> None:
    location = CONFIGURATION.read_text("utf-8").split("    location / {")[1].split("\n    }")[0]
    location = "location /live/ {" + location.replace("http://hubline;", "http://hubline/;") + "\n    }"
    async with (
        behind(tmp_path, "--root-path", "/live", location=location) as running,
        httpx.AsyncClient(base_url=f"{running.url}/live") as http,
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
