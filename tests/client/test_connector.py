"""Attempts to connect, on a scripted server."""

import asyncio
from collections.abc import Awaitable, Iterator

import pytest

from hubline import ConfigurationError, ConnectionClosed, HandshakeError, NegotiationError
from hubline.client import ConnectionState, HubConnection
from hubline.testing import ManualClock, settle
from tests.client.scripted import NEGOTIATED, URL, Script, clock, script, started

fixtures = (clock, script)


def authorization(script: Script) -> list[str | None]:
    return [headers.get("Authorization") for _, headers in script.asked]


async def test_the_token_and_headers_come_with_both_requests(script: Script, clock: ManualClock) -> None:
    hub = await started(clock, token="t", headers={"X-Tenant": "a"})
    expected = {"X-Tenant": "a", "Authorization": "Bearer t"}
    assert script.asked == [(URL + "/negotiate?negotiateVersion=1", expected)]
    assert (script.peer.place.url, script.peer.place.headers) == (URL + "?id=secret", expected)
    await hub.stop()


@pytest.mark.parametrize("refused", ["negotiation", "upgrade"])
@pytest.mark.statement(209)
async def test_a_401_asks_for_the_token_once_more(script: Script, clock: ManualClock, refused: str) -> None:
    tokens: Iterator[str] = iter(["old", "new"])

    async def token() -> str:
        return next(tokens)

    if refused == "negotiation":
        script.posts.append((401, ""))
    else:
        script.upgrades.append(NegotiationError(401, "no"))
    hub = await started(clock, token=token)
    assert authorization(script) == ["Bearer old", "Bearer new"]
    assert script.peer.place.headers["Authorization"] == "Bearer new"
    await hub.stop()


async def test_a_second_401_is_an_error_and_a_fixed_token_is_not_tried_again(script: Script) -> None:
    script.posts.extend([(401, "")] * 3)
    for token, requests in ((lambda: "x", 2), ("x", 3)):
        hub = HubConnection(URL, token=token)
        with pytest.raises(NegotiationError) as found:
            await hub.start()
        assert found.value.status == 401
        assert len(script.asked) == requests
        assert hub.state is ConnectionState.DISCONNECTED
    assert script.closed == 2


async def test_a_token_that_fails(script: Script) -> None:
    def token() -> str:
        raise ValueError("the issuer is away")

    with pytest.raises(ConnectionClosed, match="there is no token: the issuer is away"):
        await HubConnection(URL, token=token).start()
    assert script.asked == []


async def test_a_token_that_waits_for_something_cancelled_fails(script: Script, clock: ManualClock) -> None:
    issuer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    tokens = iter((None, issuer, "later"))

    async def token() -> str | None:
        found = next(tokens)
        return await found if isinstance(found, asyncio.Future) else found

    hub = await started(clock, token=token)
    issuer.cancel()
    script.peer.hang_up()
    await clock.advance(3)
    assert hub.state is ConnectionState.CONNECTED
    assert script.asked[-1][1]["Authorization"] == "Bearer later"
    await hub.stop()


async def test_a_token_is_asked_for_before_each_attempt(script: Script, clock: ManualClock) -> None:
    count = iter(range(9))
    hub = await started(clock, token=lambda: f"t{next(count)}")
    script.peer.hang_up()
    await settle()
    assert authorization(script) == ["Bearer t0", "Bearer t1"]
    await hub.stop()


async def test_without_negotiation(script: Script, clock: ManualClock) -> None:
    hub = await started(clock, skip_negotiation=True)
    assert script.asked == []
    assert script.peer.place.url == URL
    assert hub.connection_id is None
    await hub.stop()


@pytest.mark.statement(85)
async def test_a_refused_handshake(script: Script, clock: ManualClock) -> None:
    script.answers = False
    hub = HubConnection(URL, clock=clock)
    start = asyncio.create_task(hub.start())
    await settle()
    script.peer._queue.put_nowait(b'{"error":"not today"}\x1e')
    with pytest.raises(HandshakeError, match="not today"):
        await start
    assert script.peer.closed


async def test_a_server_that_never_answers_the_handshake(script: Script, clock: ManualClock) -> None:
    script.answers = False
    start = asyncio.create_task(HubConnection(URL, clock=clock).start())
    await clock.advance(14.9)
    assert not start.done()
    await clock.advance(0.2)
    with pytest.raises(HandshakeError, match="no connection within 15 s: the client waited for the answer to the h"):
        await start
    await settle()
    assert script.peer.closed


async def test_a_token_that_never_comes(script: Script, clock: ManualClock) -> None:
    def token() -> Awaitable[str | None]:
        return asyncio.get_running_loop().create_future()

    start = asyncio.create_task(HubConnection(URL, clock=clock, token=token, connect_timeout=3.0).start())
    await clock.advance(3.1)
    with pytest.raises(ConnectionClosed, match="no connection within 3 s: the client waited for the token"):
        await start


async def test_a_start_that_is_cancelled_or_stopped_leaves_nothing(script: Script, clock: ManualClock) -> None:
    script.answers = False
    hub = HubConnection(URL, clock=clock)
    start = asyncio.create_task(hub.start())
    await settle()
    start.cancel()
    await settle()
    assert start.cancelled()
    assert script.peer.closed
    assert hub.state is ConnectionState.DISCONNECTED
    start = asyncio.create_task(hub.start())
    await settle()
    await hub.stop()
    with pytest.raises(ConnectionClosed, match="was stopped"):
        await start
    assert script.peer.closed


@pytest.mark.statement(22)
async def test_a_redirection_counts_for_one_start(script: Script, clock: ManualClock) -> None:
    script.posts.append((200, {"url": "https://elsewhere/hub?a=b", "accessToken": "given"}))
    script.posts.append((200, NEGOTIATED))
    hub = await started(clock, token="mine")
    assert script.peer.place.url == "https://elsewhere/hub?a=b&id=secret"
    assert authorization(script) == ["Bearer mine", "Bearer given"]
    script.peer.hang_up()
    await settle()
    assert script.asked[2][0].startswith(URL)
    assert authorization(script)[2] == "Bearer mine"
    await hub.stop()


def test_without_aiohttp(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "aiohttp", None)
    monkeypatch.delitem(__import__("sys").modules, "hubline.client.web", raising=False)
    with pytest.raises(ConfigurationError, match=r"'aiohttp' is missing: pip install 'hubline\[client\]'"):
        HubConnection(URL)
