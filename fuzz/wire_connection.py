"""A whole conversation for the server's side of the wire: events however it is cut, never an exception."""

from collections.abc import Iterable
from typing import Any

from msgspec import Raw
from msgspec.structs import asdict

from fuzz.seeds import JSON_HANDSHAKE, MESSAGEPACK_HANDSHAKE, cut, messages, uncut
from hubline.wire.connection import Event, Failed, HandshakeAccepted, HandshakeRefused, Side, WireConnection
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec
from hubline.wire.replay import Replay

CODECS = (JsonCodec(), MessagePackCodec())
LIMIT = 256
SEEDS = [
    *[uncut(JSON_HANDSHAKE + each) for each in messages("json")],
    *[uncut(MESSAGEPACK_HANDSHAKE + each) for each in messages("messagepack")],
]


def check(data: bytes) -> None:
    pieces, whole = cut(data)
    for counted in (False, True):
        expected = _events([whole], counted)
        assert _events(pieces, counted) == expected
        assert _events([whole[index : index + 1] for index in range(len(whole))], counted) == expected


def _events(pieces: Iterable[bytes], counted: bool) -> tuple[list[Any], str, str]:
    """With what a stateful reconnect counts, or without."""
    replay = Replay(LIMIT) if counted else None
    wire = WireConnection(Side.SERVER, CODECS, now=0.0, maximum_message_size=LIMIT, replay=replay)
    events: list[Event] = []
    for piece in pieces:
        events += wire.receive(piece, 0.0)
        wire.tick(1.0)
        assert len(wire._handshake) <= LIMIT
        assert not hasattr(wire, "_splitter") or wire._splitter.pending <= LIMIT
    assert not any(isinstance(event, Failed) for event in events[:-1])
    return [_comparable(event) for event in events], wire.state.name, str(wire.end_of_input())


def _comparable(event: Event) -> Any:
    match event:
        case HandshakeAccepted(codec=codec, version=version):
            return codec.name, version
        case HandshakeRefused(error=error):
            return error
        case Failed(error=failure):
            return type(failure), str(failure)
    fields = asdict(event)  # type: ignore[arg-type]  # all others are messages
    return type(event), {name: bytes(value) if isinstance(value, Raw) else value for name, value in fields.items()}
