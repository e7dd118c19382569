"""Stateful reconnect with the official clients, behind a proxy that cuts their sockets at any byte."""

import asyncio
import json
import os
import tempfile

import pytest

from tests.interop.cutting_proxy import CuttingProxy
from tests.interop.running import SERVERS, contract_server
from tests.interop.test_dotnet import checks_against
from tests.interop.test_javascript import assert_all_passed, install, results_against

LONG = [pytest.param(server, seed, 200, marks=pytest.mark.slow) for seed in range(2, 8) for server in SERVERS]


@pytest.mark.interop
@pytest.mark.timeout(240)
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


@pytest.mark.refpeer
@pytest.mark.timeout(240)
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
    assert proxy.cuts >= 4, "else this was no test"
    assert proxy.half_open >= 2
