"""The HTTP client of the load: heads and bodies in any pieces."""

import asyncio

import pytest

from benchmarks.load.fallbacks import EventSession
from benchmarks.load.http import HttpClient, Response
from hubline.cli.dialect import SignalR
from hubline.cli.load import Countdown, LoadError, Pattern

RESPONSES = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 404 Not Found\r\ntransfer-encoding: chunked\r\n\r\n3\r\nnot\r\n5\r\n here\r\n0\r\n\r\n",
    b"HTTP/1.1 204 No Content\r\n\r\n",
)
ANSWERS = (Response(200, b"hello"), Response(404, b"not here"), Response(204, b""))


class Transport(asyncio.Transport):
    def __init__(self) -> None:
        super().__init__()
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += data

    def abort(self) -> None: ...


async def ask(client: HttpClient, **options: object) -> asyncio.Task[Response]:
    task = asyncio.create_task(client.request("GET", "/hub", **options))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    return task


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_answers_in_pieces_of_any_size(size: int) -> None:
    client, transport = HttpClient("here:1"), Transport()
    client.connection_made(transport)
    for data, expected in zip(RESPONSES, ANSWERS, strict=True):
        task = await ask(client)
        for start in range(0, len(data), size):
            client.data_received(data[start : start + size])
        assert await task == expected
    assert transport.written == b"GET /hub HTTP/1.1\r\nHost: here:1\r\n\r\n" * 3


async def test_a_post_without_a_body_has_a_length() -> None:
    client, transport = HttpClient("here:1"), Transport()
    client.connection_made(transport)
    task = asyncio.create_task(client.request("POST", "/hub/negotiate"))
    await asyncio.sleep(0)
    assert transport.written == b"POST /hub/negotiate HTTP/1.1\r\nHost: here:1\r\nContent-Length: 0\r\n\r\n"
    client.data_received(RESPONSES[0])
    assert (await task).status == 200


async def test_a_body_that_streams_is_handed_on_chunk_by_chunk() -> None:
    client, pieces = HttpClient("here:1"), list[bytes]()
    client.connection_made(Transport())
    task = await ask(client, on_body=pieces.append)
    client.data_received(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntw")
    assert pieces == [b"one"]
    client.data_received(b"o\r\n0\r\n\r\n")
    assert await task == Response(200, b"")
    assert pieces == [b"one", b"two"]


async def test_a_server_that_closes_fails_what_waits_and_what_comes_later() -> None:
    client = HttpClient("here:1")
    client.connection_made(Transport())
    task = await ask(client)
    client.connection_lost(None)
    with pytest.raises(LoadError, match="closed an HTTP connection"):
        await task
    with pytest.raises(LoadError, match="closed an HTTP connection"):
        await client.request("GET", "/")


@pytest.mark.parametrize("size", [1, 5, 1000])
async def test_events_are_read_however_they_are_cut_and_joined(size: int) -> None:
    client = HttpClient("here:1")
    session = EventSession("/hub", SignalR(), client, client)
    message = b'{"type":1,"target":"T","arguments":[]}\x1e'
    stream = b"data: {}\x1e\r\n\r\n: comment\r\n\r\ndata: " + message + b"\r\n\r\ndata: " + message * 2 + b"\n\n"
    countdown = Countdown(1)
    session.inbox.expect(3, countdown, Pattern())
    for start in range(0, len(stream), size):
        session._events(stream[start : start + size])
    await countdown.done
    session.inbox.check()
