"""How connections begin and end: handshakes that fail, welcome and refusal, abort and close, silence."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, ExitStack

import pytest

from tests.integration.driver import WAYS, WEB_SOCKETS, Connector, Way, call, cancel, connector, done, received, stream
from tests.integration.lines import Ended
from tests.integration.wire_form import RS, Message
from tests.interop.running import ELSEWHERE, SERVERS, UNHURRIED, contract_server

MALFORMED = "An unexpected error occurred during connection handshake."
CANCELED = "Handshake was canceled."
TIMED_OUT = {"type": 7, "error": "Connection closed with an error.", "allowReconnect": True}


async def refusal(connect: Connector, handshake: bytes) -> str:
    """The error a handshake is answered with. Nothing may follow it, whatever the hub does on connect."""
    peer = await connect(query="welcome=1", shake=False)
    await peer.line.send(handshake, binary=peer.way.binary)
    answer = json.loads((await peer.line.receive()).removesuffix(RS))
    with pytest.raises(Ended) as ended:
        await peer.line.receive()
    assert ended.value.code in ((1000,) if peer.way.transport == WEB_SOCKETS else (None, 204, 404))
    assert list(answer) == ["error"]
    return str(answer["error"])


@pytest.mark.statement(78, 79, 82, 84)
async def test_handshakes_that_are_refused(connect: Connector) -> None:
    refused = {
        b'{"protocol":"xml","version":1}': "The protocol 'xml' is not supported.",
        b'{"protocol":"json","version":3}': "The server does not support version 3 of the 'json' protocol.",
        b'{"protocol":"json"}': MALFORMED,
        b'{"version":1}': MALFORMED,
        b'{"protocol":"json","version":"1"}': MALFORMED,
        b"hello": MALFORMED,
        b"[]": MALFORMED,
        b"": MALFORMED,
    }
    for handshake, text in refused.items():
        assert await refusal(connect, handshake + RS) == text, handshake


@pytest.mark.statement(81, 84)
async def test_a_handshake_without_end(connect: Connector) -> None:
    assert await refusal(connect, b"x" * 33_000) == CANCELED


@pytest.mark.statement(79, 83)
@pytest.mark.parametrize(
    "more", ['"version":0', '"version":-1', '"version":2', '"version":1,"minorVersion":5,"x":{"y":[]}']
)
async def test_handshakes_that_are_accepted(connect: Connector, more: str) -> None:
    peer = await connect(shake=False)
    await peer.line.send(f'{{"protocol":"{peer.way.codec}",{more}}}'.encode() + RS, binary=peer.way.binary)
    assert await peer.line.receive() == b"{}" + RS
    assert await peer.is_alive()


@pytest.mark.statement(141, 142)
async def test_a_welcome_comes_after_the_handshake_and_before_any_answer(connect: Connector) -> None:
    peer = await connect(query="welcome=1", shake=False)
    handshake = f'{{"protocol":"{peer.way.codec}","version":1}}'.encode() + RS
    await peer.line.send(handshake, binary=peer.way.binary)
    await peer.send(call("1", "Add", 1, 2))
    first = await peer.line.receive()
    assert first.startswith(b"{}" + RS)
    peer._take(first[3:])
    assert await peer.receive_many(2) == [received("System", "Welcome to the chat!"), done("1", result=3)]


@pytest.mark.statement(143)
async def test_refused_by_on_connected(connect: Connector) -> None:
    peer = await connect(query="refuse=1")
    assert await peer.rest() == [{"type": 7, "error": "Connection closed with an error. HubException: refused"}]


@pytest.mark.statement(145)
async def test_aborted_by_a_method(connect: Connector) -> None:
    peer = await connect()
    await peer.send(call("1", "Abort"))
    assert await peer.rest() == [{"type": 7}]


@pytest.mark.statement(146, 147)
@pytest.mark.parametrize(
    "message", [{"type": 7}, {"type": 7, "error": "why"}, {"type": 7, "allowReconnect": True}], ids=str
)
async def test_closed_by_the_client(connect: Connector, message: dict[str, object]) -> None:
    peer = await connect()
    await peer.send(message)
    assert await peer.rest() == [{"type": 7}]


@pytest.mark.statement(48)
@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_a_websocket_ends_with_1000(server: str, codec: str) -> None:
    async with connector(server, Way(WEB_SOCKETS, codec)) as connect:
        peer = await connect()
        await peer.send({"type": 7})
        await peer.receive()
        with pytest.raises(Ended) as ended:
            await peer.receive()
        assert ended.value.code == 1000


async def test_what_runs_when_a_client_leaves_harms_nobody(connect: Connector) -> None:
    leaves, stays = await connect.several(2)
    await leaves.send(call("1", "Slow", 60_000), stream("2", "Count", 1_000_000, 1), call("3", "Sum", streams=("a",)))
    await leaves.receive()
    await leaves.send({"type": 7})
    assert (await leaves.rest())[-1] == {"type": 7}
    assert await stays.is_alive()


DETAILS = {"DETAILED": "1", "PARALLEL": "2"}


@pytest.fixture(scope="module")
def impatient() -> Iterator[str]:
    """A server with short times; they are looked at once a second."""
    with contract_server("uvicorn", KEEPALIVE_MS="500", CLIENT_TIMEOUT_MS="1500", **DETAILS) as url:
        yield url


@pytest.fixture(params=WAYS, ids=str)
async def hurried(request: pytest.FixtureRequest, impatient: str) -> AsyncIterator[Connector]:
    async with connector(impatient, request.param) as opener:
        yield opener


@pytest.fixture(scope="module")
def patient() -> Iterator[str]:
    """A server that puts no pings between its answers, however slow the machine is."""
    with contract_server("uvicorn", **DETAILS, **UNHURRIED) as url:
        yield url


@pytest.fixture(params=WAYS, ids=str)
async def unhurried(request: pytest.FixtureRequest, patient: str) -> AsyncIterator[Connector]:
    async with connector(patient, request.param) as opener:
        yield opener


ours = pytest.mark.skipif(bool(ELSEWHERE), reason="needs a server with settings of its own")


@ours
@pytest.mark.statement(80, 84)
async def test_silence_before_the_handshake() -> None:
    """On a server of its own: whoever does shake hands could be too late on a busy machine."""
    async with AsyncExitStack() as stack:
        url = stack.enter_context(contract_server("uvicorn", HANDSHAKE_MS="600"))
        connectors = [await stack.enter_async_context(connector(url, way)) for way in WAYS]
        await asyncio.gather(*(no_handshake(connect) for connect in connectors))


async def no_handshake(connect: Connector) -> None:
    peer = await connect(query="welcome=1", shake=False)
    assert json.loads((await peer.line.receive())[:-1]) == {"error": CANCELED}
    with pytest.raises(Ended):
        await peer.line.receive()


@pytest.mark.statement(166, 167, 168)
class TestTimes:
    pytestmark = ours

    async def test_silence_after_the_handshake(self, hurried: Connector) -> None:
        """All at once, because each takes its time."""
        await asyncio.gather(self.one_ping(hurried), self.never_a_ping(hurried), self.busy(hurried))

    async def one_ping(self, connect: Connector) -> None:
        """Silence after a ping ends the connection, on long polling too; a call that is running changes nothing."""
        peer = await connect()
        await peer.send({"type": 6}, call("1", "Slow", 60_000))
        found = [each for each in await peer.rest() if each["type"] != 6]
        detail = "Client hasn't sent a message/ping within the configured ClientTimeoutInterval."
        (close,) = found
        assert (close["type"], close["allowReconnect"]) == (7, True)
        assert close["error"].startswith(TIMED_OUT["error"])
        assert detail in close["error"]

    async def never_a_ping(self, connect: Connector) -> None:
        """Calls that take longer than the time-out, two of them at once, and not one message meanwhile."""
        peer = await connect()
        await peer.send(call("1", "Slow", 3_000), call("2", "Slow", 3_000))
        answers: list[Message] = []
        while len(answers) < 2:
            if (message := await peer.receive())["type"] != 6:
                answers.append(message)
        assert sorted(answers, key=str) == [done("1", result=3_000), done("2", result=3_000)]

    async def busy(self, connect: Connector) -> None:
        """Pings come while other messages flow, but not on long polling, whose polls show that the server lives."""
        peer = await connect()
        await peer.send(stream("1", "Count", 1_000_000, 20))
        kinds = [(await peer.receive())["type"] for _ in range(120)]
        await peer.send(cancel("1"))
        assert kinds.count(6) == 0 if peer.way.transport == "LongPolling" else kinds.count(6) >= 1
        assert set(kinds) <= {2, 6}


@pytest.mark.statement(112, 113, 116, 121)
class TestSettings:
    pytestmark = ours

    async def test_detailed_errors(self, unhurried: Connector) -> None:
        peer = await unhurried()
        base = "An unexpected error occurred invoking 'Throw' on the server."
        assert (await peer.call("Throw"))["error"].startswith(f"{base} RuntimeError: secret detail")
        failed = "Failed to invoke 'Add' due to an error on the server."
        count = f"{failed} InvalidDataException: Invocation provides 1 argument(s) but target expects 2."
        assert await peer.call("Add", 1) == {"error": count}
        assert (await peer.call("Add", "a", "b"))["error"].startswith(failed + " ")

    async def test_two_calls_at_once_and_a_third_waits(self, unhurried: Connector) -> None:
        """Two of them never end: no time decides what comes when."""
        peer, other = await unhurried.several(2)
        adding = [call(number, "Add", 1, 2) for number in "235"]
        endless = [call(number, "Slow", 600_000) for number in "14"]
        await peer.send(endless[0], *adding[:2], endless[1], adding[2])
        assert await peer.receive_many(2) == [done("2", result=3), done("3", result=3)]
        await other.send(call(None, "ToClient", peer.id, "behind it"))
        assert await peer.receive() == received("client", "behind it")


@pytest.mark.skipif(bool(ELSEWHERE), reason="ends the server")
@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_that_is_told_to_stop_invites_its_clients_to_come_back(name: str) -> None:
    """Whatever they are doing, and it waits for those that poll; `contract_server` looks at its status and log."""
    with ExitStack() as stack:
        url = stack.enter_context(contract_server(name))
        async with connector(url, WAYS[0]) as connect:
            peers = [await connect(way=way) for way in WAYS]
            for peer in peers:
                await peer.send(call("1", "Slow", 60_000), stream("2", "Count", 1_000_000, 50))
                await peer.receive()
            stopped = asyncio.ensure_future(asyncio.to_thread(stack.close))
            for peer in peers:
                found = [message for message in await peer.rest() if message["type"] != 2]
                assert found == [{"type": 7, "allowReconnect": True}], peer.way
            await stopped
