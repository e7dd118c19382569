"""Careless code of users, on every server and over every transport: nothing freezes, nothing ends, nothing is lost."""

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from tests.integration.driver import (
    WAYS,
    Connector,
    Peer,
    Way,
    call,
    cancel,
    connector,
    done,
    item,
    stream,
)
from tests.interop.running import ELSEWHERE, SERVERS, running

pytestmark = pytest.mark.skipif(bool(ELSEWHERE), reason="a server of its own")


@pytest.fixture(scope="module", params=SERVERS)
def careless(request: pytest.FixtureRequest) -> Iterator[str]:
    """Its address; that it ends in good order at SIGTERM is checked too."""
    with running("tests.integration.careless_server", "--server", request.param) as url:
        yield url


@pytest.fixture(params=WAYS, ids=str)
async def connect(careless: str, request: pytest.FixtureRequest) -> AsyncIterator[Connector]:
    way: Way = request.param
    async with connector(careless, way) as opener:
        yield opener


@pytest.fixture
async def bystander(connect: Connector) -> Peer:
    return await connect()


@pytest.mark.parametrize("target", ["Exit", "Interrupt", "ExitInAThread", "ExitInADependency", "ExitInAPolicy"])
async def test_an_exit_is_a_failed_call(connect: Connector, bystander: Peer, target: str) -> None:
    peer = await connect()
    error = f"An unexpected error occurred invoking '{target}' on the server."
    assert await peer.call(target) == {"error": error}
    assert await peer.result("Hi") == "hi"
    assert await bystander.result("Hi") == "hi"


@pytest.mark.parametrize("target", ["ExitInAStream", "ExitInAStreamInAThread"])
async def test_an_exit_in_a_stream(connect: Connector, bystander: Peer, target: str) -> None:
    peer = await connect()
    await peer.send(stream("1", target))
    error = "An error occurred on the server while streaming results."
    assert await peer.receive_many(2) == [item("1", 1), done("1", error=error)]
    assert await bystander.result("Hi") == "hi"


@pytest.mark.parametrize("what", ["panic", "cancelled", "generator exit"])
async def test_what_no_except_exception_catches_is_a_failed_call(
    connect: Connector, bystander: Peer, what: str
) -> None:
    peer = await connect()
    for target in ("Raises", "RaisesInAThread", "RaisesWhileItIsWritten", "RaisesInWhatItSends"):
        failed = await peer.call(target, what)
        assert failed == {"error": f"An unexpected error occurred invoking '{target}' on the server."}
    failed = await peer.call("RaisesInAValidator", {"what": what})
    assert failed == {"error": "Failed to invoke 'RaisesInAValidator' due to an error on the server."}
    for target in ("RaisesInAStream", "RaisesInAStreamInAThread", "RaisesInAnItem"):
        await peer.send(stream("1", target, what))
        error = "An error occurred on the server while streaming results."
        assert await peer.receive_many(2) == [item("1", 1), done("1", error=error)]
    await peer.send(call("2", "RaisesInAnUpload", streams=("u",)), item("u", {"what": what}))
    assert await peer.receive() == done("2", result="an item did not fit")
    await peer.send(call("3", "RaisesInAnAnswer"))
    asked = await peer.receive()
    await peer.send(done(asked["invocationId"], result={"what": what}))
    assert await peer.receive() == done("3", result="the answer did not fit")
    assert await peer.result("Hi") == "hi"
    assert await bystander.result("Hi") == "hi"


@pytest.mark.parametrize("what", ["panic", "cancelled"])
async def test_what_no_except_exception_catches_refuses_a_connection(connect: Connector, what: str) -> None:
    refused = await connect(query=f"raises_on_connected={what}")
    assert await refused.rest() == [{"type": 7, "error": "Connection closed with an error."}]


async def test_an_exit_when_connections_come_and_go(connect: Connector, bystander: Peer) -> None:
    refused = await connect(query="exit=on_connected")
    assert await refused.rest() == [{"type": 7, "error": "Connection closed with an error."}]
    leaving = await connect(query="exit=on_disconnected&tenant=acme")
    await leaving.send({"type": 7})
    assert await leaving.rest() == [{"type": 7}]
    await bystander.call("Happens", f"{leaving.id} has left, seen by acme")
    with pytest.raises(httpx.HTTPStatusError, match="500"):
        await connect(query="exit=authenticate")
    assert await bystander.result("Hi") == "hi"


async def test_values_that_only_python_has(connect: Connector) -> None:
    peer = await connect()
    await peer.send(call("1", "OddValues"), stream("2", "OddItems"))
    received = sorted(await peer.receive_many(4), key=lambda message: (message["type"], message.get("invocationId")))
    money = received[0]["arguments"][1]
    assert money in (1.5, "1.50")
    assert received[0]["arguments"] == [[1], money]
    none = None if money == 1.5 else "NaN"
    assert received[1:] == [
        item("2", [money]),
        done("1", result={"money": money, "numbers": [0, 1], "none": none}),
        done("2"),
    ]


@pytest.mark.parametrize("target", ["Feed", "FeedNobody"])
async def test_a_method_that_only_sends_holds_nobody_up_when_its_caller_has_left(
    connect: Connector, bystander: Peer, target: str
) -> None:
    peer = await connect()
    await peer.send(call(None, target))
    await peer.line.close()
    for _ in range(3):
        assert await bystander.result("Hi") == "hi"
    await bystander.call("LetHappen", f"{peer.id} was fed enough")


async def test_a_method_that_reads_on_behind_the_end_of_an_upload_holds_nobody_up(
    connect: Connector, bystander: Peer
) -> None:
    peer = await connect()
    await peer.send(call("1", "ReadOn", streams=("u",)), item("u", "no number"))
    for _ in range(3):
        assert await bystander.result("Hi") == "hi"
    await bystander.call("LetHappen", f"{peer.id} was fed enough")
    assert await peer.receive() == done("1", result=None)


async def test_a_stream_that_loses_its_cancellation(connect: Connector, bystander: Peer) -> None:
    peer = await connect()
    await peer.send(stream("1", "Forgetful", f"{peer.id} cancelled"))
    assert await peer.receive() == item("1", 1)
    await peer.send(cancel("1"))
    assert await peer.receive() == done("1")
    await peer.send(stream("2", "Forgetful", f"{peer.id} left"))
    assert await peer.receive() == item("2", 1)
    await peer.send({"type": 7})
    await peer.rest()
    for how in ("cancelled", "left"):
        await bystander.call("Happens", f"{peer.id} {how} has closed")


async def test_a_stream_that_is_cancelled_in_the_same_message_begins(connect: Connector, bystander: Peer) -> None:
    peer = await connect()
    await peer.send(stream("1", "Noting"), cancel("1"))
    assert await peer.receive() == done("1")
    assert await peer.result("Steps") == ["begins", "is cancelled", "closes"]
    leaving = await connect()
    await leaving.send(stream("1", "Noting"), {"type": 7})
    await bystander.call("Happens", f"{leaving.id} has closed")


async def test_a_stream_waits_for_the_calls_before_it_and_not_for_their_end(
    connect: Connector, bystander: Peer
) -> None:
    peer = await connect()
    first, second = f"{peer.id} first", f"{peer.id} second"
    await peer.send(call("1", "Hold", first), call("2", "Hold", second), stream("3", "Noting"), cancel("3"))
    await bystander.call("LetHappen", first)
    assert await peer.receive_many(2) == [done("1", result=None), done("3")]
    await bystander.call("LetHappen", second)
    assert await peer.receive() == done("2", result=None)
    assert await peer.result("Steps") == [first, second, "begins", "is cancelled", "closes"]


async def test_context_variables_of_middleware(connect: Connector) -> None:
    peer, other = await connect(query="tenant=acme"), await connect(query="tenant=other")
    for target in ("Tenant", "TenantInAThread", "Tenant"):
        assert (await peer.result(target), await other.result(target)) == ("acme", "other")
    await peer.send(stream("1", "TenantInAStream"))
    assert await peer.receive_many(2) == [item("1", "acme"), done("1")]
    await peer.send(*(call(f"{number}", "Tenant") for number in range(5)))
    assert await peer.receive_many(5) == [done(f"{number}", result="acme") for number in range(5)]
