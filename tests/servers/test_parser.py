"""What this leans on of picows, without a server: each of it is something that another version may do otherwise."""

import gc
import logging

import pytest
from picows import WSFrame

from hubline.servers.parser import LARGE, SPARE, Parser, Parsers, probe
from hubline.servers.protocols import READ_SIZE
from tests.client_frames import BINARY, CLOSE, CONTINUATION, MORE, PING, TEXT, frame


class Heard:
    """Notes frames and mistakes in the order in which they are told."""

    def __init__(self) -> None:
        self.frames: list[tuple[int, bool, bytes]] = []
        self.mistakes: list[tuple[int, str]] = []
        self.failure: Exception | None = None

    def on_frame(self, frame: WSFrame) -> None:
        self.frames.append((frame.msg_type.value, bool(frame.fin), frame.get_payload_as_bytes()))
        if self.failure is not None:
            raise self.failure

    def on_mistake(self, code: int, picows_says: str) -> None:
        self.mistakes.append((code, picows_says))


def feed(parser: Parser, owner: Heard, data: bytes) -> None:
    """As a socket does it."""
    while data:
        buffer = parser.get_buffer()
        piece, data = data[: len(buffer)], data[len(buffer) :]
        buffer[: len(piece)] = piece
        parser.buffer_updated(len(piece), owner)


@pytest.fixture
async def parser() -> Parser:
    return Parser()


async def test_it_reads_every_kind_of_frame_and_answers_none(parser: Parser) -> None:
    heard = Heard()
    feed(parser, heard, frame(TEXT, b"a") + frame(BINARY - MORE, b"b") + frame(CONTINUATION) + frame(PING, b"p"))
    assert heard.frames == [(1, True, b"a"), (2, False, b"b"), (0, True, b""), (9, True, b"p")]
    assert heard.mistakes == []
    assert not parser.rest
    assert parser.owner is None


@pytest.mark.parametrize("size", [0, 125, 126, 300])
async def test_it_belongs_to_its_owner_at_every_byte_of_a_frame_but_the_last(parser: Parser, size: int) -> None:
    heard, data = Heard(), frame(TEXT, b"a" * size)
    for number, byte in enumerate(data, 1):
        feed(parser, heard, bytes([byte]))
        assert bool(parser.rest) is (number < len(data)), number
    assert heard.frames == [(1, True, b"a" * size)]


@pytest.mark.parametrize("more", [1, 2, 5, 6])
async def test_it_belongs_to_its_owner_when_another_frame_has_begun(parser: Parser, more: int) -> None:
    heard = Heard()
    feed(parser, heard, frame(TEXT, b"a") + frame(TEXT, b"b")[:more])
    assert parser.rest
    feed(parser, heard, frame(TEXT, b"b")[more:])
    assert not parser.rest
    assert [payload for _, _, payload in heard.frames] == [b"a", b"b"]


async def test_a_close_leaves_it_to_its_owner_for_ever(parser: Parser) -> None:
    heard = Heard()
    feed(parser, heard, frame(CLOSE, b"\x03\xe8"))
    assert heard.frames == [(8, True, b"\x03\xe8")]
    assert parser.rest


async def test_a_mistake_leaves_it_to_its_owner_for_ever_and_is_told_once(parser: Parser) -> None:
    heard = Heard()
    feed(parser, heard, frame(TEXT, b"a") + frame(TEXT, b"b") + frame(0x83))
    assert [payload for _, _, payload in heard.frames] == [b"a", b"b"]
    assert heard.mistakes == [(1002, "Received frame with invalid opcode=0x3")]
    assert parser.rest
    feed(parser, heard, frame(0x83))
    assert parser.rest
    assert len(heard.mistakes) == 1


@pytest.mark.parametrize("size", [2**62, 2**63 - 1])
async def test_it_refuses_no_frame_for_its_size(parser: Parser, size: int) -> None:
    heard = Heard()
    feed(parser, heard, b"\x82\xff" + size.to_bytes(8, "big") + b"mask" + b"x")
    assert heard.mistakes == []
    assert parser.rest


async def test_what_has_come_of_a_frame_is_known_until_it_is_whole(parser: Parser) -> None:
    heard, data = Heard(), frame(TEXT, b"a" * 1_600)
    feed(parser, heard, frame(TEXT, b"b") + data[:5])
    parser.little_updated()
    assert parser.begun == data[:5]
    parser.get_buffer()[:1_500] = data[5:1_505]
    parser.much_updated(1_500, heard)
    assert parser.begun == data[:1_505]
    more = data[1_505:] + data[:3]
    parser.get_buffer()[: len(more)] = more
    parser.much_updated(len(more), heard)
    assert parser.begun == data[:3]
    assert [payload for _, _, payload in heard.frames] == [b"b", b"a" * 1_600]


async def test_it_reads_no_more_at_a_time_than_the_plain_path_and_says_when_it_has_grown() -> None:
    parser, heard = Parser(), Heard()
    assert len(parser.get_buffer()) <= 2048
    feed(parser, heard, frame(BINARY, b"x" * LARGE))
    assert not parser.grown
    feed(parser, heard, frame(BINARY, b"x" * (LARGE + 1)))
    assert parser.grown
    assert len(parser.get_buffer()) == READ_SIZE


async def test_a_failure_of_ours_is_in_our_log_and_nothing_in_that_of_picows(
    parser: Parser, caplog: pytest.LogCaptureFixture
) -> None:
    heard = Heard()
    heard.failure = ValueError("mine")
    with caplog.at_level(0):
        feed(parser, heard, frame(TEXT, b"a"))
        feed(Parser(), Heard(), frame(0x83))
    ours = [record for record in caplog.records if record.name != "asyncio"]
    assert [(record.name, record.levelno) for record in ours] == [("hubline.server", logging.ERROR)]
    assert ours[0].exc_info is not None
    assert ours[0].exc_info[1] is heard.failure
    assert [code for code, _ in heard.mistakes] == [1011]


async def test_it_is_collected_when_it_is_not_used_any_more() -> None:
    def alive() -> int:
        gc.collect()
        return sum(isinstance(each, Parser) for each in gc.get_objects())

    before = alive()
    feed(Parser(), Heard(), frame(TEXT, b"a") + frame(TEXT, b"b")[:3])
    assert alive() <= before


async def test_frames_of_two_owners_do_not_mix() -> None:
    """As channels use it: each takes the shared one, and keeps it while its frame is not whole."""
    parsers, ada, bob = Parsers(), Heard(), Heard()
    own = parsers.shared
    feed(own, ada, frame(TEXT, b"of Ada")[:7])
    assert parsers.keep() is own
    assert parsers.shared is not own
    feed(parsers.shared, bob, frame(TEXT, b"of Bob"))
    feed(own, ada, frame(TEXT, b"of Ada")[7:])
    assert (ada.frames, bob.frames) == ([(1, True, b"of Ada")], [(1, True, b"of Bob")])
    parsers.give_back(own)
    parsers.keep()
    assert parsers.shared is own, "it is used again"


async def test_a_few_parsers_are_spared_and_none_that_has_grown() -> None:
    parsers = Parsers()
    kept = [parsers.keep() for _ in range(SPARE + 2)]
    kept[0].grown = True
    for each in kept:
        parsers.give_back(each)
    parsers.keep()
    again = [parsers.keep() for _ in range(SPARE)]
    assert set(again) == set(kept[1 : SPARE + 1])
    assert parsers.shared not in kept


async def test_the_probe_is_content_with_the_version_that_is_required() -> None:
    probe()


async def test_the_probe_finds_a_parser_that_does_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parser, "buffer_updated", lambda self, size, owner: None)
    with pytest.raises(RuntimeError, match=r"it reads \[\]"):
        probe()
