"""Splitting and framing, byte by byte and at the limits."""

import pytest

from hubline.errors import MessageTooLarge, RemoteProtocolError
from hubline.wire.framing import (
    RecordSplitter,
    VarintSplitter,
    frame_record,
    frame_with_length,
    varint,
)


def test_a_record_ends_with_the_separator() -> None:
    assert frame_record(b'{"type":6}') == b'{"type":6}\x1e'


def test_a_whole_number_of_records_in_one_piece() -> None:
    splitter = RecordSplitter(100)
    assert splitter.feed(b"one\x1etwo\x1e") == [b"one", b"two"]
    assert splitter.pending == 0
    assert splitter.error is None


def test_a_record_in_pieces_is_kept_until_its_end() -> None:
    splitter = RecordSplitter(100)
    assert splitter.feed(b"first\x1eha") == [b"first"]
    assert splitter.pending == 2
    assert splitter.feed(b"l") == []
    assert splitter.feed(b"f\x1elast\x1e\x1ex") == [b"half", b"last", b""]
    assert splitter.pending == 1


def test_no_bytes_change_nothing() -> None:
    for splitter in (RecordSplitter(10), VarintSplitter(10)):
        assert splitter.feed(b"") == []
        assert splitter.pending == 0


@pytest.mark.statement(104)
def test_a_record_of_exactly_the_limit_passes_and_one_byte_more_does_not() -> None:
    assert RecordSplitter(4).feed(b"abc\x1e") == [b"abc"]
    splitter = RecordSplitter(4)
    assert splitter.feed(b"abcd\x1e") == []
    assert isinstance(splitter.error, MessageTooLarge)
    assert splitter.error.limit == 4


@pytest.mark.statement(105)
def test_records_before_one_that_is_too_long_are_returned_and_none_after_it() -> None:
    splitter = RecordSplitter(4)
    assert splitter.feed(b"one\x1etwo\x1etoo long\x1enot\x1e") == [b"one", b"two"]
    assert str(splitter.error) == (
        "The maximum message size of 4B was exceeded. The message size can be configured in AddHubOptions."
    )
    assert splitter.feed(b"abc\x1e") == []
    assert splitter.pending == 0


def test_many_records_together_may_exceed_the_limit() -> None:
    assert RecordSplitter(4).feed(b"one\x1etwo\x1e") == [b"one", b"two"]


def test_never_more_than_the_limit_of_a_record_is_kept() -> None:
    splitter = RecordSplitter(4)
    for _ in range(4):
        assert splitter.feed(b"x") == []
    assert splitter.pending == 4
    assert splitter.error is None
    assert splitter.feed(b"x") == []
    assert splitter.pending == 0
    assert isinstance(splitter.error, MessageTooLarge)


def test_without_a_limit_a_record_may_have_any_length() -> None:
    splitter = RecordSplitter(None)
    assert splitter.feed(b"x" * 100_000) == []
    assert splitter.feed(b"\x1e") == [b"x" * 100_000]


@pytest.mark.statement(107)
@pytest.mark.parametrize(
    ("number", "written"),
    [
        (0, "00"),
        (53, "35"),
        (127, "7f"),
        (128, "8001"),
        (255, "ff01"),
        (5248, "8029"),
        (16384, "808001"),
        (2**21, "80808001"),
        (2**31 - 1, "ffffffff07"),
    ],
)
def test_lengths_are_one_to_five_bytes(number: int, written: str) -> None:
    assert varint(number).hex() == written


@pytest.mark.statement(107)
@pytest.mark.parametrize("length", [0, 1, 127, 128, 255, 256, 16_383, 16_384, 2_097_152])
def test_a_framed_payload_is_found_again(length: int) -> None:
    payload = b"x" * length
    assert VarintSplitter(None).feed(frame_with_length(payload)) == [payload]


def test_a_length_may_be_written_longer_than_needed() -> None:
    assert VarintSplitter(None).feed(bytes.fromhex("82808080009106")) == [b"\x91\x06"]


class Huge(bytes):
    def __len__(self) -> int:
        return 2**31


def test_a_payload_that_no_length_can_say_is_not_framed() -> None:
    with pytest.raises(OverflowError, match="over 2GB"):
        frame_with_length(Huge())


def test_several_messages_with_lengths_in_one_piece() -> None:
    splitter = VarintSplitter(None)
    assert splitter.feed(b"\x02\x91\x06\x00\x01a\x03ab") == [b"\x91\x06", b"", b"a"]
    assert splitter.pending == 3
    assert splitter.feed(b"c\x01d") == [b"abc", b"d"]
    assert splitter.pending == 0


def test_a_message_with_a_length_may_come_byte_by_byte() -> None:
    splitter = VarintSplitter(1000)
    data = frame_with_length(b"x" * 300)
    found = [splitter.feed(data[index : index + 1]) for index in range(len(data))]
    assert found == [[]] * (len(data) - 1) + [[b"x" * 300]]


@pytest.mark.statement(104)
def test_the_limit_counts_the_length_too() -> None:
    assert VarintSplitter(4).feed(b"\x03abc") == [b"abc"]
    splitter = VarintSplitter(4)
    assert splitter.feed(b"\x04abcd") == []
    assert isinstance(splitter.error, MessageTooLarge)


@pytest.mark.statement(105)
def test_messages_before_one_that_announces_too_much_are_returned() -> None:
    splitter = VarintSplitter(1000)
    assert splitter.feed(b"\x01a\x01b\xff\xff\xff\xff\x07") == [b"a", b"b"]
    assert isinstance(splitter.error, MessageTooLarge)
    assert splitter.pending == 0
    assert splitter.feed(b"\x01c") == []


@pytest.mark.parametrize("data", ["ffffffff0f", "ffffffffff", "8080808080", "ffffffff08"])
def test_a_length_over_two_gigabytes_is_refused(data: str) -> None:
    splitter = VarintSplitter(None)
    assert splitter.feed(b"\x01a" + bytes.fromhex(data)) == [b"a"]
    assert type(splitter.error) is RemoteProtocolError
    assert str(splitter.error) == "Messages over 2GB in size are not supported."
    assert splitter.error.allow_reconnect


def test_the_largest_length_waits_for_its_message() -> None:
    splitter = VarintSplitter(None)
    assert splitter.feed(bytes.fromhex("ffffffff07")) == []
    assert splitter.error is None
    assert splitter.pending == 5
    assert splitter.feed(b"x") == []
    assert splitter.pending == 6
