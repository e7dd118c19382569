"""Streams in both directions, and everything that can end one."""

import pytest

from tests.integration.driver import Connector, Peer, call, cancel, done, item, ours_only, stream
from tests.integration.wire_form import Message

UNEXPECTED = "An unexpected error occurred invoking '{}' on the server."


async def items_of(peer: Peer, id_: str) -> tuple[list[object], Message]:
    """The items of one stream and its end; nothing else may come."""
    found: list[object] = []
    while (message := await peer.receive())["type"] == 2:
        assert message["invocationId"] == id_
        found.append(message["item"])
    return found, message


@pytest.mark.statement(124)
@pytest.mark.parametrize("number", [0, 1, 500])
async def test_items_then_one_completion(connect: Connector, number: int) -> None:
    peer = await connect()
    await peer.send(stream("1", "Count", number, 0))
    assert await items_of(peer, "1") == (list(range(number)), done("1"))
    assert await peer.is_alive()


@pytest.mark.statement(125)
async def test_a_cancel_ends_a_stream_without_an_error(connect: Connector) -> None:
    peer = await connect()
    await peer.send(stream("1", "Count", 1_000_000, 5))
    assert await peer.receive_many(2) == [item("1", 0), item("1", 1)]
    await peer.send(cancel("1"))
    assert (await items_of(peer, "1"))[1] == done("1")
    assert await peer.is_alive()


@pytest.mark.statement(125)
async def test_a_cancel_before_the_first_item(connect: Connector) -> None:
    peer = await connect()
    await peer.send(stream("1", "Count", 10, 60_000), cancel("1"))
    assert await peer.receive() == done("1")
    await peer.send(stream("2", "Count", 10, 60_000), call("3", "Add", 1, 2))
    assert await peer.receive() == done("3", result=3)
    await peer.send(cancel("2"))
    assert await peer.receive() == done("2")


@pytest.mark.statement(126)
async def test_a_cancel_of_what_has_ended_is_ignored(connect: Connector) -> None:
    peer = await connect()
    await peer.send(stream("1", "Count", 1, 0))
    assert await items_of(peer, "1") == ([0], done("1"))
    await peer.send(cancel("1"), cancel("never"))
    assert await peer.is_alive()


@pytest.mark.statement(127)
async def test_an_id_in_use(connect: Connector) -> None:
    peer = await connect()
    await peer.send(stream("1", "Count", 10, 60_000), stream("1", "Count", 1, 0))
    assert await peer.receive() == done("1", error="Invocation ID '1' is already in use.")
    assert await peer.is_alive()


async def test_an_id_may_be_used_again_later(connect: Connector) -> None:
    peer = await connect()
    for _ in range(3):
        await peer.send(stream("1", "Count", 2, 0))
        assert await items_of(peer, "1") == ([0, 1], done("1"))


@pytest.mark.statement(128)
@pytest.mark.parametrize("number", [0, 3])
async def test_a_stream_that_breaks_gives_its_items_first(connect: Connector, number: int) -> None:
    peer = await connect()
    await peer.send(stream("1", "CountThenThrow", number))
    text = "An error occurred on the server while streaming results. HubException: stream broke"
    assert await items_of(peer, "1") == ([f"item {i}" for i in range(number)], done("1", error=text))
    assert await peer.is_alive()


@pytest.mark.statement(112)
async def test_arguments_of_a_stream_that_do_not_fit(connect: Connector) -> None:
    peer = await connect()
    await peer.send(stream("1", "Count", "x", 0), stream("2", "Count", 1))
    text = "Failed to invoke 'Count' due to an error on the server."
    assert await peer.receive_many(2) == [done("1", error=text), done("2", error=text)]


@pytest.mark.statement(130)
async def test_an_upload_arrives_in_order_and_ends(connect: Connector) -> None:
    peer = await connect()
    words = [f"w{i}" for i in range(100)]
    await peer.send(stream("1", "Shout", streams=("a",)), *(item("a", word) for word in words), done("a"))
    assert await items_of(peer, "1") == ([word.upper() for word in words], done("1"))


@pytest.mark.statement(130)
async def test_an_upload_item_by_item(connect: Connector) -> None:
    peer = await connect()
    await peer.send(stream("1", "Shout", streams=("a",)))
    for word in ("one", "two"):
        await peer.send(item("a", word))
        assert await peer.receive() == item("1", word.upper())
    await peer.send(done("a", result="ignored"))
    assert await peer.receive() == done("1")


@pytest.mark.statement(131)
async def test_an_upload_that_the_client_breaks_off(connect: Connector) -> None:
    peer = await connect()
    await peer.send(call("1", "Sum", streams=("a",)), item("a", 5), done("a", error="no more"))
    assert await peer.receive() == done("1", error=UNEXPECTED.format("Sum") + " HubException: no more")
    await peer.send(stream("2", "Shout", streams=("a",)), item("a", "x"))
    assert await peer.receive() == item("2", "X")
    await peer.send(done("a", error="no more"))
    text = "An error occurred on the server while streaming results. HubException: no more"
    assert await peer.receive() == done("2", error=text)
    assert await peer.is_alive()


@pytest.mark.statement(132)
@pytest.mark.parametrize(
    ("target", "streams", "expected"), [("Sum", (), 1), ("Sum", ("a", "b"), 1), ("Null", ("a",), 0)], ids=str
)
async def test_too_few_or_too_many_streams(
    connect: Connector, target: str, streams: tuple[str, ...], expected: int
) -> None:
    peer = await connect()
    await peer.send(call("1", target, streams=streams))
    text = f" HubException: Client sent {len(streams)} stream(s), Hub method expects {expected}."
    assert await peer.receive() == done("1", error=UNEXPECTED.format(target) + text)
    assert await peer.is_alive()


@pytest.mark.statement(133, 134)
async def test_items_for_a_method_that_has_returned_are_ignored(connect: Connector) -> None:
    peer = await connect()
    await peer.send(call("1", "Sum", streams=("a",)), item("a", 1), done("a"))
    assert await peer.receive() == done("1", result=1)
    await peer.send(item("a", 2), item("a", "x"), done("a"), done("a", error="x"))
    assert await peer.is_alive()


@pytest.mark.statement(135)
async def test_an_item_of_the_wrong_type_fails_the_upload_alone(connect: Connector) -> None:
    peer = await connect()
    await peer.send(call("1", "Sum", streams=("a",)), item("a", 1), item("a", "two"), item("a", 3), done("a"))
    answer = await peer.receive()
    assert answer["error"].startswith(UNEXPECTED.format("Sum"))
    assert await peer.is_alive()


@ours_only("there a method must take a cancellation token to be stopped while it waits for an item")
async def test_a_cancel_ends_a_stream_with_its_upload(connect: Connector) -> None:
    peer = await connect()
    await peer.send(stream("1", "Shout", streams=("a",)), item("a", "x"))
    assert await peer.receive() == item("1", "X")
    await peer.send(cancel("1"))
    assert await peer.receive() == done("1")
    await peer.send(item("a", "y"), done("a"))
    assert await peer.is_alive()


async def test_many_streams_at_once(connect: Connector) -> None:
    peer = await connect()
    await peer.send(*(stream(str(i), "Count", 20, 1) for i in range(30)))
    seen: dict[str, list[int]] = {str(i): [] for i in range(30)}
    ended: set[str] = set()
    while len(ended) < 30:
        message = await peer.receive()
        if message["type"] == 2:
            seen[message["invocationId"]].append(message["item"])
        else:
            assert message == done(message["invocationId"])
            ended.add(message["invocationId"])
    assert all(items == list(range(20)) for items in seen.values())
