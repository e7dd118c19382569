"""The contract server, once for each ASGI server and process of tests, and a connector for every way to talk to it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from zlib import crc32

import pytest

from tests.integration.driver import WAYS, Connector, Way, connector
from tests.interop.running import ELSEWHERE, SERVERS, UNHURRIED, contract_server

HERE = Path(__file__).parent
MESSAGES = ("test_calls", "test_messages", "test_streams")
"""Modules about what the bytes of a transport say, once they have come: `tests/integration/lines.py` hands them over.

The ASGI server that carried them is not known there any more: the two have nothing to do with each other."""


@pytest.hookimpl(tryfirst=True)  # before pytest looks at the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave two servers of three to the slow tests, for each test of messages on each way.

    Each of these tests still runs on every way, on every server, and some of them on every pair of these.
    """
    for item in items:
        if not isinstance(item, pytest.Function) or item.path.parent != HERE or item.path.stem not in MESSAGES:
            continue
        given = item.callspec.params if hasattr(item, "callspec") else {}
        server, way = given.get("server"), given.get("way")
        if server in SERVERS and way in WAYS:
            case = crc32(item.name.replace(f"{server}-{way}", "").encode())  # whatever else is collected
            if (case + SERVERS.index(server) + WAYS.index(way)) % len(SERVERS):
                item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session", params=["elsewhere"] if ELSEWHERE else SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    if ELSEWHERE:
        yield ELSEWHERE
    else:
        with contract_server(request.param, **UNHURRIED) as url:
            yield url


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
async def connect(server: str, way: Way) -> AsyncIterator[Connector]:
    async with connector(server, way) as opener:
        yield opener
