"""Items that a session reads at once: as one by one, and what may not be read so."""

from typing import Any

import pytest

from hubline.client.events import Call, Item, Opened, Write
from hubline.client.session import ClientSession
from hubline.wire.codec import Codec
from hubline.wire.connection import Failed
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Ack, Close, Sequence, StreamItem
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.replay import Replay

JSON, MESSAGEPACK = JsonCodec(), MessagePackCodec()
both_codecs = pytest.mark.parametrize("codec", [JSON, MESSAGEPACK], ids=["json", "messagepack"])


def opened(codec: Codec = JSON, **settings: Any) -> ClientSession:
    session = ClientSession(codec, **settings)
    session.handshake()
    assert session.receive(b"{}\x1e", 0.0) == [Opened()]
    return session


def streaming(session: ClientSession, kind: Any = int) -> Call:
    return session.stream("Count", (), item_type=kind)[0]


def sent(session: ClientSession, *items: tuple[str, Any]) -> bytes:
    return b"".join(session.codec.encode(StreamItem(invocation_id=id, item=value)) for id, value in items)


@both_codecs
def test_the_items_of_one_stream_and_of_several(codec: Codec) -> None:
    session = opened(codec)
    first, second = streaming(session), streaming(session)
    assert session.items(sent(session, ("0", 1), ("0", 2)), 1.0) == [(first, [1, 2])]
    assert session.items(sent(session, ("1", 1), ("0", 2), ("1", 3)), 1.0) == [(second, [1, 3]), (first, [2])]


@both_codecs
def test_what_is_left_to_receive(codec: Codec) -> None:
    session = opened(codec, maximum_message_size=100)
    numbers, texts = streaming(session), streaming(session, str)
    session.invoke("Call", ())
    for items in (
        [("0", 1), ("1", "a")],  # of two types
        [("0", 1), ("0", "a")],
        [("0", 1), ("2", 1)],  # the second is no stream
        [("2", 1)],
        [("0", 1), ("9", 1)],  # nobody waits for it any more
        [("9", 1)],
        [("1", "x" * 20)] * 5,  # together more than one message may have
    ):
        assert session.items(sent(session, *items), 0.0) == []
    both = sent(session, ("0", 1), ("1", "a"))
    assert session.receive(both, 0.0) == [Item(numbers, 1), Item(texts, "a")]
    half = sent(session, ("0", 1))
    assert session.receive(half[:3], 0.0) == []
    assert session.items(half, 0.0) == [], "it continues a message"


def test_before_the_handshake_and_after_a_close_there_are_none() -> None:
    session = ClientSession(JSON)
    session.handshake()
    assert session.items(b"{}\x1e", 0.0) == []
    session = opened()
    streaming(session)
    assert session.receive(JSON.encode(Close()), 0.0) == [Close()]
    assert session.items(sent(session, ("0", 1)), 0.0) == []


def test_they_are_a_sign_of_life() -> None:
    session = opened(server_timeout=30.0, keep_alive_interval=None)
    call = streaming(session)
    assert session.items(sent(session, ("0", 1)), 20.0) == [(call, [1])]
    assert session.tick(49.0) == []
    assert isinstance(session.tick(50.0)[0], Failed)


def test_they_are_counted_and_repetitions_of_them_dropped() -> None:
    replay = Replay(1_000)
    session = opened(replay=replay)
    call = streaming(session)
    items = sent(session, ("0", 1), ("0", 2))
    assert session.items(items, 0.0) == [(call, [1, 2])]
    assert session.tick(1.0) == [Write(JSON.encode(Ack(sequence_id=2)), counted=False)]
    session.reconnected(1.0)
    assert session.receive(JSON.encode(Sequence(sequence_id=2)), 1.0) == []
    again = sent(session, ("0", 2), ("0", 3))
    assert session.items(again, 1.0) == []
    assert session.receive(again, 1.0) == [Item(call, 3)]
    assert session.items(sent(session, ("0", 4)), 1.0) == [(call, [4])]
    assert session.tick(2.0)[-1:] == [Write(JSON.encode(Ack(sequence_id=4)), counted=False)]
