"""The contract server, once for each ASGI server and process of tests, and a connector for every way to talk to it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.driver import WAYS, Connector, Way, connector
from tests.interop.running import ELSEWHERE, SERVERS, UNHURRIED, contract_server


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
