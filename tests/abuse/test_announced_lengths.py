"""Sizes that are announced and never come, and values that are small on the wire and large or deep when read."""

import json
from contextlib import suppress

import pytest

from tests.abuse.target import MIB, Target
from tests.integration.driver import WEB_SOCKETS, Connector, Peer, Way
from tests.integration.lines import Ended
from tests.integration.wire_form import RS

JSON, MESSAGEPACK = Way(WEB_SOCKETS, "json"), Way(WEB_SOCKETS, "messagepack")
MOST = b"\xff\xff\xff\xff"
TIMES = 21


def framed(body: bytes) -> bytes:
    """With the length before it; two bytes of length will do here."""
    return bytes([len(body) & 0x7F | 0x80, len(body) >> 7]) + body


def invocation(arguments: bytes, *, headers: bytes = b"\x80", tail: bytes = b"\x90") -> bytes:
    return framed(b"\x96\x01" + headers + b"\xa11\xa4Echo" + arguments + tail)


def json_call(arguments: str, more: str = "") -> bytes:
    return f'{{"type":1,"invocationId":"1","target":"Echo","arguments":[{arguments}]{more}}}'.encode() + RS


BOMBS = {
    "length 2^31": b"\xff\xff\xff\xff\x07\x91",
    "length 2^35": b"\xff\xff\xff\xff\x7f\x91",
    "length of many bytes": b"\xff" * 1_000,
    "array of 2^32": invocation(b"\x91\xdd" + MOST),
    "map of 2^32": invocation(b"\x91\xdf" + MOST),
    "bin of 2^32": invocation(b"\x91\xc6" + MOST),
    "str of 2^32": invocation(b"\x91\xdb" + MOST),
    "ext of 2^32": invocation(b"\x91\xc9" + MOST + b"\x01"),
    "arguments of 2^32": invocation(b"\xdd" + MOST),
    "headers of 2^32": invocation(b"\x91\x01", headers=b"\xdf" + MOST),
    "streams of 2^32": invocation(b"\x91\x01", tail=b"\xdd" + MOST),
    "message of 2^32": framed(b"\xdd" + MOST + b"\x01"),
    "nested arrays": invocation(b"\x91" * 10_000 + b"\x01"),
    "nested maps": invocation(b"\x91" + b"\x81\xa1a" * 5_000 + b"\x01"),
    "nested headers": invocation(b"\x91\x01", headers=b"\x81\xa1a" * 5_000 + b"\x80"),
    "nested unknown message": framed(b"\x92\x2a" + b"\x91" * 10_000 + b"\x01"),
    "many stream ids": invocation(b"\x91\x01", tail=b"\xdc\x27\x10" + b"\xa1s" * 10_000),
    "timestamp": invocation(b"\x91\xc7\x0c\xff" + MOST * 3),
}
JSON_BOMBS = {
    "nested arrays": json_call("[" * 10_000 + "]" * 10_000),
    "nested and unfinished": json_call("[" * 20_000),
    "nested objects": json_call('{"a":' * 5_000 + "1" + "}" * 5_000),
    "nested in a text": json_call('"' + "[" * 20_000 + '"'),
    "digits": json_call("9" * 30_000),
    "digits behind the point": json_call("0." + "3" * 30_000),
    "exponent": json_call("1e" + "9" * 30_000),
    "negative exponent": json_call("1e-" + "9" * 30_000),
    "type of many digits": b'{"type":' + b"1" * 30_000 + b"}" + RS + json_call("1"),
    "type with an exponent": b'{"type":1e999999999}' + RS,
    "duplicate keys": json_call('"x"', ',"target":"Echo"' * 1_500),
    "duplicate arguments": json_call("1", ',"arguments":[1]' * 1_500),
    "escapes": json_call('"' + "\\u0041" * 5_000 + '"'),
    "half surrogates": json_call('"' + "\\ud83d" * 5_000 + '"'),
    "backslashes": json_call('"' + "\\\\" * 15_000 + '"'),
    "unfinished text": b'{"type":1,"target":"' + b"\\" * 30_001 + RS,
    "many headers": json_call("1", ',"headers":{' + ",".join(f'"{n}":""' for n in range(3_000)) + "}"),
    "many stream ids": json_call("1", ',"streamIds":[' + ",".join(f'"{n}"' for n in range(3_000)) + "]"),
    "blanks": b" " * 30_000 + RS,
    "separators": RS * 30_000,
    "nulls": bytes(30_000) + RS,
}


async def survived(target: Target, peer: Peer, bomb: bytes) -> None:
    """Send it often: each time it is answered, or it ends the connection, and it costs nothing that stays."""
    before = await target.figures()
    with suppress(Ended):
        for _ in range(TIMES):
            await peer.line.send(bomb, binary=True)
        await peer.receive_many(TIMES)
    await peer.line.close()
    after = await target.until(lambda figures: figures.connections == 1)
    assert after.memory - before.memory < 8 * MIB


@pytest.mark.parametrize("way", [MESSAGEPACK], ids=str)
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
async def test_messagepack_bombs_cost_their_sender_alone(target: Target, connect: Connector, bomb: bytes) -> None:
    await survived(target, await connect(), bomb)


@pytest.mark.parametrize("way", [JSON], ids=str)
@pytest.mark.parametrize("bomb", JSON_BOMBS.values(), ids=JSON_BOMBS.keys())
async def test_json_bombs_cost_their_sender_alone(target: Target, connect: Connector, bomb: bytes) -> None:
    assert len(bomb) < 32 * 1024
    await survived(target, await connect(), bomb)


@pytest.mark.parametrize("way", [JSON], ids=str)
async def test_an_endless_message_is_refused_at_its_limit(target: Target, connect: Connector) -> None:
    peer = await connect()
    await peer.write(b'{"type":1,"target":"' + b"x" * 20_000)
    await peer.write(b"x" * 20_000)
    closing = await peer.rest()
    assert [message["type"] for message in closing] == [7]
    assert json.dumps(closing).count("Connection closed with an error.") == 1
