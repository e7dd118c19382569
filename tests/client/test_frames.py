"""What a server sends over a WebSocket: any messages, in any fragments, cut anywhere; and what it may not send."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubline.client.frames import PROTOCOL_ERROR, TOO_BIG, BrokenFrame, Frames
from hubline.websocket_frames import BINARY, CLOSE, CONTINUATION, FIN, PING, TEXT, control_frame, message_frame

SIZES = st.sampled_from([0, 1, 125, 126, 300, 65_535, 65_536])


def read(frames: Frames, *pieces: bytes) -> list[tuple[int, bytes]]:
    found = []
    for piece in pieces:
        frames.add(piece)
        while (each := frames.next()) is not None:
            found.append(each)
    return found


def fragment(first: int, payload: bytes) -> bytes:
    return bytes((first, len(payload))) + payload


@given(st.lists(st.tuples(st.sampled_from([TEXT, BINARY, PING]), SIZES), max_size=6), st.data())
def test_messages_come_whole_and_in_order_however_they_are_cut(
    sent: list[tuple[int, int]], data: st.DataObject
) -> None:
    expected = [
        (opcode, bytes([65 + n]) * (size if opcode != PING else size % 126)) for n, (opcode, size) in enumerate(sent)
    ]
    stream = b"".join(
        control_frame(opcode, payload) if opcode == PING else message_frame(payload, text=opcode == TEXT)
        for opcode, payload in expected
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(Frames(None), *pieces) == expected


def test_what_is_not_asked_for_waits_for_more_behind_it() -> None:
    frames = Frames(None)
    frames.add(message_frame(b"a", text=True) + message_frame(b"b", text=True))
    assert frames.next() == (TEXT, b"a")
    frames.add(message_frame(b"c", text=True)[:1])
    assert [frames.next(), frames.next(), frames.next()] == [(TEXT, b"b"), None, None]
    frames.add(message_frame(b"c", text=True)[1:])
    assert [frames.next(), frames.next()] == [(TEXT, b"c"), None]


def test_a_message_in_fragments_with_a_ping_between() -> None:
    stream = fragment(BINARY, b"a") + control_frame(PING, b"p") + fragment(CONTINUATION, b"") + fragment(FIN, b"b")
    assert read(Frames(2), stream, message_frame(b"c", text=True)) == [(PING, b"p"), (BINARY, b"ab"), (TEXT, b"c")]


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        (b"\x81\x81\0\0\0\0a", "masks"),
        (b"\x81\xfe\0\x7e", "masks"),
        (b"\xc1\x01a", "cannot come here"),
        (b"\x83\x00", "cannot come here"),
        (fragment(FIN, b"a"), "cannot come here"),
        (fragment(TEXT, b"a") + fragment(FIN | TEXT, b"b"), "cannot come here"),
        (fragment(TEXT, b"a") + fragment(0x50, b"b"), "cannot come here"),
        (b"\x09\x00", "control"),
        (b"\x8b\x00", "control"),
        (b"\x89\x7e\x00\x7e" + bytes(126), "control"),
    ],
)
def test_what_the_protocol_does_not_allow(sent: bytes, text: str) -> None:
    with pytest.raises(BrokenFrame, match=text) as broken:
        read(Frames(None), sent)
    assert broken.value.code == PROTOCOL_ERROR


@pytest.mark.parametrize("sent", [b"\x81\x7f" + (4).to_bytes(8, "big"), fragment(TEXT, b"ab") + b"\x80\x02"])
def test_a_message_that_is_too_large_is_refused_at_its_head(sent: bytes) -> None:
    with pytest.raises(BrokenFrame, match="a message exceeds 3 bytes") as broken:
        read(Frames(3), sent)
    assert broken.value.code == TOO_BIG


def test_control_frames_have_a_limit_of_their_own() -> None:
    assert read(Frames(3), fragment(TEXT, b"ab") + control_frame(CLOSE, b"\x03\xe8bye")) == [(CLOSE, b"\x03\xe8bye")]
