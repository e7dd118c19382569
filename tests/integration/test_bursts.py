"""Much at once to clients that read, on every server and transport: nobody is cut off, nothing is lost or reordered."""

import asyncio
from collections.abc import Iterator

import pytest

from tests.integration.driver import Connector, Peer, call, cancel, done, item, stream
from tests.interop.running import SERVERS, running


@pytest.fixture(scope="session", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[str]:
    with running("tests.integration.burst_server", "--server", request.param) as url:
        yield url


async def numbers(peer: Peer, count: int) -> list[int]:
    """The numbers of so many `Line`s, past answers that come in between."""
    found: list[int] = []
    while len(found) < count:
        message = await peer.receive()
        if message["type"] == 1:
            found.append(message["arguments"][0])
    return found


@pytest.mark.parametrize(
    ("method", "count", "size"),
    [
        ("Replay", 10_001, 10),
        ("Replay", 200, 8_000),
        ("Replay", 4_000, 1_000),
        ("ReplayTogether", 10_001, 10),
        ("ReplayTogether", 500, 8_000),
    ],
)
async def test_a_burst_of_broadcasts_reaches_all_who_read(
    connect: Connector, method: str, count: int, size: int
) -> None:
    """One call after the other, or all at once in tasks of their own."""
    peers = await connect.several(2, "/bursts")
    await peers[0].send(call(None, method, count, size))
    found = await asyncio.gather(*[numbers(peer, count) for peer in peers])
    assert found == [list(range(count))] * 2


@pytest.mark.parametrize("size", [1_048_576, 4_000_000])
async def test_one_message_may_be_larger_than_an_outbox(connect: Connector, size: int) -> None:
    ada = await connect("/bursts")
    assert len(await ada.result("Big", size)) == size
    await ada.send(call("1", "Tell", size))
    told, answer = await ada.receive_many(2)
    assert (told["target"], len(told["arguments"][0]), answer) == ("Told", size, done("1", result=None))
    await ada.send(stream("2", "Stream", size))
    first, second, last = await ada.receive_many(3)
    assert (len(first["item"]), second, last) == (size, item("2", "small"), done("2"))


async def test_a_message_that_is_too_large_fails_the_call_and_nothing_else(connect: Connector) -> None:
    ada, bob = await connect.several(2, "/bursts")
    size = 16 * 1_048_576
    for method in ("Big", "Tell", "TellAll", "Ask"):
        assert "SendTooLarge: 16777" in (await ada.call(method, size))["error"], method
    await ada.send(stream("1", "Stream", size))
    failed = await ada.receive()
    assert (failed["invocationId"], "SendTooLarge: 16777" in failed["error"]) == ("1", True)
    for peer in (ada, bob):
        assert await peer.result("Big", 3) == "xxx"


async def test_a_viewer_of_a_stream_at_full_speed_gets_a_burst_and_a_large_message_in_between(
    connect: Connector,
) -> None:
    ada, bob = await connect.several(2, "/bursts")
    await ada.send(stream("1", "Endless"))
    assert (await ada.receive())["type"] == 2
    await bob.send(call(None, "Replay", 400, 8_000))
    await bob.send(call(None, "TellAll", 2_000_000))
    lines, told = list[int](), False
    while len(lines) < 400 or not told:
        message = await ada.receive()
        assert message["type"] in (1, 2), message
        if message["type"] == 1:
            told = told or message["target"] == "Told"
            if message["target"] == "Line":
                lines.append(message["arguments"][0])
    assert lines == list(range(400))
    await ada.send(cancel("1"))
