"""A WebSocket of the client, on a transport without a network."""

import asyncio
from collections.abc import Callable

import pytest

from hubline import ConnectionClosed
from hubline.client.frames import Frames
from hubline.client.websocket import WebSocket
from hubline.testing import settle
from hubline.websocket_frames import BINARY, CLOSE, PING, PONG, close_frame, control_frame, message_frame, unmasked

A, B, C = (message_frame(each, text=False) for each in (b"a", b"b", b"c"))


class Wire(asyncio.Transport):
    """A transport that writes into a list."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[tuple[int, bytes]] = []
        self.reads = True
        self.closed = self.aborted = False

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None: ...

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def write(self, data: bytes | bytearray | memoryview) -> None:
        data = bytes(data)
        assert data[1] & 0x80, "a client masks"
        head = {126: 4, 127: 10}.get(data[1] & 0x7F, 2)
        frames = Frames(None)
        frames.add(bytes((data[0], data[1] & 0x7F)) + data[2:head] + unmasked(data[head + 4 :], data[head : head + 4]))
        found = frames.next()
        assert found is not None
        self.written.append(found)


class Opened:
    """A WebSocket, and what it has given."""

    def __init__(self, largest: int | None = None) -> None:
        self.wire = Wire()
        self.lost: list[Exception | None] = []
        self.socket = WebSocket(self.wire, self.lost.append, binary=True, largest=largest)
        self.found: list[bytes] = []

    def take(self, data: bytes) -> bool:
        self.found.append(data)
        return data != b"b"

    def carry(self, take: Callable[[bytes], bool] | None = None) -> "asyncio.Task[None]":
        return asyncio.create_task(self.socket.carry(take or self.take))

    async def closes(self, text: str) -> None:
        """It has ended by itself, and can be closed."""
        with pytest.raises(ConnectionClosed) as ended:
            await self.socket.carry(self.take)
        assert str(ended.value) == text
        with pytest.raises(ConnectionClosed, match="lost"):
            await self.socket.write(b"x")
        closing = asyncio.create_task(self.socket.close())
        await settle()
        self.socket.connection_lost(None)
        await closing


async def test_what_comes_is_taken_before_anything_else_runs() -> None:
    opened = Opened()
    assert not opened.wire.reads
    carrying = opened.carry()
    await settle()
    assert opened.wire.reads
    opened.socket.data_received(A + control_frame(PING, b"p") + C[:1])
    assert opened.found == [b"a"]
    assert opened.wire.written == [(PONG, b"p")]
    buffer = opened.socket.get_buffer(-1)
    assert buffer is Opened().socket.get_buffer(-1), "one for all"
    buffer[: len(C) - 1] = C[1:]
    opened.socket.buffer_updated(len(C) - 1)
    assert opened.found == [b"a", b"c"]
    assert not carrying.done()
    opened.socket.connection_lost(None)
    with pytest.raises(ConnectionClosed, match="the connection to the server was lost"):
        await carrying
    assert opened.lost == [None]


async def test_what_is_not_taken_waits_and_nothing_is_read_meanwhile() -> None:
    opened = Opened()
    carrying = opened.carry()
    await settle()
    opened.socket.data_received(A + B + C + B + A)
    await carrying
    assert opened.found == [b"a", b"b"]
    assert not opened.wire.reads
    await opened.carry()
    assert opened.found == [b"a", b"b", b"c", b"b"]
    assert not opened.wire.reads
    opened.socket.connection_lost(OSError("reset"))
    with pytest.raises(ConnectionClosed, match="lost"):
        await opened.carry()
    assert opened.found[4:] == [b"a"], "what has come before the loss"
    assert [str(each) for each in opened.lost] == ["reset"]


async def test_who_takes_may_fail() -> None:
    opened = Opened()
    carrying = opened.carry(lambda data: 1 // 0 > 0)
    await settle()
    opened.socket.data_received(A + B)
    with pytest.raises(ZeroDivisionError):
        await carrying
    await opened.carry()
    assert opened.found == [b"b"]


async def test_a_writer_waits_for_room_and_so_does_a_pong() -> None:
    opened = Opened()
    carrying = opened.carry()
    await opened.socket.write(b"one")
    opened.socket.pause_writing()
    writing = asyncio.create_task(opened.socket.write(b"two"))
    await settle()
    opened.socket.data_received(control_frame(PING, b"1") + control_frame(PING, b"2"))
    assert opened.wire.written == [(BINARY, b"one"), (BINARY, b"two")]
    assert not writing.done()
    opened.socket.resume_writing()
    await writing
    assert opened.wire.written[2:] == [(PONG, b"2")]
    opened.socket.pause_writing()
    writing = asyncio.create_task(opened.socket.write(b"three"))
    await settle()
    opened.socket.connection_lost(None)
    with pytest.raises(ConnectionClosed, match="lost"):
        await writing
    with pytest.raises(ConnectionClosed, match="lost"):
        await carrying


async def test_to_close_it_says_so_and_waits_for_the_close_of_the_server() -> None:
    opened = Opened()
    carrying = opened.carry()
    await settle()
    opened.socket.data_received(B + A[:1])
    await carrying
    closing = asyncio.create_task(opened.socket.close())
    await settle()
    assert opened.wire.reads
    opened.socket.data_received(A[1:] + control_frame(PING, b"p") + close_frame(1000, ""))
    assert opened.found == [b"b"], "nobody takes what comes after it"
    assert opened.wire.written == [(CLOSE, b"\x03\xe8")]
    assert opened.wire.closed
    assert not opened.wire.aborted
    opened.socket.connection_lost(None)
    await closing
    await opened.closes("the connection was closed by this client")


async def test_a_server_that_does_not_answer_a_close(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubline.client.websocket.CLOSING", 0.0)
    opened = Opened()
    carrying = opened.carry()
    await settle()
    await opened.socket.close()
    assert opened.wire.aborted
    with pytest.raises(ConnectionClosed, match="closed by this client"):
        await carrying


@pytest.mark.parametrize(
    ("sent", "says", "text"),
    [
        (close_frame(1000, "x"), b"\x03\xe8", "the server closed the WebSocket"),
        (close_frame(1011, "oh"), b"\x03\xf3", "WebSocket closed with status code: 1011 (oh)."),
        (control_frame(CLOSE, b""), b"", "WebSocket closed with status code: 1005 ()."),
        (control_frame(CLOSE, b"\x03"), b"\x03\xea", "WebSocket failed: the server gives no reason that exists"),
        (b"\x83\x00", b"\x03\xea", "WebSocket failed: the server sends a frame that cannot come here"),
        (b"\x82\x05", b"\x03\xf1", "WebSocket failed: a message exceeds 4 bytes"),
    ],
)
async def test_how_it_ends(sent: bytes, says: bytes, text: str) -> None:
    opened = Opened(largest=4)
    carrying = opened.carry()
    await settle()
    opened.socket.data_received(A + sent + A)
    with pytest.raises(ConnectionClosed) as ended:
        await carrying
    assert str(ended.value) == text
    assert opened.found == [b"a"]
    assert opened.wire.written == [(CLOSE, says)]
    assert opened.wire.closed
    await opened.closes(text)
