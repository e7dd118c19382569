"""Whatever a peer sends, the server answers as documented, logs no error, and serves the next one as before."""

import asyncio
import itertools
import logging
import os
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hubline import ConnectionClosed, Hub, HubApp
from hubline.testing import ManualClock, RefusedError, connect, connect_raw, running
from tests.client_frames import BINARY, PING, TEXT, frame
from tests.servers.paths import BYE, BYE_ANSWERED, PATHS, Peer, served

JSON_HANDSHAKE = b'{"protocol":"json","version":1}\x1e'
MESSAGEPACK_HANDSHAKE = b'{"protocol":"messagepack","version":1}\x1e'
JSON_MESSAGES = [
    b'{"type":1,"invocationId":"1","target":"Echo","arguments":["a"]}\x1e',
    b'{"type":1,"invocationId":"2","target":"Total","arguments":[],"streamIds":["s"]}\x1e',
    b'{"type":2,"invocationId":"s","item":3}\x1e{"type":3,"invocationId":"s"}\x1e',
    b'{"type":4,"invocationId":"3","target":"Count","arguments":[3]}\x1e{"type":5,"invocationId":"3"}\x1e',
    b'{"type":6}\x1e{"type":7,"error":"x"}\x1e{"type":8,"sequenceId":1}\x1e{"type":9,"sequenceId":1}\x1e',
]
MESSAGEPACK_MESSAGES = [
    bytes.fromhex("0d960180a131a44563686f91a16190"),
    bytes.fromhex("0f960480a133a5436f756e74910390"),
    bytes.fromhex("0291060593058 0a133".replace(" ", "")),
    bytes.fromhex("0694020 0a1730395038 0a17302c0".replace(" ", "")),
]
RARELY_WITHIN = settings(
    max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
BUDGET = float(os.environ.get("HUBLINE_BUDGET", "30"))
"""Seconds for the long run, roughly: an example takes about 20 ms on an idle machine."""
OFTEN = settings(RARELY_WITHIN, max_examples=int(BUDGET * 20))


class FuzzHub(Hub):
    async def echo(self, value: Any) -> Any:
        return value

    async def total(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    async def count(self, n: int) -> AsyncIterator[int]:
        for number in range(min(n, 100)):
            yield number


@st.composite
def mutated(draw: st.DrawFn, messages: list[bytes]) -> bytes:
    """Valid messages, some bytes of which are replaced, removed, repeated or put in."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(messages), min_size=1, max_size=4))))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=4))
    return bytes(data)


PAYLOADS = st.one_of(
    st.binary(max_size=200),
    mutated(JSON_MESSAGES),
    mutated(MESSAGEPACK_MESSAGES),
    st.tuples(st.just(JSON_HANDSHAKE), mutated(JSON_MESSAGES)).map(b"".join),
    st.tuples(st.just(MESSAGEPACK_HANDSHAKE), mutated(MESSAGEPACK_MESSAGES)).map(b"".join),
    st.tuples(st.just(MESSAGEPACK_HANDSHAKE), st.binary(max_size=200)).map(b"".join),
)
PIECES = st.lists(PAYLOADS, min_size=1, max_size=3)
TRANSPORTS = st.sampled_from(["websocket", "sse", "long_polling"])


@pytest.fixture
def errors(caplog: pytest.LogCaptureFixture) -> Iterator[list[logging.LogRecord]]:
    """Errors of ours in the log: a peer must not be able to cause any."""
    caplog.set_level(logging.ERROR)
    yield caplog.records
    assert [record.getMessage() for record in caplog.records] == []


async def attack(transport: Any, pieces: list[bytes]) -> None:
    hubs = HubApp({"/hub": FuzzHub}, clock=ManualClock(), blocking_warning=None)
    async with running(hubs) as app, connect(app, "/hub") as bystander:
        async with connect_raw(app, "/hub", transport=transport) as attacker:
            refusals: list[int] = []
            try:
                for piece in pieces:
                    await attacker.send_bytes(piece, binary=True)
            except ConnectionClosed:
                pass  # ended by what came before
            except RefusedError as refused:
                refusals.append(refused.status)
            assert refusals in ([], [404])
            assert await bystander.invoke("Echo", "still here") == "still here"
        assert await bystander.invoke("Echo", "and now") == "and now"
    assert [hub["connections"] for hub in hubs.statistics()["hubs"].values()] == [0]


async def attack_socket(path: str, pieces: list[bytes], cuts: list[int]) -> None:
    """The same over a real WebSocket on one of both paths, whose frames come in pieces, with or without a mask."""
    hubs = HubApp({"/": FuzzHub}, blocking_warning=None)
    async with served(hubs, ws=PATHS[path], lifespan="on") as url:
        attacker, bystander = await Peer.connect(url), await Peer.connect(url)
        bystander.say(frame(TEXT, JSON_HANDSHAKE))
        assert await bystander.hear(5) == b"\x81\x03{}\x1e"
        data = b"".join(frame(BINARY, piece) for piece in pieces[:-1]) + pieces[-1]
        for start, end in itertools.pairwise([0, *sorted(cuts), len(data)]):
            attacker.say(data[start:end])
            bystander.say(frame(PING, b"here"))
            assert await bystander.hear(6) == b"\x8a\x04here"
        attacker.reset()
        bystander.say(frame(TEXT, JSON_MESSAGES[0]))
        answer = b'{"type":3,"invocationId":"1","result":"a"}\x1e'
        assert await bystander.hear(2 + len(answer)) == bytes([0x81, len(answer)]) + answer
        bystander.say(BYE)
        assert await bystander.hear_all() == BYE_ANSWERED


@settings(RARELY_WITHIN, max_examples=10)
@given(path=st.sampled_from(list(PATHS)), pieces=PIECES, cuts=st.lists(st.integers(0, 300), max_size=4))
def test_random_bytes_on_a_real_socket_only_cost_their_sender(
    errors: list[logging.LogRecord], path: str, pieces: list[bytes], cuts: list[int]
) -> None:
    asyncio.run(attack_socket(path, pieces, cuts))


@RARELY_WITHIN
@given(transport=TRANSPORTS, pieces=PIECES)
def test_random_and_mutated_bytes_only_cost_their_sender(
    errors: list[logging.LogRecord], transport: str, pieces: list[bytes]
) -> None:
    asyncio.run(attack(transport, pieces))


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * BUDGET)
@settings(OFTEN, max_examples=int(BUDGET * 4))
@given(path=st.sampled_from(list(PATHS)), pieces=PIECES, cuts=st.lists(st.integers(0, 300), max_size=4))
def test_many_random_bytes_on_a_real_socket(
    errors: list[logging.LogRecord], path: str, pieces: list[bytes], cuts: list[int]
) -> None:
    asyncio.run(attack_socket(path, pieces, cuts))


@pytest.mark.slow
@pytest.mark.timeout(60 + 20 * BUDGET)
@OFTEN
@given(transport=TRANSPORTS, pieces=PIECES)
def test_many_random_and_mutated_bytes(errors: list[logging.LogRecord], transport: str, pieces: list[bytes]) -> None:
    asyncio.run(attack(transport, pieces))
