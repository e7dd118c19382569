"""Servers that do what Hubline's does not, or cuts what it sends in odd places."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from hubline._tasks import TaskOwner
from hubline.errors import ConnectionClosed, InvocationError, RemoteProtocolError
from hubline.testing import RefusedError, connect
from hubline.testing.asgi import Origin
from hubline.testing.channels import ChannelEndError, LongPollingChannel, ServerSentEventsChannel, WebSocketChannel

Body = tuple[int, bytes]


def origin(app: Callable[..., Awaitable[None]]) -> Origin:
    return Origin(app, "/hub", TaskOwner("test"))


def streaming(*pieces: bytes, status: int = 200) -> Callable[..., Awaitable[None]]:
    """Answers with a body in these pieces."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": []})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    return app


def polling(*answers: Body) -> Callable[..., Awaitable[None]]:
    """Answers one poll after the other."""
    left = list(answers)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        status, body = left.pop(0)
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": body})

    return app


async def test_events_are_found_wherever_the_stream_is_cut() -> None:
    whole = b":\r\ndata: one\r\n\r\n: beat\r\n\r\ndata: two\r\ndata: lines\r\n\r\n"
    for cut in range(len(whole)):
        channel = ServerSentEventsChannel(origin(streaming(whole[:cut], whole[cut:])), "token")
        await channel.open()
        assert await channel.receive() == b"one"
        assert await channel.receive() == b"two\nlines"
        with pytest.raises(ChannelEndError):
            await channel.receive()


async def test_several_events_in_one_piece_come_one_by_one() -> None:
    channel = ServerSentEventsChannel(origin(streaming(b"data: one\r\n\r\ndata: two\r\n\r\n")), "token")
    await channel.open()
    assert [await channel.receive(), await channel.receive()] == [b"one", b"two"]


async def test_events_that_are_refused_tell_status_and_text() -> None:
    channel = ServerSentEventsChannel(origin(streaming(b"busy", status=503)), "token")
    with pytest.raises(RefusedError) as caught:
        await channel.open()
    assert (caught.value.status, caught.value.text) == (503, "busy")


async def test_an_empty_poll_is_followed_by_another() -> None:
    channel = LongPollingChannel(origin(polling((200, b""), (200, b""), (200, b"data"), (204, b""))), "token")
    await channel.open()
    assert await channel.receive() == b"data"
    with pytest.raises(ChannelEndError):
        await channel.receive()


async def test_a_poll_that_is_refused_tells_status_and_text() -> None:
    with pytest.raises(RefusedError, match="status 404: 'gone'"):
        await LongPollingChannel(origin(polling((404, b"gone"))), "token").open()
    channel = LongPollingChannel(origin(polling((200, b""), (500, b"oops"))), "token")
    await channel.open()
    with pytest.raises(RefusedError, match="status 500: 'oops'"):
        await channel.receive()


async def test_a_dropped_client_polls_no_more() -> None:
    channel = LongPollingChannel(origin(polling((200, b""), (200, b"data"))), "token")
    await channel.open()
    channel.drop()
    with pytest.raises(ChannelEndError):
        await channel.receive()
    await channel.send(b"lost", binary=False)


async def test_faults_of_a_channel_that_is_not_open_do_nothing() -> None:
    channel = WebSocketChannel(origin(streaming()), None)
    channel.stop_reading()
    channel.resume_reading()
    channel.half_open()
    channel.drop()
    assert channel.session is None


def speaking(*texts: str) -> Callable[..., Awaitable[None]]:
    """A server that agrees to the handshake and then, for each thing it hears, says the next of these."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        for text in ("{}\x1e", *texts):
            if (await receive())["type"] == "websocket.disconnect":
                return
            await send({"type": "websocket.send", "text": text})
        while (await receive())["type"] != "websocket.disconnect":
            pass

    return app


async def test_an_item_for_a_call_that_is_no_stream_is_an_error() -> None:
    async with connect(speaking('{"type":2,"invocationId":"0","item":1}\x1e'), "/", negotiate=False) as client:
        with pytest.raises(InvocationError, match="the server sent a stream item for a call that is no stream"):
            await client.invoke("Add")


async def test_answers_and_items_for_nobody_are_ignored() -> None:
    said = '{"type":3,"invocationId":"9"}\x1e{"type":2,"invocationId":"9","item":1}\x1e{"type":6}\x1e'
    async with connect(speaking(said + '{"type":3,"invocationId":"0","result":7}\x1e'), "/", negotiate=False) as client:
        assert await client.invoke("Add") == 7


async def test_a_server_that_breaks_the_protocol_fails_the_test() -> None:
    connecting = connect(speaking("[]\x1e"), "/", negotiate=False)
    client = await connecting.__aenter__()
    with pytest.raises(ConnectionClosed) as caught:
        await client.invoke("Add")
    assert isinstance(caught.value.__cause__, RemoteProtocolError)
    with pytest.raises(RemoteProtocolError):
        await connecting.__aexit__(None, None, None)


async def test_a_fence_on_a_connection_that_ends_is_told() -> None:
    async def leaving(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "text": "{}\x1e"})
        await receive()
        await send({"type": "websocket.close", "code": 1011})

    async with connect(leaving, "/", negotiate=False) as client:
        with pytest.raises(ConnectionClosed, match="the connection ended"):
            await client.fence()
        closed = await client.closed()
        assert (closed.code, closed.message, closed.allow_reconnect) == (1011, None, False)


async def test_a_server_that_leaves_without_closing_is_an_end_without_handshake() -> None:
    async def vanishing(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        await send({"type": "websocket.send", "text": "{}\x1e"})

    async with connect(vanishing, "/", negotiate=False) as client:
        assert (await client.closed()).code == 1006
