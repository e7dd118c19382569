"""What a peer observes of WebSocket frames, on both paths: the same bytes go in, the same literal bytes come out."""

from collections.abc import Mapping
from typing import TypeAlias

import pytest

from tests.client_frames import BINARY, CLOSE, CONTINUATION, MASK, MORE, PING, PONG, TEXT, frame, masked
from tests.servers.paths import BYE, BYE_ANSWERED, PATHS, Peer, listening

SIZE = 1000
"""The largest message allowed in these tests."""

Exchange: TypeAlias = tuple[bytes, bytes, list[bytes]]
"""What the peer says, what it hears until the socket is closed, and what the application receives.

The last is one stream of bytes: where a message comes in fragments, the accelerated path hands on each.
"""

both_paths = pytest.mark.parametrize("path", PATHS)


def told(code: int, reason: str = "") -> bytes:
    """An unmasked close frame."""
    return bytes([0x88, 2 + len(reason)]) + code.to_bytes(2, "big") + reason.encode()


def announced(first: int, size: int) -> bytes:
    """The head of a frame of `size` bytes, none of which follows."""
    return bytes([first, 0xFF]) + size.to_bytes(8, "big") + MASK


MESSAGES: dict[str, Exchange] = {
    "short": (b"\x81\x81" + MASK + b"\x60" + BYE, BYE_ANSWERED, [b"a"]),
    "every way to say a length": (
        frame(TEXT, b"c" * 125) + frame(TEXT, b"d" * 126) + frame(BINARY, b"e" * SIZE) + BYE,
        BYE_ANSWERED,
        [b"c" * 125, b"d" * 126, b"e" * SIZE],
    ),
    "empty": (frame(TEXT) + frame(BINARY) + frame(TEXT, b"a") + BYE, BYE_ANSWERED, [b"a"]),
    "fragments": (
        frame(TEXT - MORE, b"a") + frame(CONTINUATION - MORE, b"b") + frame(CONTINUATION, b"c") + BYE,
        BYE_ANSWERED,
        [b"abc"],
    ),
    "empty fragments": (
        frame(TEXT - MORE) + frame(CONTINUATION - MORE, b"a") + frame(CONTINUATION) + BYE,
        BYE_ANSWERED,
        [b"a"],
    ),
    "nothing but empty fragments": (frame(TEXT - MORE) + frame(CONTINUATION) + BYE, BYE_ANSWERED, []),
    "a ping between fragments": (
        frame(TEXT - MORE, b"a") + frame(PING, b"p") + frame(CONTINUATION, b"b") + BYE,
        b"\x8a\x01p" + BYE_ANSWERED,
        [b"ab"],
    ),
    "as large as allowed in fragments": (
        frame(BINARY - MORE, b"x" * 600) + frame(CONTINUATION, b"y" * 400) + BYE,
        BYE_ANSWERED,
        [b"x" * 600 + b"y" * 400],
    ),
    "UTF-8 cut between fragments": (
        frame(TEXT - MORE, b"\xc3") + frame(CONTINUATION, b"\xa4") + BYE,
        BYE_ANSWERED,
        [b"\xc3\xa4"],
    ),
    "binary need not be UTF-8": (frame(BINARY, b"\xff") + BYE, BYE_ANSWERED, [b"\xff"]),
}
RESERVED = "reserved bits must be 0"
MALFORMED: dict[str, Exchange] = {
    "reserved bit 1": (frame(TEXT | 0x40, b"a"), told(1002, RESERVED), []),
    "reserved bit 2": (frame(TEXT | 0x20, b"a"), told(1002, RESERVED), []),
    "reserved bit 3": (frame(TEXT | 0x10, b"a"), told(1002, RESERVED), []),
    "reserved bit of a ping": (frame(PING | 0x40, b"a"), told(1002, RESERVED), []),
    "reserved bit of a close": (frame(CLOSE | 0x40, b"\x03\xe8"), told(1002, RESERVED), []),
    **{
        f"opcode {opcode:x}": (frame(0x80 | opcode, b"a"), told(1002, "invalid opcode"), [])
        for opcode in (3, 4, 5, 6, 7, 0xB, 0xC, 0xD, 0xE, 0xF)
    },
    "opcode and reserved bit": (frame(0xC3, b"a"), told(1002, "invalid opcode"), []),
    "no mask": (b"\x81\x01a", told(1002, "incorrect masking"), []),
    "no mask on an empty frame": (b"\x81\x00", told(1002, "incorrect masking"), []),
    "no mask on a close": (b"\x88\x02\x03\xe8", told(1002, "incorrect masking"), []),
    "no mask and a reserved bit": (b"\xc1\x01a", told(1002, "incorrect masking"), []),
}
FRAGMENTED = "fragmented control frame"
TOO_LONG = "control frame too long"
CONTROL: dict[str, Exchange] = {
    "ping": (frame(PING, b"abc") + frame(PING) + BYE, b"\x8a\x03abc\x8a\x00" + BYE_ANSWERED, []),
    "ping of bytes that are no text": (frame(PING, b"\xff\x00") + BYE, b"\x8a\x02\xff\x00" + BYE_ANSWERED, []),
    "pong": (frame(PONG, b"abc") + BYE, BYE_ANSWERED, []),
    "ping of 125 bytes": (frame(PING, b"x" * 125) + BYE, b"\x8a\x7d" + b"x" * 125 + BYE_ANSWERED, []),
    "ping of 126 bytes": (frame(PING, b"x" * 126), told(1002, TOO_LONG), []),
    "pong of 126 bytes": (frame(PONG, b"x" * 126), told(1002, TOO_LONG), []),
    "close of 126 bytes": (frame(CLOSE, b"\x03\xe8" + b"x" * 124), told(1002, TOO_LONG), []),
    "fragmented ping": (frame(PING - MORE, b"a"), told(1002, FRAGMENTED), []),
    "fragmented pong": (frame(PONG - MORE, b"a"), told(1002, FRAGMENTED), []),
    "fragmented close": (frame(CLOSE - MORE, b"\x03\xe8"), told(1002, FRAGMENTED), []),
}
NOT_UTF8: dict[str, Exchange] = {
    "a byte that never is": (frame(TEXT, b"\xff"), told(1007), []),
    "cut short": (frame(TEXT, b"\xc3"), told(1007), []),
    "a surrogate": (frame(TEXT, b"\xed\xa0\x80"), told(1007), []),
    "behind a message": (frame(TEXT, b"a") + frame(TEXT, b"\xff") + frame(TEXT, b"b"), told(1007), [b"a"]),
}
EXPECTED, UNEXPECTED = "expected a continuation frame", "unexpected continuation frame"
OUT_OF_PLACE: dict[str, Exchange] = {
    "nothing to continue": (frame(CONTINUATION, b"a"), told(1002, UNEXPECTED), []),
    "nothing to continue, and more to come": (frame(CONTINUATION - MORE, b"a"), told(1002, UNEXPECTED), []),
    "a message within a message": (frame(TEXT - MORE) + frame(TEXT, b"b"), told(1002, EXPECTED), []),
    "another kind within a message": (frame(TEXT - MORE) + frame(BINARY - MORE, b"b"), told(1002, EXPECTED), []),
    "close within a message": (frame(TEXT - MORE) + BYE, BYE_ANSWERED, []),
}
TOO_LARGE: dict[str, Exchange] = {
    "in one frame": (
        frame(BINARY, b"x" * 1001),
        told(1009, "frame with 1001 bytes exceeds limit of 1000 bytes"),
        [],
    ),
    "in the first fragment": (
        frame(BINARY - MORE, b"x" * 1001),
        told(1009, "frame with 1001 bytes exceeds limit of 1000 bytes"),
        [],
    ),
    "in the second": (
        frame(BINARY - MORE, b"x" * 600) + frame(CONTINUATION, b"y" * 1001),
        told(1009, "frame with 1001 bytes after reading 600 bytes exceeds limit of 1000 bytes"),
        [],
    ),
    "behind an empty one": (
        frame(BINARY - MORE) + frame(CONTINUATION, b"y" * 1001),
        told(1009, "frame with 1001 bytes after reading 0 bytes exceeds limit of 1000 bytes"),
        [],
    ),
    "by one byte": (
        frame(BINARY - MORE, b"x" * 1000) + frame(CONTINUATION, b"y"),
        told(1009, "frame with 1 bytes after reading 1000 bytes exceeds limit of 1000 bytes"),
        [],
    ),
    "in three fragments": (
        frame(TEXT - MORE, b"x" * 600) + frame(CONTINUATION - MORE, b"y" * 300) + frame(CONTINUATION, b"z" * 200),
        told(1009, "frame with 200 bytes after reading 900 bytes exceeds limit of 1000 bytes"),
        [],
    ),
    "announced: 2^62": (
        announced(BINARY, 2**62),
        told(1009, "frame with 4611686018427387904 bytes exceeds limit of 1000 bytes"),
        [],
    ),
    "announced: 2^63 - 1": (
        announced(TEXT, 2**63 - 1),
        told(1009, "frame with 9223372036854775807 bytes exceeds limit of 1000 bytes"),
        [],
    ),
    "announced within a message": (
        frame(BINARY - MORE, b"ab") + announced(CONTINUATION, 2**62),
        told(1009, "frame with 4611686018427387904 bytes after reading 2 bytes exceeds limit of 1000 bytes"),
        [],
    ),
}
GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999)
BAD_CODES = (0, 999, 1004, 1005, 1006, 1015, 1016, 1999, 2000, 2999, 5000, 65535)
CLOSES: dict[str, Exchange] = {
    **{f"{code}": (frame(CLOSE, code.to_bytes(2, "big")), told(1000), []) for code in GOOD_CODES},
    **{f"{code}": (frame(CLOSE, code.to_bytes(2, "big")), told(1002, "invalid status code"), []) for code in BAD_CODES},
    "without a code": (frame(CLOSE), told(1000), []),
    "with a reason": (frame(CLOSE, b"\x0f\xa0bye \xc3\xa4"), told(1000), []),
    "of 125 bytes": (frame(CLOSE, b"\x03\xe8" + b"x" * 123), told(1000), []),
    "behind a ping": (frame(PING, b"p") + frame(CLOSE), b"\x8a\x01p" + told(1000), []),
    "of one byte": (frame(CLOSE, b"\x03"), told(1002, "close frame too short"), []),
    "with messages behind it": (BYE + frame(TEXT, b"late") + frame(PING, b"late"), BYE_ANSWERED, []),
    "with another behind it": (BYE + frame(CLOSE, b"\x03\xe9"), BYE_ANSWERED, []),
    "with nonsense behind it": (BYE + b"\xff\xff\xff\xff", BYE_ANSWERED, []),
}


async def exchange(path: str, exchanges: Mapping[str, Exchange]) -> None:
    async with listening(path, max_size=SIZE) as (app, url):
        for name, (said, heard, received) in exchanges.items():
            app.received.clear()
            app.over.clear()
            peer = await Peer.connect(url)
            peer.say(said)
            assert await peer.hear_all() == heard, name
            await app.over.wait()
            assert b"".join(app.received) == b"".join(received), name


@both_paths
@pytest.mark.parametrize(
    "exchanges",
    [MESSAGES, MALFORMED, CONTROL, NOT_UTF8, OUT_OF_PLACE, CLOSES],
    ids=["messages", "malformed", "control", "not UTF-8", "out of place", "closes"],
)
async def test_the_same_bytes_are_answered_with_the_same_bytes(path: str, exchanges: dict[str, Exchange]) -> None:
    await exchange(path, exchanges)


async def test_where_a_message_is_held_whole_it_has_a_largest_size() -> None:
    await exchange("plain", TOO_LARGE)


@both_paths
async def test_it_does_not_matter_how_the_bytes_were_cut(path: str) -> None:
    async with listening(path) as (app, url):
        peer = await Peer.connect(url)
        for byte in frame(TEXT - MORE, b"a" * 130) + frame(PING, b"ok") + frame(CONTINUATION, b"b"):
            peer.say(bytes([byte]))
            await peer.writer.drain()
        assert await peer.hear(4) == b"\x8a\x02ok"
        peer.say(BYE)
        assert await peer.hear_all() == BYE_ANSWERED
        await app.over.wait()
        assert b"".join(app.received) == b"a" * 130 + b"b"


DIFFERENT: dict[str, dict[str, Exchange]] = {
    "a length in more bytes than it needs": {
        "plain": (b"\x82\xfe\x00\x01" + MASK + masked(b"a") + BYE, BYE_ANSWERED, [b"a"]),
        "accelerated": (b"\x82\xfe\x00\x01" + MASK + masked(b"a") + BYE, told(1002, "invalid length"), []),
    },
    "a length of 2^63": {
        "plain": (
            announced(BINARY, 2**63),
            told(1009, "frame with 9223372036854775808 bytes exceeds limit of 1000 bytes"),
            [],
        ),
        "accelerated": (announced(BINARY, 2**63), told(1002, "invalid length"), []),
    },
    "a message that is larger than the server's limit": {
        path: (
            frame(BINARY, b"x" * 600) + frame(BINARY - MORE, b"y" * 600) + frame(CONTINUATION, b"z" * 600) + BYE,
            *heard,
        )
        for path, heard in {
            "plain": (told(1009, "frame with 600 bytes after reading 600 bytes exceeds limit of 1000 bytes"), []),
            "accelerated": (BYE_ANSWERED, [b"x" * 600, b"y" * 600, b"z" * 600]),
        }.items()
    },
    "a message that does not end": {
        "plain": (frame(TEXT - MORE, b"a") + frame(CONTINUATION - MORE, b"b") + BYE, BYE_ANSWERED, []),
        "accelerated": (frame(TEXT - MORE, b"a") + frame(CONTINUATION - MORE, b"b") + BYE, BYE_ANSWERED, [b"ab"]),
    },
    "text that turns out not to be UTF-8": {
        "plain": (frame(TEXT - MORE, b"a\xc3") + frame(CONTINUATION, b"("), told(1007), []),
        "accelerated": (frame(TEXT - MORE, b"a\xc3") + frame(CONTINUATION, b"("), told(1007), [b"a\xc3"]),
    },
    "a reason that is not UTF-8": {
        "plain": (frame(CLOSE, b"\x03\xe8\xff"), told(1007, "invalid start byte at position 0"), []),
        "accelerated": (frame(CLOSE, b"\x03\xe8\xff"), told(1007, "Received CLOSE with invalid UTF-8 reason"), []),
    },
    "a control frame with two faults": {
        "plain": (frame(PING - MORE, b"x" * 126), told(1002, TOO_LONG), []),
        "accelerated": (frame(PING - MORE, b"x" * 126), told(1002, FRAGMENTED), []),
    },
    "a message before a mistake, in one segment": {
        "plain": (frame(TEXT, b"a") + frame(TEXT, b"b") + frame(0x83), told(1002, "invalid opcode"), []),
        "accelerated": (
            frame(TEXT, b"a") + frame(TEXT, b"b") + frame(0x83),
            told(1002, "invalid opcode"),
            [b"a", b"b"],
        ),
    },
}


@both_paths
async def test_the_paths_differ_as_the_decision_says(path: str) -> None:
    """docs/decisions/differences-between-the-paths.md"""
    await exchange(path, {name: exchanges[path] for name, exchanges in DIFFERENT.items()})


@both_paths
async def test_what_the_application_writes_comes_in_frames_of_every_size(path: str) -> None:
    async with listening(path) as (app, url):
        peer = await Peer.connect(url)
        await app.began.wait()
        for size, head in ((125, b"\x81\x7d"), (126, b"\x81\x7e\x00\x7e"), (65_535, b"\x81\x7e\xff\xff")):
            app.write(b"x" * size)
            assert await peer.hear(len(head) + size) == head + b"x" * size
        app.write(b"x" * 65_536)
        assert await peer.hear(10 + 65_536) == b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + b"x" * 65_536
        app.write(b"\xff")
        assert await peer.hear(3) == b"\x82\x01\xff"
        peer.say(BYE)
        assert await peer.hear_all() == BYE_ANSWERED


@both_paths
@pytest.mark.parametrize(("failure", "code"), [(None, 1000), (ValueError("mine"), 1011)])
async def test_our_close_is_answered(path: str, failure: Exception | None, code: int) -> None:
    async with listening(path) as (app, url):
        PATHS[path].close_timeout = 1000.0
        try:
            peer = await Peer.connect(url)
            await app.began.wait()
            app.end(failure)
            assert await peer.hear(4) == told(code)
            peer.say(frame(PING, b"still"), frame(TEXT, b"unread"), frame(CLOSE, code.to_bytes(2, "big")))
            assert await peer.hear_all() == b"\x8a\x05still"
            assert app.received == []
        finally:
            PATHS[path].close_timeout = 0.1


@both_paths
async def test_our_close_is_not_answered(path: str) -> None:
    async with listening(path) as (app, url):
        peer = await Peer.connect(url)
        await app.began.wait()
        app.end()
        assert await peer.hear_all() == told(1000)


@both_paths
async def test_halves_of_frames_on_two_sockets_do_not_mix(path: str) -> None:
    """Connections share a parser, but for those in the middle of a frame."""
    async with listening(path) as (app, url):
        ada, bob = await Peer.connect(url), await Peer.connect(url)
        one, other = frame(TEXT, b"of Ada" * 1000), frame(PING, b"of Bob")
        for cut in (1, 2, 5, 9, 3000):
            ada.say(frame(PING), one[:cut])
            assert await ada.hear(2) == b"\x8a\x00"
            bob.say(other[: cut % 9], other[cut % 9 :])
            assert await bob.hear(8) == b"\x8a\x06of Bob"
            ada.say(one[cut:])
        for peer in (bob, ada):
            app.over.clear()
            peer.say(BYE)
            assert await peer.hear_all() == BYE_ANSWERED
            await app.over.wait()
        assert b"".join(app.received) == b"of Ada" * 5000
