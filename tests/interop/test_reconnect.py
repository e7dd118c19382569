"""Stateful reconnect with the official clients, behind a proxy that cuts their sockets at any byte."""

import asyncio
import json
import os
import tempfile
from pathlib import Path

import pytest

from tests.interop.cutting_proxy import CuttingProxy
from tests.interop.dotnet_program import SOURCE, at_work, compiled
from tests.interop.running import SERVERS, contract_server
from tests.interop.test_dotnet import checks_against
from tests.interop.test_javascript import assert_all_passed, install, results_against

CODECS = ("json", "messagepack")
LONG = [pytest.param(server, seed, 200, marks=pytest.mark.slow) for seed in range(2, 8) for server in SERVERS]


@pytest.mark.interop
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("server", "seed", "rounds"), [*[(server, 1, 60) for server in SERVERS], *LONG])
async def test_official_javascript_client(server: str, seed: int, rounds: int, monkeypatch: pytest.MonkeyPatch) -> None:
    install()
    monkeypatch.setenv("HUBLINE_ROUNDS", str(rounds))
    with contract_server(server) as url:
        proxy = CuttingProxy(url, seed=seed)
        async with proxy.running() as address:
            assert_all_passed(await asyncio.to_thread(results_against, address, "reconnect"), 2)
    assert proxy.cuts >= 4, "else this was no test"
    assert proxy.half_open >= 2


WORK = [pytest.param(server, codec, 1, 60) for server in SERVERS for codec in CODECS]
LONG_WORK = [
    pytest.param(server, codec, seed, 200, marks=pytest.mark.slow)
    for seed in range(2, 8)
    for server in SERVERS
    for codec in CODECS
]


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(SOURCE, tmp_path_factory.mktemp("dotnet"))


@pytest.mark.refpeer
@pytest.mark.mcs
@pytest.mark.statement(172, 175, 176)
@pytest.mark.timeout(300)
@pytest.mark.parametrize(("server", "codec", "seed", "rounds"), [*WORK, *LONG_WORK])
async def test_official_dotnet_client_at_work(program: Path, server: str, codec: str, seed: int, rounds: int) -> None:
    """Calls, streams both ways, client results and messages to a group: nothing is lost and nothing doubled."""
    with contract_server(server) as url:
        proxy = CuttingProxy(url, seed=seed)
        async with proxy.running() as address:
            found = await asyncio.to_thread(at_work, program, address, codec, rounds)
    found.assert_nothing_lost_and_nothing_doubled(rounds)
    assert proxy.cuts >= 4, "else this was no test"
    assert proxy.half_open >= 2


@pytest.mark.refpeer
@pytest.mark.timeout(300)
@pytest.mark.parametrize("server", SERVERS)
async def test_official_dotnet_client(server: str) -> None:
    environment = {"REFPEER_PARENT": tempfile.gettempdir()} | os.environ
    with contract_server(server) as url:
        proxy = CuttingProxy(url, seed=1, longest=600, settled=0.02)
        async with proxy.running() as address:
            output = await asyncio.to_thread(checks_against, address, environment, "stateful reconnect")
    *lines, count = output.splitlines()
    failed = [f"{each['check']}: {each['error']}" for each in map(json.loads, lines) if not each["ok"]]
    assert not failed, "\n".join(failed)
    assert count == "2 passed, 0 failed"
    assert proxy.cuts >= 2, "else this was no test"
    assert proxy.half_open >= 1
