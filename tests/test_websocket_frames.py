"""Frames of WebSockets as bytes: what we write, by the rules of RFC 6455, and what is read of a peer's."""

import pytest

from hubline.websocket_frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    LongHead,
    accept_header,
    close_frame,
    close_reason,
    control_frame,
    has_long_head,
    is_close_payload,
    long_head,
    masked_frame,
    message_frame,
    unmasked,
)


@pytest.mark.parametrize(
    ("payload", "text", "head"),
    [
        (b"", True, b"\x81\x00"),
        (b"a" * 125, True, b"\x81\x7d"),
        (b"a" * 126, True, b"\x81\x7e\x00\x7e"),
        (b"a" * 65_535, True, b"\x81\x7e\xff\xff"),
        (b"a" * 65_536, True, b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"),
        (b"\xc3\xa4", True, b"\x81\x02"),
        (b"\xc3", True, b"\x82\x01"),
        (b"a", False, b"\x82\x01"),
        (b"a" * 126, False, b"\x82\x7e\x00\x7e"),
    ],
)
def test_a_frame_has_the_shortest_head_and_is_text_only_where_the_payload_is(
    payload: bytes, text: bool, head: bytes
) -> None:
    assert message_frame(payload, text=text) == head + payload


def test_the_head_of_a_large_frame_can_be_written_before_its_payload() -> None:
    head = message_frame(b"a" * 65_536, text=True, with_payload=False)
    assert head == b"\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00"


@pytest.mark.parametrize(("opcode", "first"), [(CLOSE, 0x88), (PING, 0x89), (PONG, 0x8A)])
def test_a_control_frame(opcode: int, first: int) -> None:
    assert control_frame(opcode, b"ab") == bytes([first, 2]) + b"ab"


def test_the_reason_of_a_close_is_cut_to_what_a_control_frame_may_have() -> None:
    assert close_frame(1002, "why") == b"\x88\x05\x03\xeawhy"
    assert close_frame(1000, "x" * 200) == b"\x88\x7d\x03\xe8" + b"x" * 123


@pytest.mark.parametrize(
    ("frame", "expected"), [(b"\x88\x05\x03\xeawhy", (1002, "why")), (b"\x8a\x02ab", None), (b"\x81\x01a", None)]
)
def test_what_a_close_says(frame: bytes, expected: tuple[int, str] | None) -> None:
    assert close_reason(frame) == close_reason(bytearray(frame)) == expected


@pytest.mark.parametrize("code", [1000, 1003, 1007, 1014, 3000, 4999])
def test_a_peer_may_close_with_a_code_that_is_for_peers(code: int) -> None:
    assert is_close_payload(code.to_bytes(2, "big") + b"why")


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 2999, 5000])
def test_it_may_not_close_with_any_other(code: int) -> None:
    assert not is_close_payload(code.to_bytes(2, "big"))


def test_it_may_close_without_a_code() -> None:
    assert is_close_payload(b"")


@pytest.mark.parametrize(
    ("begun", "expected"),
    [
        (b"", None),
        (b"\x81", None),
        (b"\x81\xfe", False),
        (b"\x81\xff" + bytes(11), None),
        (b"\x81\xff" + bytes(12), True),
        (b"\x00\xff" + bytes(12), True),
        (b"\x88\xff" + bytes(12), False),
        (b"\x81\x7f" + bytes(12), False),
    ],
)
def test_a_large_frame_is_known_by_its_head(begun: bytes, expected: bool | None) -> None:
    assert has_long_head(begun) is expected


@pytest.mark.parametrize(
    ("first", "opcode", "last", "reserved"),
    [(0x81, 1, True, False), (0x02, 2, False, False), (0x80, 0, True, False), (0xC1, 1, True, True)],
)
def test_what_a_long_head_says(first: int, opcode: int, last: bool, reserved: bool) -> None:
    begun = bytes([first, 0xFF]) + (70_001).to_bytes(8, "big") + b"mask" + b"payload"
    assert long_head(begun) == LongHead(opcode, last, reserved, 70_001, b"mask")


@pytest.mark.parametrize("size", [0, 1, 3, 4, 5, 1_000])
def test_a_mask_is_taken_away(size: int) -> None:
    payload, mask = bytes(range(250)) * 4, b"\x01\x80\x00\xff"
    masked = bytes(each ^ mask[position % 4] for position, each in enumerate(payload[:size]))
    assert unmasked(masked, mask) == payload[:size]


@pytest.mark.parametrize(
    ("size", "head"),
    [
        (0, b"\x82\x80"),
        (125, b"\x82\xfd"),
        (126, b"\x82\xfe\x00\x7e"),
        (65_535, b"\x82\xfe\xff\xff"),
        (65_536, b"\x82\xff\x00\x00\x00\x00\x00\x01\x00\x00"),
    ],
)
def test_a_client_masks_its_frames(size: int, head: bytes) -> None:
    frame = masked_frame(BINARY, b"a" * size, b"\x00\x01\x02\x03")
    assert frame == head + b"\x00\x01\x02\x03" + (b"a`cb" * size)[:size]


def test_the_proof_of_the_specification() -> None:
    assert accept_header(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3
