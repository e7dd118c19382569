"""Many small things at once, and things that name what is not there."""

import pytest

from tests.abuse.target import MIB, Target
from tests.integration.driver import WAYS, WEB_SOCKETS, Connector, Way, call, cancel, done, item, stream

MANY = 3_000
ON_JSON = [way for way in WAYS if way.codec == "json"]


async def test_messages_for_unknown_ids_are_ignored(target: Target, connect: Connector) -> None:
    before = await target.figures()
    peer = await connect()
    for make in (cancel, lambda id_: done(id_, result=1), lambda id_: item(id_, 1), lambda id_: done(id_, error="x")):
        for begin in range(0, MANY, 100):
            await peer.send(*[make(f"unknown {number}") for number in range(begin, begin + 100)])
            assert (
                await peer.result("Echo", begin) == begin
            )  # who polls has to: three seconds without one are the end here
    assert (await target.figures()).memory - before.memory < 8 * MIB


@pytest.mark.parametrize("way", [Way(WEB_SOCKETS, "json"), Way(WEB_SOCKETS, "messagepack")], ids=str)
async def test_a_thousand_calls_in_one_frame_are_answered_in_order(target: Target, connect: Connector) -> None:
    peer = await connect()
    await peer.send(*[call(str(number), "Number", number) for number in range(1_000)])
    answers = await peer.receive_many(1_000)
    assert answers == [done(str(number), result=number) for number in range(1_000)]


@pytest.mark.parametrize("way", ON_JSON, ids=str)
async def test_more_streams_than_allowed_fail_one_by_one(target: Target, connect: Connector) -> None:
    peer = await connect()
    await peer.send(*[stream(str(number), "Total", streams=(f"s{number}",)) | {"type": 1} for number in range(150)])
    refused = await peer.receive_many(50)
    assert {message["error"].partition("HubException: ")[2] for message in refused} == {
        "A connection may have 100 streams at once."
    }
    await peer.send(*[done(f"s{number}") for number in range(100)])
    assert [message["result"] for message in await peer.receive_many(100)] == [0] * 100


async def test_calls_of_methods_that_are_not_there_are_answered_and_cost_nothing(
    target: Target, connect: Connector
) -> None:
    before = await target.figures()
    peer = await connect()
    for begin in range(0, MANY, 100):
        await peer.send(*[call(None, f"NoSuchMethod{number}") for number in range(begin, begin + 100)])
        assert await peer.result("Echo", begin) == begin
    assert (await target.figures()).memory - before.memory < 8 * MIB
