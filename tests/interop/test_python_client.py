"""`hubline.client` against the contract, on our server and on ASP.NET Core, with every transport and codec."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, contextmanager, suppress
from datetime import UTC, datetime
from typing import Any, Literal
from urllib.request import urlopen

import pytest

from hubline import ConnectionClosed, InvocationError, NegotiationError
from hubline.client import ConnectionState, HubConnection, Retry
from hubline.client.transports import TransportName
from tests.interop.cutting_proxy import CuttingProxy
from tests.interop.running import ROOT, contract_server, reference_server, running
from tests.ports import free_port

Codec = Literal["json", "messagepack"]
CODECS: tuple[Codec, ...] = ("json", "messagepack")
CONNECTED, RECONNECTING = ConnectionState.CONNECTED, ConnectionState.RECONNECTING

Connect = Callable[..., HubConnection]

WAYS: list[tuple[TransportName, Codec]] = [
    ("websocket", "json"),
    ("websocket", "messagepack"),
    ("sse", "json"),
    ("long_polling", "json"),
    ("long_polling", "messagepack"),
]


@pytest.fixture(scope="module", params=["accelerated", pytest.param("dotnet", marks=pytest.mark.refpeer)])
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with reference_server() if request.param == "dotnet" else contract_server(request.param) as found:
        yield found


@pytest.fixture(params=WAYS, ids="-".join)
def connect(request: pytest.FixtureRequest, url: str) -> Connect:
    """Makes a connection with the transport and codec of this test."""
    transport, codec = request.param

    def make(path: str = "/hub", **settings: Any) -> HubConnection:
        return HubConnection(url + path, transports=[transport], codec=codec, **settings)

    return make


def token(url: str, **claims: object) -> str:
    query = "&".join(f"{name}={value}" for name, value in claims.items())
    with urlopen(f"{url}/token?{query}") as answer:
        return str(answer.read().decode())


async def items(*values: Any) -> AsyncIterator[Any]:
    for value in values:
        yield value


async def test_calls(connect: Connect) -> None:
    async with connect() as hub:
        assert await hub.invoke("ConnectionId", result_type=str) == hub.connection_id
        assert await hub.invoke("UserId") is None
        assert await hub.invoke("Add", 1, 2, result_type=int) == 3
        assert await hub.invoke("Echo", {"a": [1, None, "x"]}) == {"a": [1, None, "x"]}
        assert await hub.invoke("EchoText", "zażółć 🎈", result_type=str) == "zażółć 🎈"
        assert await hub.invoke("EchoText", None) is None
        assert await hub.invoke("EchoText", "x" * 30_000, result_type=str) == "x" * 30_000
        assert await hub.invoke("EchoBytes", b"\0\xff", result_type=bytes) == b"\0\xff"
        now = datetime(2026, 11, 29, 8, 13, 35, tzinfo=UTC)
        assert await hub.invoke("EchoDate", now, result_type=datetime) == now
        assert await hub.invoke("EchoMap", {"a": 1}, result_type=dict[str, int]) == {"a": 1}
        person = await hub.invoke("EchoPerson", {"Name": "Ada", "Age": 36})
        told = {name.lower(): value for name, value in person.items() if value is not None}
        assert told == {"name": "Ada", "age": 36}
        for nothing in ("Null", "Nothing", "NothingAsync"):
            assert await hub.invoke(nothing) is None
        assert await hub.invoke("Slow", 5, result_type=int) == 5
        assert await hub.invoke("renamed") == "renamed"
        answers = await asyncio.gather(*(hub.invoke("Add", n, n, result_type=int) for n in range(50)))
        assert answers == [2 * n for n in range(50)]
        for target, arguments, text in (
            ("ThrowHub", ["why"], "HubException: why"),
            ("Throw", [], "An unexpected error occurred invoking 'Throw' on the server."),
            ("Nowhere", [], "Method does not exist."),
            ("Original", [], "Method does not exist."),
            ("Add", [1], "Failed to invoke 'Add' due to an error on the server."),
            ("Add", [1, "x"], "Failed to invoke 'Add' due to an error on the server."),
            ("NeedsUser", [], "user is unauthorized"),
            ("Count", [1, 0], "attempted to invoke the streaming 'Count' method with a non-streaming invocation"),
        ):
            with pytest.raises(InvocationError) as found:
                await hub.invoke(target, *arguments)
            assert found.value.target == target
            assert text in found.value.message
            assert "secret detail" not in found.value.message


async def test_streams_in_both_directions(connect: Connect) -> None:
    async with connect(buffer=8) as hub:
        assert [n async for n in hub.stream("Count", 200, 0, result_type=int)] == list(range(200))
        assert await hub.invoke("Sum", items(1, 2, 3), result_type=int) == 6
        assert await hub.invoke("Sum", items(*range(500)), result_type=int) == sum(range(500))
        assert [word async for word in hub.stream("Shout", items("a", "b"), result_type=str)] == ["A", "B"]
        assert [len(text) async for text in hub.stream("Tokens", 300, 1000)] == [1000] * 300
        assert [text async for text in hub.stream("PacedTokens", 3, 2, 1)] == ["xx"] * 3
        broken = hub.stream("CountThenThrow", 2, result_type=str)
        assert [await anext(broken), await anext(broken)] == ["item 0", "item 1"]
        with pytest.raises(InvocationError, match="stream broke"):
            await anext(broken)
        total = 0
        async for n in hub.stream("Count", 100, 0, result_type=int):
            total += await hub.invoke("Add", n, 1, result_type=int)  # behind items that nobody has read
        assert total == 100 * 101 // 2
        async with aclosing(hub.stream("Count", 1_000_000_000, 1, result_type=int)) as stream:
            assert [await anext(stream) for _ in range(3)] == [0, 1, 2]
        assert await hub.invoke("Add", 1, 1, result_type=int) == 2


async def test_calls_by_the_server(url: str, connect: Connect) -> None:
    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    ada = connect("/hub?welcome=1", token=token(url, sub="ada"))
    ada.on("ReceiveMessage", lambda *message: heard.put_nowait(message))
    async with ada, connect() as bob:

        async def double(value: int) -> int:
            return value + await bob.invoke("Add", value, 0, result_type=int)

        async def said(target: str, *arguments: Any) -> tuple[str, str]:
            await bob.invoke(target, *arguments)
            return await heard.get()

        bob.on("Double", double)
        bob.on("ReceiveMessage", lambda *message: None)
        assert await heard.get() == ("System", "Welcome to the chat!")
        assert await bob.invoke("Add", 1, 1, result_type=int) == 2  # its handshake was answered before it was admitted
        assert await ada.invoke("AskClient", bob.connection_id, 21, result_type=int) == 42
        with pytest.raises(InvocationError, match="AskClient"):
            await bob.invoke("AskClient", ada.connection_id, 21)
        await ada.invoke("Join", "g")
        id = ada.connection_id
        assert await said("SendMessage", "bob", "m") == ("bob", "m")
        assert await said("ToOthers", "m") == ("others", "m")
        assert await said("ToClient", id, "m") == ("client", "m")
        assert await said("ToClients", [id], "m") == ("clients", "m")
        assert await said("ToAllExcept", [bob.connection_id], "m") == ("allexcept", "m")
        assert await said("ToUser", "ada", "m") == ("user", "m")
        assert await said("ToUsers", ["ada"], "m") == ("users", "m")
        assert await said("ToGroup", "g", "m") == ("g", "m")
        assert await said("ToGroups", ["g"], "m") == ("groups", "m")
        assert await said("ToOthersInGroup", "g", "m") == ("g", "m")
        assert await said("ToGroupExcept", "g", [bob.connection_id], "m") == ("g", "m")
        await bob.invoke("JoinOther", id, "h")
        assert await said("ToGroup", "h", "m") == ("h", "m")
        await ada.invoke("Leave", "g")
        await bob.invoke("ToGroup", "g", "lost")
        await ada.invoke("ToCaller", "m")
        assert await heard.get() == ("caller", "m")
        await bob.send("Broadcast", 100, 1000)
        assert {await heard.get() for _ in range(100)} == {("alice", "x" * 1000)}


async def test_tokens_redirections_and_ends(url: str, connect: Connect) -> None:
    tokens = iter(["wrong", token(url, sub="ada", tier="premium")])
    async with connect("/hub-auth", token=lambda: next(tokens)) as hub:
        assert await hub.invoke("UserId", result_type=str) == "ada", "the first token was answered with 401"
        assert [word async for word in hub.stream("Ask", "to be")] == ["to", "be"]
    async with connect("/redirect") as hub:
        assert await hub.invoke("Add", 1, 2, result_type=int) == 3
    for path, status in (("/hub-auth", 401), ("/nowhere", 404)):
        with pytest.raises(NegotiationError) as found:
            await connect(path).start()
        assert found.value.status == status
    async with connect() as hub:
        with pytest.raises(ConnectionClosed):
            await hub.invoke("Abort")
        assert isinstance(await hub.closed(), ConnectionClosed), "its Close does not invite to come back"
        assert hub.state is ConnectionState.DISCONNECTED
    hub = connect("/hub?refuse=1")
    with suppress(ConnectionClosed):  # it may be gone before `start` has returned
        await hub.start()
        assert "refused" in str(await hub.closed())
    await hub.stop()


async def test_an_expired_token(url: str) -> None:
    """The connection ends with an invitation to come back, with another token."""

    async def comes_back(transport: TransportName, codec: Codec) -> None:
        had_one = False

        def current() -> str:
            return token(url, sub="ada", seconds=1000 if had_one else 6)  # enough for a busy machine to connect

        async with HubConnection(url + "/hub-expiring", transports=[transport], codec=codec, token=current) as hub:
            had_one, states = True, hub.states()
            while await anext(states) is not RECONNECTING:
                pass
            assert await anext(states) is CONNECTED
            assert await hub.invoke("UserId") == "ada"

    await asyncio.gather(*(comes_back(*way) for way in WAYS))


@pytest.mark.parametrize("codec", CODECS)
async def test_the_next_transport_where_one_is_missing(url: str, codec: Codec) -> None:
    for path, expected in (("/hub", "websocket"), ("/hub-nows", "sse"), ("/hub-lp", "long_polling")):
        async with HubConnection(url + path, codec=codec) as hub:
            assert hub.transport == ("long_polling" if (codec, expected) == ("messagepack", "sse") else expected)
            assert await hub.invoke("Add", 1, 2, result_type=int) == 3
    with pytest.raises(NegotiationError, match=r"needs WebSockets with .*; offered are: ServerSentEvents, LongPolling"):
        await HubConnection(url + "/hub-nows", codec=codec, transports=["websocket"]).start()
    async with HubConnection(url.replace("http", "ws") + "/hub", codec=codec, skip_negotiation=True) as hub:
        assert hub.connection_id is None
        assert await hub.invoke("Add", 1, 2, result_type=int) == 3


@contextmanager
def killed_at_the_end(port: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.interop.contract_server", "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("listening on")
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


async def test_a_server_that_is_killed_and_one_that_is_stopped_come_back() -> None:
    port, asked = free_port(), asyncio.Event()

    def policy(retry: Retry) -> float:
        if retry.attempts:
            asked.set()
        return 0.05

    with killed_at_the_end(port) as first:
        async with HubConnection(f"http://127.0.0.1:{port}/hub", retry=policy) as hub:
            states = hub.states()
            assert await anext(states) is CONNECTED
            slow = asyncio.create_task(hub.invoke("Slow", 1_000_000))
            before = hub.connection_id
            first.send_signal(signal.SIGKILL)
            with pytest.raises(ConnectionClosed, match="the connection ended before Slow was answered"):
                await slow
            assert await anext(states) is RECONNECTING
            await asyncio.wait_for(asked.wait(), 60)
            with running("tests.interop.contract_server", "--port", str(port)):
                assert await anext(states) is CONNECTED
                assert hub.connection_id not in (None, before)
                assert await hub.invoke("Add", 1, 2, result_type=int) == 3
            assert await anext(states) is RECONNECTING, "a server that drains invites its clients to come back"
            with running("tests.interop.contract_server", "--port", str(port)):
                assert await anext(states) is CONNECTED
                assert await hub.invoke("Add", 1, 2, result_type=int) == 3


async def test_a_line_that_is_cut_at_any_byte(url: str, connect: Connect) -> None:
    """Requests, upgrades, handshakes and messages are cut: an answer is the right one or an error, and calls go on."""
    proxy = CuttingProxy(url, seed=1, shortest=100, longest=6_000, settled=None, half_open=False)
    proxy.most = 15
    async with proxy.running() as address:
        hub = connect(retry=lambda retry: 0.0)
        hub._connector.url = address + "/hub"
        while hub.state is not CONNECTED:
            with suppress(ConnectionClosed):
                await hub.start()
        states = hub.states()
        answers = 0
        while proxy.cuts < proxy.most or answers < 15:
            try:
                assert await hub.invoke("Add", 1, answers, result_type=int) == 1 + answers
                assert [n async for n in hub.stream("Count", 20, 0, result_type=int)] == list(range(20))
                answers += 1
            except ConnectionClosed:
                while await anext(states) is not CONNECTED:
                    pass
        await hub.stop()
    assert proxy.cuts >= proxy.most


async def test_sockets_that_are_cut_and_a_connection_that_goes_on() -> None:
    """Stateful reconnect: calls, uploads, streams, calls by the server; nothing is lost and nothing doubled.

    On our server: ASP.NET Core 10 loses a connection whose new socket comes before it has noticed the end of the last.
    """
    with contract_server() as url:
        await asyncio.gather(*(goes_on(url, codec) for codec in CODECS))


async def goes_on(url: str, codec: Codec) -> None:
    proxy = CuttingProxy(url, seed=2, shortest=1_500, longest=6_000, settled=None, half_open=False)
    proxy.most = 0
    heard: list[str] = []
    last = asyncio.Event()

    def hear(group: str, text: str) -> None:
        heard.append(text)
        if text == "last":
            last.set()

    async with (
        proxy.running() as address,
        HubConnection(address + "/hub-stateful", codec=codec, stateful=True, retry=None) as hub,
    ):
        id = hub.connection_id
        hub.on("ReceiveMessage", hear)
        hub.on("Double", lambda value: 2 * value)
        await hub.invoke("Join", codec)
        proxy.cut_now()
        proxy.most = 8
        number = 0
        while proxy.cuts < proxy.most or number < 20:
            found = await asyncio.gather(
                hub.invoke("ToGroup", codec, str(number)),
                hub.invoke("Sum", items(*range(10)), result_type=int),
                hub.invoke("AskClient", id, number, result_type=int),
                _all(hub.stream("Count", 10, 0)),
            )
            assert found == [None, 45, 2 * number, list(range(10))]
            number += 1
        await hub.invoke("ToGroup", codec, "last")
        await last.wait()
        assert heard == [*map(str, range(number)), "last"]
        assert hub.connection_id == id
    assert proxy.cuts >= proxy.most


async def _all(stream: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in stream]
