"""Large frames on the accelerated path: the payload is handed on as it comes, and nothing of it is kept."""

import random

import pytest
from picows import WSMsgType

from hubline.servers.large import LargeFrame
from hubline.websocket_frames import LONG_HEAD, long_head
from tests.client_frames import BINARY, CONTINUATION, MASK, MORE, PING, TEXT, frame
from tests.servers.paths import BYE, BYE_ANSWERED, Accelerated, Listening, Peer, listening

SIZE = 70_001
PAYLOAD = bytes(random.Random(1).randrange(128) for _ in range(SIZE))


class Heard:
    def __init__(self) -> None:
        self.fragments: list[tuple[WSMsgType, bool, bytes]] = []

    def on_fragment(self, kind: WSMsgType, last: bool, payload: bytes) -> None:
        self.fragments.append((kind, last, payload))


@pytest.mark.parametrize("first", [TEXT, BINARY - MORE, CONTINUATION, CONTINUATION - MORE])
def test_a_frame_is_handed_on_in_fragments(first: int) -> None:
    heard, data = Heard(), frame(first, PAYLOAD) + b"behind"
    large, position, behind = LargeFrame(long_head(data)), LONG_HEAD, b""
    for size in (1, 2, 3, 5, 16_384, 7, 40_000, 20_000):
        assert not large.whole
        behind = large.take(data[position : position + size], heard)
        position += size
    assert large.whole
    assert behind == b"behind"
    kinds, ends, payloads = zip(*heard.fragments, strict=True)
    assert kinds == (WSMsgType(first & 0x0F), *[WSMsgType.CONTINUATION] * 7)
    assert ends == (*[False] * 7, first >= MORE)
    assert b"".join(payloads) == PAYLOAD


async def until_received(app: Listening, size: int) -> bytes:
    while sum(map(len, app.received)) < size:
        app.came.clear()
        await app.came.wait()
    return b"".join(app.received)


@pytest.mark.parametrize("before", [0, 1, 1_100, 20_000])
@pytest.mark.parametrize("cut", [0, 1, 2, 9, 13, 14, 15, 30, 2_000])
async def test_it_is_recognised_however_its_bytes_are_cut(before: int, cut: int) -> None:
    async with listening("accelerated") as (app, url):
        peer = await Peer.connect(url)
        data = frame(TEXT, PAYLOAD)
        peer.say(frame(PING), frame(TEXT, b"x" * before), data[:cut])
        assert await peer.hear(2) == b"\x8a\x00"
        await until_received(app, before)
        peer.say(data[cut:], frame(PING, b"p"), frame(TEXT, b"c"), BYE)
        assert await peer.hear_all() == b"\x8a\x01p" + BYE_ANSWERED
        await app.over.wait()
        assert b"".join(app.received) == b"x" * before + PAYLOAD + b"c"
        assert max(map(len, app.received)) <= max(before, 16_384)


async def test_it_is_handed_on_before_it_is_whole_and_whatever_its_size() -> None:
    async with listening("accelerated") as (app, url):
        peer = await Peer.connect(url)
        peer.say(bytes([BINARY, 0xFF]) + (2**62).to_bytes(8, "big") + MASK + bytes([1, 2, 3, 4]) * 500)
        assert await until_received(app, 2_000) == bytes(2_000)
        app.end()
        assert await peer.hear_all() == BYE_ANSWERED


async def test_two_of_them_in_one_message() -> None:
    async with listening("accelerated") as (app, url):
        peer = await Peer.connect(url)
        peer.say(frame(TEXT - MORE, PAYLOAD), frame(PING), frame(CONTINUATION, PAYLOAD), BYE)
        assert await peer.hear_all() == b"\x8a\x00" + BYE_ANSWERED
        await app.over.wait()
        assert b"".join(app.received) == PAYLOAD * 2


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        (frame(TEXT, PAYLOAD[:50_000] + b"\xff" + PAYLOAD), b"\x88\x02\x03\xef"),
        (frame(TEXT, PAYLOAD + b"\xc3"), b"\x88\x02\x03\xef"),
        (frame(TEXT | 0x40, PAYLOAD), b"\x88\x19\x03\xeareserved bits must be 0"),
        (frame(CONTINUATION, PAYLOAD), b"\x88\x1f\x03\xeaunexpected continuation frame"),
        (frame(TEXT - MORE) + frame(TEXT, PAYLOAD), b"\x88\x1f\x03\xeaexpected a continuation frame"),
    ],
    ids=["not UTF-8", "cut within a character", "reserved bit", "nothing to continue", "within a message"],
)
async def test_its_mistakes_are_those_of_any_frame(said: bytes, heard: bytes) -> None:
    async with listening("accelerated") as (app, url):
        peer = await Peer.connect(url)
        await app.began.wait()
        Accelerated.last.transport.close = lambda: None  # type: ignore[method-assign]  # a reset would take the reason away
        peer.say(said)
        assert await peer.hear(len(heard)) == heard
        await app.over.wait()
        del Accelerated.last.transport.close
        peer.reset()
