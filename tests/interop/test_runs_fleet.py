"""Two contract servers on one Valkey: what was started on one is read, stopped and found on the other."""

from collections.abc import Iterator

import httpx
import pytest

from tests.integration.driver import WEB_SOCKETS, Way, connector
from tests.interop.running import contract_server
from tests.runs.http.events import Parser
from tests.runs.viewer import Page
from tests.valkey import valkey

pytestmark = pytest.mark.valkey

PATIENCE = 60.0
"""Seconds after which what is waited for will not come: a safety net."""


@pytest.fixture(scope="module")
def urls() -> Iterator[tuple[str, str]]:
    with valkey() as redis:
        settings = {"RUNS_REDIS": redis.address, "RUNS_LEASE_MS": "2000", "RUNS_DRAIN_MS": "0"}
        with contract_server(**settings) as first, contract_server(**settings) as second:
            yield first, second


@pytest.mark.rule("R29")
async def test_a_run_is_read_over_another_server_as_over_its_own(urls: tuple[str, str]) -> None:
    first, second = urls
    async with connector(first, Way(WEB_SOCKETS, "json")) as connect:
        peer = await connect("/hub-runs")
        run_id = await peer.result("StartCount", 20, 5, None, None)
        texts = []
        for url in (second, first):
            page = Page()
            async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as http:
                response = await http.get(f"/runs/{run_id}/events")
                for event in Parser().feed(response.content):
                    page.apply(event.json)
            texts.append(page.text)
        assert texts == ["".join(f"{number} " for number in range(20))] * 2


@pytest.mark.rule("R29")
async def test_a_run_is_stopped_and_found_over_another_server(urls: tuple[str, str]) -> None:
    first, second = urls
    async with connector(first, Way(WEB_SOCKETS, "json")) as connect:
        peer = await connect("/hub-runs")
        run_id = await peer.result("StartCount", 100_000, 5, None, "room")
        async with connector(second, Way(WEB_SOCKETS, "messagepack")) as connect_second:
            other = await connect_second("/hub-runs")
            assert [info["id"] for info in await other.result("RoomRuns", "room")] == [run_id]
            assert (await other.result("StopRun", run_id))["state"] == "stopped"
        assert (await peer.result("RunInfo", run_id))["state"] == "stopped"
