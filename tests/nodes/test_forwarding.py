"""The node that takes the request, on a link without sockets: what it makes of the client, and of the other node."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hubline._tasks import TaskOwner
from hubline.connection import ConnectionScope
from hubline.nodes.forwarding import ForwardedRequest
from hubline.nodes.frames import Accept, Close, Done, Kind, Start, close, encode
from hubline.nodes.stream import WINDOW, Stream
from hubline.testing import settle
from hubline.transports.base import Request
from hubline.transports.elsewhere import Handover
from tests.nodes.wires import Pair


class Client:
    """A request, with what its client does and what it gets."""

    def __init__(self, type_: str = "http", method: str = "GET", *, extensions: Any = None) -> None:
        scope: dict[str, Any] = {"type": type_, "path": "/hub", "headers": [], "extensions": extensions or {}}
        if type_ == "http":
            scope["method"] = method
        self.got: list[Any] = []
        self.does: asyncio.Queue[Any] = asyncio.Queue()
        self.gone = False
        self.request = Request(ConnectionScope(scope), scope, self.does.get, self._send)

    async def _send(self, message: Any) -> None:
        if self.gone:
            raise OSError("the client has gone")
        self.got.append(message)


class Forwarding:
    """A pair of nodes; `to` begins to forward a request, and returns the other node's end."""

    def __init__(self, pair: Pair, tasks: TaskOwner) -> None:
        self.pair, self.tasks = pair, tasks

    async def to(self, client: Client) -> tuple[Stream, "asyncio.Task[Handover | str | None]"]:
        request = ForwardedRequest(client.request, "connect", self.pair.dialer, b"opening", self.tasks)
        task: asyncio.Task[Handover | str | None] = asyncio.get_running_loop().create_task(request.run())
        await settle()
        return self.pair.opened[-1][0], task


@pytest.fixture
async def forwarding() -> AsyncIterator[Forwarding]:
    pair, tasks = await Pair().connect(), TaskOwner("test")
    yield Forwarding(pair, tasks)
    await settle()
    assert len(tasks) == 0, "nothing reads from a client whose request is over"
    assert len(pair.dialer) == 0
    pair.end()
    await settle()


def finished(stream: Stream, *, failed: bool = False) -> None:
    stream.tell(Kind.DONE, encode(Done(failed)))


async def test_a_body_is_passed_on_as_it_comes(forwarding: Forwarding) -> None:
    client = Client(method="POST")
    client.does.put_nowait({"type": "http.request", "body": b"one", "more_body": True})
    other, task = await forwarding.to(client)
    assert await other.get() == (Kind.DATA, b"one")
    client.does.put_nowait({"type": "http.request", "body": b"two", "more_body": False})
    assert await other.get() == (Kind.LAST, b"two")
    other.tell(Kind.START, encode(Start(200, [(b"a", b"b")])))
    await other.put(Kind.LAST, b"answer")
    finished(other)
    assert await task is None
    assert client.got == [
        {"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]},
        {"type": "http.response.body", "body": b"answer", "more_body": False},
    ]


async def test_a_body_that_nobody_takes_waits_and_an_early_answer_ends_it(forwarding: Forwarding) -> None:
    client = Client(method="POST")
    for _ in range(4):
        client.does.put_nowait({"type": "http.request", "body": b"x" * WINDOW, "more_body": True})
    other, task = await forwarding.to(client)
    await settle()
    assert client.does.qsize() == 2, "one is under way, and one waits for credit"
    other.tell(Kind.START, encode(Start(404, [])))
    await other.put(Kind.LAST, b"")
    finished(other)
    await task
    assert client.got[0]["status"] == 404


async def test_a_client_that_goes_is_told_to_the_other_node(forwarding: Forwarding) -> None:
    client = Client()
    other, task = await forwarding.to(client)
    client.does.put_nowait({"type": "http.request", "body": b""})
    client.does.put_nowait({"type": "http.disconnect"})
    kind, payload = await other.get()
    assert (kind, close(payload)) == (Kind.GONE, Close(1006, None))
    finished(other)
    await task


async def test_a_client_that_has_gone_when_something_is_sent(forwarding: Forwarding) -> None:
    client = Client("websocket")
    other, task = await forwarding.to(client)
    other.tell(Kind.ACCEPT, encode(Accept(None, [])))
    await settle()
    client.gone = True
    await other.put(Kind.TEXT, b"late")
    await task
    kind, _ = await other.get()
    assert kind is Kind.GONE


async def test_a_request_that_is_cancelled_is_told_to_the_other_node(forwarding: Forwarding) -> None:
    client = Client()
    other, task = await forwarding.to(client)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await other.get())[0] is Kind.GONE


async def test_a_websocket_is_read_only_when_it_is_accepted(forwarding: Forwarding) -> None:
    client = Client("websocket")
    client.does.put_nowait({"type": "websocket.receive", "text": "ä"})
    client.does.put_nowait({"type": "websocket.receive", "bytes": b"b"})
    other, task = await forwarding.to(client)
    assert client.does.qsize() == 2
    other.tell(Kind.ACCEPT, encode(Accept("sub", [])))
    assert await other.get() == (Kind.DATA, "ä".encode())
    assert await other.get() == (Kind.DATA, b"b")
    await other.put(Kind.TEXT, "ö".encode())
    await other.put(Kind.DATA, b"o")
    other.tell(Kind.CLOSE, encode(Close(1000, "")))
    finished(other)
    await task
    assert client.got == [
        {"type": "websocket.accept", "subprotocol": "sub", "headers": []},
        {"type": "websocket.send", "text": "ö"},
        {"type": "websocket.send", "bytes": b"o"},
        {"type": "websocket.close", "code": 1000, "reason": ""},
    ]


@pytest.mark.parametrize("can_deny", [True, False])
async def test_a_websocket_that_is_refused(forwarding: Forwarding, can_deny: bool) -> None:
    client = Client("websocket", extensions={"websocket.http.response": {}} if can_deny else {})
    other, task = await forwarding.to(client)
    other.tell(Kind.START, encode(Start(404, [])))
    await other.put(Kind.LAST, b"nobody")
    finished(other)
    await task
    if can_deny:
        assert [each["type"] for each in client.got] == [
            "websocket.http.response.start",
            "websocket.http.response.body",
        ]
        assert (client.got[0]["status"], client.got[1]["body"]) == (404, b"nobody")
    else:
        assert client.got == [{"type": "websocket.close", "code": 1000, "reason": ""}]


@pytest.mark.parametrize(("failed", "status", "code"), [(True, 500, 1011), (False, 404, 1012)])
async def test_what_the_other_node_leaves_without_an_answer(
    forwarding: Forwarding, failed: bool, status: int, code: int
) -> None:
    client = Client()
    other, task = await forwarding.to(client)
    finished(other, failed=failed)
    await task
    assert client.got[0]["status"] == status

    stream = Client()
    other, task = await forwarding.to(stream)
    other.tell(Kind.START, encode(Start(200, [])))
    await other.put(Kind.DATA, b"data")
    finished(other, failed=failed)
    await task
    assert stream.got[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    socket = Client("websocket")
    other, task = await forwarding.to(socket)
    other.tell(Kind.ACCEPT, encode(Accept(None, [])))
    finished(other, failed=failed)
    await task
    assert socket.got[-1] == {"type": "websocket.close", "code": code, "reason": ""}

    left = Client("websocket")
    other, task = await forwarding.to(left)
    other.tell(Kind.ACCEPT, encode(Accept(None, [])))
    left.does.put_nowait({"type": "websocket.disconnect", "code": 1001, "reason": "bye"})
    kind, payload = await other.get()
    assert (kind, close(payload)) == (Kind.GONE, Close(1001, "bye"))
    finished(other, failed=failed)
    await task
    assert [each["type"] for each in left.got] == ["websocket.accept"], "nothing is said to who has gone"


async def test_a_link_that_is_lost_before_and_after_the_answer_has_begun(forwarding: Forwarding) -> None:
    before, begun = Client(), Client()
    _, first = await forwarding.to(before)
    other, second = await forwarding.to(begun)
    other.tell(Kind.START, encode(Start(200, [])))
    await settle()
    forwarding.pair.out.abort()
    await asyncio.gather(first, second)
    assert (before.got[0]["status"], before.got[1]["body"]) == (404, b"No Connection with that ID")
    assert begun.got[-1] == {"type": "http.response.body", "body": b"", "more_body": False}


async def test_who_has_to_handle_it_is_returned(forwarding: Forwarding) -> None:
    handover = Handover("token", "id", True, True)
    for kind, payload, expected in (
        (Kind.HANDED, encode(handover), handover),
        (Kind.MOVED, b"unix:/c.sock", "unix:/c.sock"),
    ):
        client = Client("websocket")
        other, task = await forwarding.to(client)
        other.tell(kind, payload)
        finished(other)
        assert await task == expected
        assert client.got == []
