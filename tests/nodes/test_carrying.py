"""The node that has the connection, on a link without sockets: what it makes of frames, and which it sends."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from hubline.connection import ConnectionScope, Identity
from hubline.nodes.carrying import CarriedRequest
from hubline.nodes.frames import Close, Kind, Opening, close, done, encode, start
from hubline.nodes.stream import Stream
from hubline.testing import settle
from hubline.transports.elsewhere import Handover
from tests.nodes.wires import Pair

Behaviour = Callable[[Any, Any, Any], Awaitable[None]]


class Endpoint:
    """In place of a hub's: `behaves` handles every request."""

    def __init__(self, behaves: Behaviour) -> None:
        self._behaves = behaves
        self.admitted: ConnectionScope | None = None

    async def connect(self, scope: Any, receive: Any, send: Any, admitted: ConnectionScope | None = None) -> None:
        self.admitted = admitted
        await self._behaves(scope, receive, send)

    def hand_over(self, admitted: ConnectionScope) -> Handover | None:
        return None

    def leave(self, admitted: ConnectionScope) -> bool:
        return False


def opening(type_: str = "http", method: str = "GET") -> Opening:
    return Opening(
        operation="connect",
        node="unix:/b.sock",
        hub="/hub",
        type=type_,
        method=method,
        scheme="http",
        http_version="1.1",
        path="/hub",
        raw_path=b"/hub",
        root_path="",
        query=b"id=x",
        headers=[(b"host", b"a.example")],
        client=("192.0.2.1", 4711),
        server=("127.0.0.1", 80),
        path_params={},
        subprotocols=[],
        identity=("ada", {"name": "Ada"}, 5.0, frozenset({"admin"})),
        user_id="u1",
        address="192.0.2.7",
    )


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = await Pair().connect()
    yield made
    made.end()
    await settle()


async def carried(pair: Pair, what: Opening, behaves: Behaviour) -> tuple[Stream, Endpoint, "asyncio.Task[None]"]:
    """The sender's end of the stream, and the task that handles the request."""
    own, stream = await pair.stream()
    endpoint = Endpoint(behaves)
    request = CarriedRequest(stream, what, {})
    task = asyncio.get_running_loop().create_task(request.handle(endpoint))  # type: ignore[arg-type]
    return own, endpoint, task


async def test_the_endpoint_gets_the_request_with_its_user(pair: Pair) -> None:
    scopes: list[Any] = []

    async def behaves(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
        await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
        await send({"type": "http.response.body", "body": b"one", "more_body": True})
        await send({"type": "http.response.body", "body": b"two"})

    own, endpoint, task = await carried(pair, opening(), behaves)
    await task
    await settle()
    frames = [await own.get() for _ in range(4)]
    assert start(frames[0][1]).status == 200
    assert frames[1:3] == [(Kind.DATA, b"one"), (Kind.LAST, b"two")]
    assert (frames[3][0], done(frames[3][1]).failed) == (Kind.DONE, False)
    admitted = endpoint.admitted
    assert admitted is not None
    assert admitted.identity is not None
    assert admitted.identity == Identity("ada", {"name": "Ada"}, 5.0, frozenset({"admin"}))
    assert (admitted.user_id, admitted.address, admitted.path, admitted.query) == (
        "u1",
        "192.0.2.7",
        "/hub",
        {"id": "x"},
    )
    assert admitted.client == ("192.0.2.1", 4711)
    assert scopes[0]["raw_path"] == b"/hub"


async def test_an_endpoint_that_fails_is_told_and_logged(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    async def behaves(scope: Any, receive: Any, send: Any) -> None:
        raise RuntimeError("on purpose")

    own, _, task = await carried(pair, opening(), behaves)
    await task
    kind, payload = await own.get()
    assert (kind, done(payload).failed) == (Kind.DONE, True)
    assert "on purpose" in caplog.text


async def test_who_cancels_it_gets_the_cancellation(pair: Pair) -> None:
    async def behaves(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await receive()

    own, _, task = await carried(pair, opening(), behaves)
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    kind, payload = await own.get()
    assert (kind, done(payload).failed) == (Kind.DONE, True)


@pytest.mark.parametrize("first", [True, False], ids=["gone before", "gone after"])
async def test_a_client_that_has_gone_is_told_by_a_call(pair: Pair, first: bool) -> None:
    """`hubline.disconnect`: without waiting in `receive`, unless it is too late for that."""
    told, watched = asyncio.Event(), list[bool]()

    async def behaves(scope: Any, receive: Any, send: Any) -> None:
        if first:
            await settle()
        watched.append(scope["extensions"]["hubline.disconnect"]["watch"](told.set))
        if watched[0]:
            await told.wait()
        else:
            assert (await receive())["type"] == "http.request"
        assert (await receive())["type"] == ("http.disconnect" if first else "http.request")

    own, _, task = await carried(pair, opening(), behaves)
    if not first:
        await settle()
    own.tell(Kind.GONE, encode(Close(1006, None)))
    async with asyncio.timeout(30):
        await task
    assert watched == [not first]


async def test_a_websocket_gets_bytes_and_how_it_was_closed(pair: Pair) -> None:
    got: list[Any] = []

    async def behaves(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        got.extend([await receive() for _ in range(4)])
        await send({"type": "websocket.send", "text": "ä"})
        await send({"type": "websocket.send", "bytes": b"b"})
        await send({"type": "websocket.close", "code": 1011})

    own, _, task = await carried(pair, opening("websocket"), behaves)
    await own.put(Kind.DATA, b"a")
    await own.put(Kind.TEXT, b"b")
    own.tell(Kind.GONE, encode(Close(1001, "bye")))
    await task
    gone = {"type": "websocket.disconnect", "code": 1001, "reason": "bye"}
    assert got == [
        {"type": "websocket.receive", "bytes": b"a"},
        {"type": "websocket.receive", "bytes": b"b"},
        gone,
        gone,
    ]
    kinds = [await own.get() for _ in range(5)]
    assert [kind for kind, _ in kinds] == [Kind.ACCEPT, Kind.TEXT, Kind.DATA, Kind.CLOSE, Kind.DONE]
    assert kinds[1][1] == "ä".encode()
    assert close(kinds[3][1]) == Close(1011, "")


async def test_a_link_that_is_lost_is_a_client_that_has_gone(pair: Pair) -> None:
    got: list[Any] = []

    async def behaves(scope: Any, receive: Any, send: Any) -> None:
        got.append(await receive())
        await send({"type": "websocket.send", "bytes": b"into nowhere"})

    _, _, task = await carried(pair, opening("websocket"), behaves)
    await settle()
    pair.out.abort()
    await task
    assert got == [{"type": "websocket.disconnect", "code": 1006}]


async def test_a_node_that_stops_is_a_socket_that_is_lost_if_another_may_follow(pair: Pair) -> None:
    got: list[Any] = []

    async def behaves(scope: Any, receive: Any, send: Any) -> None:
        got.append(await receive())

    own, _, task = await carried(pair, opening("websocket"), behaves)
    await settle()
    own.tell(Kind.LEAVE)
    await task
    assert got == [{"type": "websocket.disconnect", "code": 1006}]
    assert (await own.get())[0] is Kind.DONE
    own.tell(Kind.LEAVE)
    await settle()
    assert not pair.over, "that it was handled is no reason to give up the link"
