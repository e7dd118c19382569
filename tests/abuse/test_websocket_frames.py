"""What RFC 6455 forbids, and what it allows but nobody needs: the connection of the sender ends, or nothing happens."""

import pytest

from hubline.servers.uvicorn import MAX_SIZE
from tests.abuse.server import PATHS
from tests.abuse.target import HANDSHAKE, MIB, Target, upgrade
from tests.client_frames import CLOSE, CONTINUATION, PING, TEXT, frame

PROTOCOL_ERROR, BAD_DATA, TOO_BIG = 1002, 1007, 1009
SHAKEN = frame(TEXT, b"{}\x1e", mask=None)
CALL = b'{"type":1,"invocationId":"1","target":"Echo","arguments":["still here"]}\x1e'
ANSWER = b'{"type":3,"invocationId":"1","result":"still here"}\x1e'


TOO_LARGE = b'{"type":7,"error":"Connection closed with an error.","allowReconnect":true}\x1e'
CANCELED = b'{"error":"Handshake was canceled."}\x1e'
LIMIT = 32_768
PLAIN, ACCELERATED = ([path] for path in PATHS)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(0xC1, b"x"), PROTOCOL_ERROR),
        (frame(0xA1, b"x"), PROTOCOL_ERROR),
        (frame(0x91, b"x"), PROTOCOL_ERROR),
        (frame(0x83, b"x"), PROTOCOL_ERROR),
        (frame(0x8B, b"x"), PROTOCOL_ERROR),
        (frame(TEXT, b"x", mask=None), PROTOCOL_ERROR),
        (frame(PING, b"x" * 126), PROTOCOL_ERROR),
        (frame(CLOSE, b"x" * 126), PROTOCOL_ERROR),
        (frame(0x09, b"x"), PROTOCOL_ERROR),
        (frame(0x08, b"x"), PROTOCOL_ERROR),
        (frame(CONTINUATION, b"x"), PROTOCOL_ERROR),
        (frame(0x01, b"x") + frame(TEXT, b"x"), PROTOCOL_ERROR),
        (frame(TEXT, b"\xff\xfe"), BAD_DATA),
        (frame(0x01, b"\xc3") + frame(CONTINUATION, b"\x28"), BAD_DATA),
        (frame(CLOSE, b"\x03"), PROTOCOL_ERROR),
        (frame(CLOSE, b"\x03\xec"), PROTOCOL_ERROR),
        (frame(CLOSE, b"\x00\x01"), PROTOCOL_ERROR),
        (frame(CLOSE, b"\xff\xff"), PROTOCOL_ERROR),
        (frame(CLOSE, b"\x03\xe8\xff"), BAD_DATA),
    ],
    ids=lambda value: value[:6].hex() if isinstance(value, bytes) else str(value),
)
async def test_a_forbidden_frame_ends_the_connection(target: Target, data: bytes, code: int) -> None:
    async with target.websocket(data=frame(TEXT, HANDSHAKE)) as peer:
        assert await peer.receive() == SHAKEN
        said = await peer.exchange(data)
        assert said[-(said[::-1].index(0x88) + 1) :][2:4] == code.to_bytes(2, "big"), said
    await target.until(lambda figures: figures.connections == 1)


ANNOUNCED = (MAX_SIZE + 1, 2**62, 2**63 - 1)


@pytest.mark.parametrize("length", ANNOUNCED)
async def test_a_frame_that_announces_too_much_ends_at_a_limit(path: str, target: Target, length: int) -> None:
    """Of the server at once, where it holds messages whole; else of the hub, when as much has come."""
    async with target.websocket(data=frame(TEXT, HANDSHAKE)) as peer:
        assert await peer.receive() == SHAKEN
        if path == "plain":
            said = await peer.exchange(frame(TEXT, length=length))
            assert said[2:4] == TOO_BIG.to_bytes(2, "big")
        else:
            await peer.send(frame(TEXT, b"a" * (LIMIT + 1), length=length))
            assert (await peer.receive()).startswith(frame(TEXT, TOO_LARGE, mask=None))
    await target.until(lambda figures: figures.connections == 1)


async def test_compression_is_not_negotiated(target: Target) -> None:
    offer = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
    async with target.socket(upgrade("/hub", offer)) as peer:
        head = await peer.receive_until(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101 ")
        assert b"extensions" not in head.lower()


@pytest.mark.parametrize("first", [0x81, 0x82, 0x8A], ids=["text", "binary", "unasked pong"])
async def test_ten_thousand_empty_frames_are_nothing(target: Target, first: int) -> None:
    async with target.websocket(data=frame(TEXT, HANDSHAKE)) as peer:
        assert await peer.receive() == SHAKEN
        await peer.send(frame(first) * 10_000 + frame(TEXT, CALL))
        assert await peer.receive() == frame(TEXT, ANSWER, mask=None)


async def test_a_flood_of_pings_by_a_peer_that_does_not_read_costs_no_memory(target: Target) -> None:
    before = await target.figures()
    async with target.websocket(data=frame(TEXT, HANDSHAKE), receive_buffer=4096) as peer:
        for _ in range(200):
            await peer.send(frame(PING, b"x" * 125) * 1_000)
        assert (await target.figures()).memory - before.memory < 8 * MIB


@pytest.mark.parametrize("size", [1, 1_000, 16_000, MIB])
@pytest.mark.parametrize("shaken", [True, False], ids=["", "before the handshake"])
@pytest.mark.parametrize("server", ACCELERATED, indirect=True)
async def test_a_message_in_endless_fragments_ends_at_the_hub_s_limit(target: Target, size: int, shaken: bool) -> None:
    async with target.websocket(data=frame(TEXT, HANDSHAKE) if shaken else b"") as peer:
        if shaken:
            assert await peer.receive() == SHAKEN
        await peer.send(frame(0x01, b"a" * min(size, LIMIT)))
        await peer.send(frame(0x00, b"a" * size) * (LIMIT // size + 1))
        assert (await peer.receive()).startswith(frame(TEXT, TOO_LARGE if shaken else CANCELED, mask=None))
    await target.until(lambda figures: figures.connections == 1)


@pytest.mark.parametrize("server", PLAIN, indirect=True)
@pytest.mark.parametrize("shaken", [True, False], ids=["", "before the handshake"])
async def test_where_messages_are_held_whole_one_in_fragments_ends_at_the_server_s_limit(
    target: Target, shaken: bool
) -> None:
    async with target.websocket(data=frame(TEXT, HANDSHAKE) if shaken else b"") as peer:
        if shaken:
            assert await peer.receive() == SHAKEN
        await peer.send(frame(0x01, b"a"))
        said = await peer.exchange(frame(0x00, b"a" * 65_536) * (MAX_SIZE // 65_536))
        assert said[2:4] == TOO_BIG.to_bytes(2, "big")
    await target.until(lambda figures: figures.connections == 1)
