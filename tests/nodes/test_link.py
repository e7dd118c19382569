"""Links between nodes: trust, streams, flow control, silence."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from hubline.nodes.frames import HEADER, LARGEST_BEFORE_PROOF, Kind, frame
from hubline.nodes.link import HIGH_WATER, SILENCE
from hubline.nodes.stream import WINDOW, LinkLost
from hubline.nodes.tokens import Secrets
from hubline.testing import settle
from tests.nodes.wires import SECRET, Pair


@pytest.fixture
async def pair() -> AsyncIterator[Pair]:
    made = await Pair().connect()
    yield made
    made.end()
    await settle()


async def test_both_ends_trust_each_other(pair: Pair) -> None:
    await pair.dialer.ready
    await pair.acceptor.ready
    assert not pair.over


@pytest.mark.parametrize(
    ("dialers", "acceptors", "works"),
    [
        ([SECRET], [SECRET + "2", SECRET], True),
        ([SECRET, SECRET + "2"], [SECRET + "2", SECRET], True),
        ([SECRET + "2", SECRET], [SECRET], False),
        (["another secret of some other nodes"], [SECRET], False),
    ],
)
async def test_the_secret_of_the_dialer_must_be_one_of_the_acceptors(
    dialers: list[str], acceptors: list[str], works: bool
) -> None:
    pair = await Pair(dialers=Secrets(dialers), acceptors=Secrets(acceptors)).connect()
    assert pair.dialer.ready.done()
    assert (pair.dialer.ready.exception() is None) is works
    assert pair.dialer.lost is not works
    pair.end()


async def test_a_proof_for_another_address_is_none() -> None:
    """Somebody in between cannot pass a node's proof on to a node that it did not mean."""
    pair = await Pair(dialed="tcp://10.0.0.9:7000").connect()
    assert isinstance(pair.dialer.ready.exception(), LinkLost)


async def test_the_time_for_a_proof_begins_with_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """With uvloop a link that is refused was made all the same, and must not be reported once more when time is up."""
    monkeypatch.setattr("hubline.nodes.link.PATIENCE", 0)
    pair = Pair()
    await settle()
    assert not pair.dialer.lost
    assert caplog.messages == []
    pair.dialer.connection_made(pair.out)
    await asyncio.wait([pair.dialer.ready])
    assert pair.dialer.lost
    assert "no proof" in caplog.text


async def test_an_acceptor_that_cannot_prove_anything_is_not_trusted() -> None:
    pair = Pair()
    pair.dialer.connection_made(pair.out)
    for data in (
        b"GET / HTTP/1.1\r\n\r\n",
        frame(Kind.PROOF, 0, b"x" * 32),
        frame(Kind.OPEN, 1),
        frame(Kind.HELLO, 0, b"2"),
    ):
        pair = Pair()
        pair.dialer.connection_made(pair.out)
        pair.dialer.data_received(data)
        await settle()
        assert pair.dialer.lost, data
    hello = next(iter([frame(Kind.HELLO, 0, b"hubline-nodes/1\n" + b"n" * 16)]))
    pair = Pair()
    pair.dialer.connection_made(pair.out)
    pair.dialer.data_received(hello)
    assert pair.out.written, "it proves itself first"
    pair.dialer.data_received(frame(Kind.PROOF, 0, b"x" * 32))
    await settle()
    assert pair.dialer.lost


async def test_before_the_proof_nothing_large_is_held_and_nothing_is_opened() -> None:
    for data in (
        HEADER.pack(LARGEST_BEFORE_PROOF + 1, Kind.PROOF, 0),
        frame(Kind.OPEN, 1, b"opening"),
        frame(Kind.PING, 0),
    ):
        pair = Pair()
        pair.acceptor.connection_made(pair.back)
        pair.acceptor.data_received(data)
        await settle()
        assert pair.acceptor.lost
        assert pair.opened == []


async def test_frames_arrive_however_the_bytes_are_cut(pair: Pair) -> None:
    own, other = await pair.stream()
    pair.out.held = True
    await own.put(Kind.DATA, b"one")
    await own.put(Kind.LAST, b"")
    await settle()
    data = b"".join(pair.out.written[-1:])
    pair.out.written.clear()
    for byte in data:
        pair.acceptor.data_received(bytes([byte]))
    assert await other.get() == (Kind.DATA, b"one")
    assert await other.get() == (Kind.LAST, b"")


async def test_frames_of_one_turn_are_one_write(pair: Pair) -> None:
    own, _ = await pair.stream()
    before = len(pair.out.written)
    for _ in range(10):
        own.tell(Kind.DATA, b"x")
    await settle()
    assert len(pair.out.written) == before + 1


async def test_who_sends_waits_until_the_other_end_has_taken_what_it_has(pair: Pair) -> None:
    own, other = await pair.stream()
    await own.put(Kind.DATA, b"x" * WINDOW)
    second = asyncio.ensure_future(own.put(Kind.DATA, b"second"))
    await settle()
    assert not second.done()
    _, payload = await other.get()
    await settle()
    assert not second.done(), "reading is not taking: it is not passed on yet"
    other.took(len(payload))
    await second
    assert await other.get() == (Kind.DATA, b"second")


async def test_a_stream_that_waits_does_not_hold_another(pair: Pair) -> None:
    slow, _ = await pair.stream()
    fast, other = await pair.stream()
    await slow.put(Kind.DATA, b"x" * WINDOW)
    waiting = asyncio.ensure_future(slow.put(Kind.DATA, b"y"))
    for number in range(100):
        await fast.put(Kind.DATA, bytes([number]) * 10_000)
        _, payload = await other.get()
        other.took(len(payload))
        await settle()
    assert not waiting.done()
    waiting.cancel()


async def test_a_message_larger_than_the_window_passes_whole(pair: Pair) -> None:
    own, other = await pair.stream()
    await own.put(Kind.TEXT, b"x" * (3 * WINDOW))
    assert await other.get() == (Kind.TEXT, b"x" * (3 * WINDOW))
    following = asyncio.ensure_future(own.put(Kind.TEXT, b"y"))
    await settle()
    assert not following.done()
    other.took(3 * WINDOW)
    await following


async def test_waiting_for_credit_may_be_cancelled(pair: Pair) -> None:
    own, other = await pair.stream()
    await own.put(Kind.DATA, b"x" * WINDOW)
    for _ in range(3):
        waiting = asyncio.ensure_future(own.put(Kind.DATA, b"never"))
        await settle()
        waiting.cancel()
    other.took(WINDOW)
    await own.put(Kind.DATA, b"then")
    assert (await other.get())[1] == b"x" * WINDOW
    assert await other.get() == (Kind.DATA, b"then")


async def test_streams_wait_while_the_other_node_does_not_read(pair: Pair) -> None:
    own, other = await pair.stream()
    pair.dialer.pause_writing()
    waiting = asyncio.ensure_future(own.put(Kind.DATA, b"x"))
    await settle()
    assert not waiting.done()
    pair.dialer.resume_writing()
    await waiting
    assert await other.get() == (Kind.DATA, b"x")
    assert HIGH_WATER >= WINDOW


async def test_a_lost_link_ends_its_streams_but_what_has_arrived_is_read(pair: Pair) -> None:
    own, other = await pair.stream()
    gone: list[str] = []
    other.on_gone = lambda: gone.append("gone")
    await own.put(Kind.DATA, b"x" * WINDOW)
    await settle()
    waiting = asyncio.ensure_future(own.put(Kind.DATA, b"more"))
    await settle()
    pair.out.abort()
    await settle()
    with pytest.raises(LinkLost):
        await waiting
    assert (await other.get())[1] == b"x" * WINDOW
    with pytest.raises(LinkLost):
        await other.get()
    assert gone == ["gone"]
    assert len(pair.dialer) == len(pair.acceptor) == 0
    assert set(pair.over) == {pair.dialer, pair.acceptor}


async def test_a_stream_on_a_lost_link_is_lost_from_its_beginning(pair: Pair) -> None:
    pair.dialer.abort()
    stream = pair.dialer.open(b"opening")
    with pytest.raises(LinkLost):
        await stream.get()


async def test_a_node_that_is_silent_is_given_up(pair: Pair) -> None:
    """A half-open connection: this end writes, and nothing comes back."""
    own, _ = await pair.stream()
    pair.back.held = True
    for _ in range(3):
        await pair.clock.advance(SILENCE / 3)
        pair.acceptor.beat()
        pair.dialer.beat()
        await settle()
    assert not pair.dialer.lost
    await pair.clock.advance(0.1)
    pair.dialer.beat()
    assert pair.dialer.lost
    with pytest.raises(LinkLost):
        await own.get()


async def test_pings_keep_a_link(pair: Pair) -> None:
    for _ in range(10):
        await pair.clock.advance(SILENCE / 2)
        pair.dialer.beat()
        pair.acceptor.beat()
        await settle()
    assert not pair.over


async def test_frames_of_a_stream_that_has_ended_are_dropped(pair: Pair) -> None:
    own, other = await pair.stream()
    own.end()
    await other.put(Kind.DATA, b"late")
    await settle()
    assert len(pair.dialer) == 0
    assert not pair.over


@pytest.mark.parametrize("data", [frame(Kind.OPEN, 7, b"x"), HEADER.pack(2**31, Kind.DATA, 1), HEADER.pack(0, 99, 1)])
async def test_a_link_with_nonsense_is_given_up(pair: Pair, data: bytes) -> None:
    await pair.stream()
    pair.dialer.data_received(data)
    await settle()
    assert set(pair.over) == {pair.dialer, pair.acceptor}


async def test_what_is_queued_is_written_before_a_link_closes(pair: Pair) -> None:
    own, other = await pair.stream()
    own.tell(Kind.GONE, b"")
    pair.dialer.close()
    await settle()
    assert await other.get() == (Kind.GONE, b"")
    assert pair.acceptor.lost
