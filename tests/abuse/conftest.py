"""One server under attack for each way of carrying WebSockets, and a bystander during every attack."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.abuse.server import PATHS
from tests.abuse.target import Bystander, Target, bystander
from tests.integration.driver import WAYS, Connector, Way, connector
from tests.interop.running import running


@pytest.fixture(scope="session", params=PATHS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with running("tests.abuse.server", "--path", request.param) as url:
        yield url


@pytest.fixture
def path(request: pytest.FixtureRequest, server: str) -> str:
    """How the server carries WebSockets: one of `PATHS`."""
    return str(request.node.callspec.params["server"])


@pytest.fixture(autouse=True)
async def a_bystander(server: str) -> AsyncIterator[Bystander]:
    async with bystander(server) as found:
        yield found


@pytest.fixture
async def target(server: str, a_bystander: Bystander) -> AsyncIterator[Target]:
    """The server, with nobody else on it than the bystander; what was negotiated before may still be waiting."""
    found = Target(server)
    await found.until(lambda figures: figures.connections == 1)
    yield found
    await found.http.aclose()


@pytest.fixture
async def nobody_waits(target: Target) -> None:
    """What was negotiated before has expired too: for tests that count."""
    await target.until(lambda figures: figures.waiting == 0)


@pytest.fixture(params=WAYS, ids=str)
def way(request: pytest.FixtureRequest) -> Way:
    found: Way = request.param
    return found


@pytest.fixture
async def connect(server: str, way: Way, a_bystander: Bystander) -> AsyncIterator[Connector]:
    async with connector(server, way) as opener:
        yield opener
