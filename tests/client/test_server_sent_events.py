"""Event streams: how they are read, and their ends."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hubline import ConnectionClosed
from hubline.client.server_sent_events import Events, open_events
from hubline.testing import settle
from hubline.wire.event_stream import event
from tests.client.scripted_http import ScriptedHttp, received


def data_of(*pieces: bytes, largest: int | None = None) -> bytes:
    events = Events(largest)
    return b"".join(b"".join(events.feed(piece)) for piece in pieces)


@pytest.mark.parametrize("newline", [b"\r\n", b"\n", b"\r"])
def test_what_is_data_and_what_is_not(newline: bytes) -> None:
    lines = [
        b":",
        b"",
        b"event: x",
        b"data: one",
        b"data:two",
        b"id: 7",
        b"data:  three",
        b"",
        b"data",
        b"data: 4",
        b"",
    ]
    assert data_of(newline.join(lines) + newline) == b"one\ntwo\n three4"


def test_an_empty_read_between_cr_and_lf_ends_no_event() -> None:
    assert data_of(b"data: one\r", b"", b"\ndata: two\r\n\r\n") == b"one\ntwo"


@given(st.lists(st.binary(min_size=1, max_size=30).filter(lambda data: b"\r" not in data), max_size=5), st.data())
def test_what_servers_write_comes_out_however_it_is_cut(payloads: list[bytes], chance: st.DataObject) -> None:
    written = b":\r\n" + b"".join(map(event, payloads))
    cuts = sorted(chance.draw(st.lists(st.integers(0, len(written)), max_size=8)))
    pieces = [written[start:end] for start, end in zip([0, *cuts], [*cuts, len(written)], strict=True)]
    assert data_of(*pieces) == b"".join(payloads)


def test_a_line_that_is_too_long() -> None:
    with pytest.raises(ConnectionClosed, match="a line of more than 10 bytes"):
        data_of(b"data: 12", b"345", largest=10)


async def test_reading_writing_and_closing() -> None:
    http = ScriptedHttp()
    carrier = await open_events(http.opening())
    assert http.asked == [("GET", b"text/event-stream", "Bearer old")]
    for piece in (b":\r\n", b"data: o", b"ne\r\n\r\n"):
        http.body.pieces.put_nowait(piece)
    assert await received(carrier) == b"one"
    await carrier.write(b"last")
    await carrier.close()
    assert http.said("POST") == [b"last"]
    assert http.said("DELETE") == []
    assert http.body.closed


async def test_ends() -> None:
    for piece, text in ((b"", "ended the event stream"), (None, "connection to the server was lost")):
        http = ScriptedHttp()
        carrier = await open_events(http.opening())
        http.body.pieces.put_nowait(piece)
        with pytest.raises(ConnectionClosed, match=text):
            await received(carrier)
        await carrier.close()


async def test_a_post_that_fails_ends_the_reading() -> None:
    http = ScriptedHttp()
    carrier = await open_events(http.opening())
    http.answers["POST"].append((404, b""))
    reading = asyncio.create_task(received(carrier))
    await carrier.write(b"x")
    await settle()
    with pytest.raises(ConnectionClosed, match="POST with status 404"):
        await reading
