"""Every message in the transcripts and vectors, through both codecs in both directions."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from msgspec import UNSET, Raw
from msgspec.structs import asdict

from hubline.errors import RemoteProtocolError
from hubline.wire import framing, messages
from hubline.wire.codec import Codec
from hubline.wire.json import JsonCodec
from hubline.wire.messages import Message
from hubline.wire.msgpack import MessagePackCodec

VECTORS = Path(__file__).parent.parent / "vectors"
CODECS: dict[str, Codec] = {"json": JsonCodec(), "messagepack": MessagePackCodec()}


@cache
def load(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((VECTORS / name).read_text("utf-8"))
    assert found["origin"]
    return found


def open_up(codec: Codec, message: Message) -> dict[str, Any]:
    """The fields of a message, with its values decoded."""
    fields = {name: value for name, value in asdict(message).items() if value is not UNSET}
    return {name: codec.reader(Any)(value) if isinstance(value, Raw) else value for name, value in fields.items()}


def read(codec: Codec, framed: bytes) -> Message:
    (payload,) = codec.splitter(None).feed(framed)
    message = codec.decode(payload)
    assert message is not None
    return message


def framed(codec: str, vector: dict[str, Any]) -> bytes:
    return vector["json"].encode() if codec == "json" else bytes.fromhex(vector["messagepack"])


@pytest.mark.statement(86, 87, 97, 100, 101, 102)
@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("vector", load("messages.json")["messages"], ids=lambda vector: vector["json"][:-1])
def test_a_message_is_written_and_read_as_in_the_vector(vector: dict[str, Any], codec: str) -> None:
    fields = {name: tuple(value) if name == "stream_ids" else value for name, value in vector["fields"].items()}
    message = getattr(messages, vector["kind"])(**fields)

    assert CODECS[codec].encode(message) == framed(codec, vector)

    found = read(CODECS[codec], framed(codec, vector))
    assert type(found) is type(message)
    assert open_up(CODECS[codec], found) == open_up(CODECS[codec], message)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("vector", load("messages.json")["messages"], ids=lambda vector: vector["json"][:-1])
def test_what_was_read_can_be_written_again_without_being_understood(vector: dict[str, Any], codec: str) -> None:
    assert CODECS[codec].encode(read(CODECS[codec], framed(codec, vector))) == framed(codec, vector)


def exchanged(codec: str) -> Iterator[tuple[str, str, bytes]]:
    """Scene, speaker and bytes of all that went over WebSockets, without the handshakes and what is not kept whole."""
    for name in (f"transcripts-websocket-{codec}.json", "transcripts-client-results.json"):
        for scene in load(name)["transcripts"]:
            if scene["protocol"] == codec:
                for step in scene["exchanged"]:
                    if "{" in step.get("hex", "") or "{33000 x}" in step.get("text", ""):
                        continue
                    data = step.get("text", "").encode() or bytes.fromhex(step.get("hex", ""))
                    if data:
                        yield scene["name"], step["from"], without_handshake(data)


def without_handshake(data: bytes) -> bytes:
    first, separator, rest = data.partition(b"\x1e")
    return rest if separator and (first == b"{}" or first.startswith(b'{"protocol"')) else data


REFUSED = {"malformed message"}
"""Scenes that break the protocol on purpose."""


@pytest.mark.statement(86, 87, 100, 102, 108)
@pytest.mark.parametrize("codec", CODECS)
def test_what_the_original_wrote_is_read_and_written_with_the_same_bytes(codec: str) -> None:
    found = 0
    for scene, speaker, data in exchanged(codec):
        if not speaker.startswith("server"):
            continue
        for payload in CODECS[codec].splitter(None).feed(data):
            message = CODECS[codec].decode(payload)
            assert message is not None, scene
            again = CODECS[codec].encode(type(message)(**open_up(CODECS[codec], message)))
            expected = framing.frame_record(payload) if codec == "json" else framing.frame_with_length(payload)
            assert again == unescaped(expected), scene
            found += 1
    assert found > 60


def unescaped(data: bytes) -> bytes:
    """With the characters that ASP.NET escapes and we need not: U+2028 and all beyond the BMP."""
    return data.replace(rb"\u2028", "\u2028".encode()).replace(rb"\uD83D\uDE00", "\U0001f600".encode())


@pytest.mark.parametrize("codec", CODECS)
def test_what_clients_wrote_is_read(codec: str) -> None:
    found = 0
    for scene, speaker, data in exchanged(codec):
        if speaker.startswith(("server", "network")) or scene in REFUSED:
            continue
        splitter = CODECS[codec].splitter(None)
        for payload in splitter.feed(data):
            assert CODECS[codec].decode(payload) is not None, (scene, payload)
            found += 1
        assert splitter.pending == 0, scene
    assert found > 40


PAYLOADS = [(codec, row) for codec in CODECS for row in load(f"payloads-{codec}.json")["payloads"]]


@pytest.mark.statement(89, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 109)
@pytest.mark.parametrize(("codec", "row"), PAYLOADS, ids=[f"{codec} {row['payload'][:60]}" for codec, row in PAYLOADS])
def test_odd_payloads_are_taken_and_refused_as_by_the_original(codec: str, row: dict[str, str]) -> None:
    payload = row["payload"].encode() if codec == "json" else bytes.fromhex(row["payload"])
    if row["read as"].startswith("refused: "):
        with pytest.raises(RemoteProtocolError) as caught:
            CODECS[codec].decode(payload)
        assert caught.value.reason == row["read as"].removeprefix("refused: ")
        assert caught.value.allow_reconnect
    else:
        message = CODECS[codec].decode(payload)
        assert row["read as"] == ("ignored" if message is None else type(message).__name__)
