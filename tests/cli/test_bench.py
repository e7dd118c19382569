"""`hubline bench` against a server of our own."""

import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from picows import WSHandshakeError
from rich.console import Console

from hubline.cli import bench
from hubline.cli.calls import Calls
from hubline.errors import ConfigurationError
from tests.cli.running import Running, hubline
from tests.ports import free_port

HUBS = """
from hubline import Hub, HubApp, HubError, Identity, authorize

class ChatHub(Hub):
    async def echo_text(self, text: str) -> str:
        return text

    async def add(self, a: int, b: int) -> int:
        return a + b

    async def refuse(self) -> None:
        raise HubError("not today")

@authorize
class Secret(ChatHub):
    pass

async def authenticate(scope):
    return Identity("alice") if scope.headers.get("authorization") == "Bearer sesame" else None

hubs = HubApp({"/chat": ChatHub, "/secret": Secret}, authenticate=authenticate)
"""


@pytest.fixture
async def url(tmp_path: Path) -> AsyncIterator[str]:
    (tmp_path / "served.py").write_text(HUBS)
    async with hubline(tmp_path, "run", "served:hubs", "--port", "0", "--log-level", "critical") as server:
        yield await server.url()


async def run_bench(tmp_path: Path, *arguments: str) -> Running:
    async with hubline(tmp_path, "bench", *arguments, "--clients", "3", "--seconds", "0.1") as command:
        await command.end()
        return command


@pytest.mark.parametrize("protocol", ["json", "messagepack"])
async def test_calls_are_counted_and_told(url: str, tmp_path: Path, protocol: str) -> None:
    command = await run_bench(tmp_path, url + "/chat", "Add", "1", "2", "--protocol", protocol)
    assert command.process.returncode == 0, command.log
    shown = "".join(command.log)
    assert re.search(r"clients +3\n", shown)
    assert re.search(r"calls answered +[1-9]", shown)
    assert re.search(r"errors +0\n", shown)
    assert re.search(r"99 % within +[\d.]+ ms\n", shown)


async def test_without_a_method_it_calls_echo_text(url: str, tmp_path: Path) -> None:
    command = await run_bench(tmp_path, url + "/chat")
    assert command.process.returncode == 0, command.log


async def test_a_method_that_is_unknown_or_fails_is_told_as_the_server_says_it(url: str, tmp_path: Path) -> None:
    unknown = await run_bench(tmp_path, url + "/chat", "Nope")
    assert unknown.process.returncode == 1
    assert "no call of 'Nope' succeeded" in "".join(unknown.log)
    refused = await run_bench(tmp_path, url + "/chat", "Refuse")
    assert "not today" in "".join(refused.log)


async def test_a_hub_that_wants_a_token_is_told_and_gets_one(url: str, tmp_path: Path) -> None:
    without = await run_bench(tmp_path, url + "/secret")
    assert without.process.returncode == 1
    assert "give a token with --token" in "".join(without.log)
    with_token = await run_bench(tmp_path, url + "/secret", "--token", "sesame")
    assert with_token.process.returncode == 0, with_token.log
    header = await run_bench(tmp_path, url + "/secret", "--header", "Authorization=Bearer sesame")
    assert header.process.returncode == 0, header.log


async def test_nobody_at_the_address_is_told(tmp_path: Path) -> None:
    command = await run_bench(tmp_path, f"http://127.0.0.1:{free_port()}/chat")
    assert command.process.returncode == 1
    assert "no server answers at" in "".join(command.log)


@pytest.mark.parametrize("address", ["", "localhost:8000", "ftp://here/hub", "http:///hub", "http://[here"])
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigurationError, match="is not the address of a hub"):
        bench.websocket_url(address)


def test_addresses_become_those_of_websockets() -> None:
    assert bench.websocket_url("http://here:1/hub?a=b") == "ws://here:1/hub?a=b"
    assert bench.websocket_url("https://here/hub") == "wss://here/hub"
    assert bench.websocket_url("wss://here/hub") == "wss://here/hub"


def test_arguments_are_json_where_they_can_be() -> None:
    assert bench.parse_arguments(["1", "true", '{"a":[2]}', "hello", '"3"']) == [1, True, {"a": [2]}, "hello", "3"]


def test_other_refusals_are_worded() -> None:
    assert "did not open a WebSocket" in bench._refused("http://x", WSHandshakeError("no", b"", b"", None))


def test_errors_and_busy_clients_are_noted() -> None:
    calls = Calls(1.0, [0.001] * 100, Counter({"broken": 2}), client_cpu=0.95)
    assert bench.notes(calls)[0] == "2 failed: broken"
    assert "the server can do more" in bench.notes(calls)[1]
    console = Console(record=True, width=60)
    console.print(bench.table(calls, 3))
    assert "1.00 ms" in console.export_text()
