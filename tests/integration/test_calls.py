"""Calls: names, errors, order, and what may pass a call that takes its time."""

import pytest

from tests.integration.driver import Connector, call, cancel, done, item, received, stream

FAILED = "Failed to invoke '{}' due to an error on the server."


@pytest.mark.statement(110)
async def test_names_ignore_case(connect: Connector) -> None:
    peer = await connect()
    for name in ("Add", "add", "ADD", "aDd"):
        assert await peer.result(name, 1, 2) == 3


@pytest.mark.statement(111)
async def test_what_is_no_method_does_not_exist(connect: Connector) -> None:
    peer = await connect()
    for name in ("NoSuchMethod", "Original", "OnConnected", "OnDisconnected", "Context", "hubline_scope", "__init__"):
        text = FAILED.format(name) + " HubException: Method does not exist."
        assert await peer.call(name) == {"error": text}
        await peer.send(stream("1", name))
        assert await peer.receive() == done("1", error=text)
    assert await peer.is_alive()


@pytest.mark.statement(112, 113, 114)
async def test_arguments_that_do_not_fit_fail_the_call_alone(connect: Connector) -> None:
    peer = await connect()
    calls: list[tuple[str, list[object]]] = [
        ("Add", []),
        ("Add", [1]),
        ("Add", [1, 2, 3]),
        ("Add", ["1", "2"]),
        ("Add", [1, None]),
        ("Add", [1.5, 2]),
        ("Add", [1, [2]]),
        ("EchoText", [5]),
        ("EchoMap", [{"a": "b"}]),
        ("EchoPerson", ["Ada"]),
        ("EchoDate", ["yesterday"]),
        ("NeedsUser", [1]),  # the binding error, not that of authorisation
        ("NeedsPremium", ["a", "b"]),
    ]
    for target, arguments in calls:
        assert await peer.call(target, *arguments) == {"error": FAILED.format(target)}, arguments
    assert await peer.is_alive()


@pytest.mark.statement(115)
async def test_a_stranger_may_not(connect: Connector) -> None:
    peer = await connect()
    for target in ("NeedsUser", "NeedsPremium"):
        assert await peer.call(target) == {"error": f"Failed to invoke '{target}' because user is unauthorized"}
    assert await peer.is_alive()


@pytest.mark.statement(116, 117)
async def test_texts_of_exceptions(connect: Connector) -> None:
    peer = await connect()
    text = "An unexpected error occurred invoking '{}' on the server."
    assert await peer.call("Throw") == {"error": text.format("Throw")}
    shown = text.format("ThrowHub") + " HubException: your fault"
    assert await peer.call("throwHUB", "your fault") == {"error": shown}


@pytest.mark.statement(118, 119)
async def test_the_wrong_kind_of_call(connect: Connector) -> None:
    peer = await connect()
    text = "The client attempted to invoke the {} '{}' method with a {} invocation."
    assert await peer.call("Count", 1, 0) == {"error": text.format("streaming", "Count", "non-streaming")}
    await peer.send(call(None, "Count", 1, 0), stream("1", "Add", 1, 2))
    assert await peer.receive() == done("1", error=text.format("non-streaming", "Add", "streaming"))
    assert await peer.is_alive()


@pytest.mark.statement(120)
async def test_calls_run_one_after_the_other(connect: Connector) -> None:
    peer = await connect()
    await peer.send(*(call(str(i), "Slow", delay) for i, delay in enumerate([60, 1, 20])), call("3", "Add", 1, 2))
    wanted = [done(str(i), result=delay) for i, delay in enumerate([60, 1, 20])]
    assert await peer.receive_many(4) == [*wanted, done("3", result=3)]


@pytest.mark.statement(122)
async def test_a_stream_does_not_block_calls_nor_calls_a_stream(connect: Connector) -> None:
    peer = await connect()
    await peer.send(stream("s", "Count", 1_000_000, 5), call("1", "Add", 1, 2), call("2", "Slow", 600_000))
    found = [await peer.receive()]
    while found[-1] != done("1", result=3):
        found.append(await peer.receive())
    found += await peer.receive_many(5)
    found.remove(done("1", result=3))
    assert found == [item("s", number) for number in range(len(found))]
    await peer.send(cancel("s"))
    while (message := await peer.receive())["type"] == 2:
        pass
    assert message == done("s")


@pytest.mark.statement(123)
async def test_a_cancel_and_a_client_result_pass_a_running_call(connect: Connector) -> None:
    peer = await connect()
    await peer.send(stream("s", "Count", 10, 60_000), call("1", "AskClient", peer.id, 21), {"type": 6}, cancel("s"))
    found = await peer.receive_many(2)
    asked = next(each for each in found if each["type"] == 1)
    assert done("s") in found
    assert (asked["target"], asked["arguments"]) == ("Double", [21])
    await peer.send(done(asked["invocationId"], result=42))
    assert await peer.receive() == done("1", result=42)


async def test_a_slow_call_holds_up_no_other_connection(connect: Connector) -> None:
    slow, quick = await connect.several(2)
    await slow.send(call("1", "Slow", 60_000))
    assert await quick.is_alive()


async def test_the_answer_comes_after_what_the_method_sent(connect: Connector) -> None:
    peer = await connect()
    await peer.send(call("1", "ToCaller", "hi"))
    assert await peer.receive_many(2) == [received("caller", "hi"), done("1", result=None)]


async def test_many_calls_in_one_payload(connect: Connector) -> None:
    peer = await connect()
    await peer.send(*(call(str(i), "Add", i, i) for i in range(200)))
    assert await peer.receive_many(200) == [done(str(i), result=2 * i) for i in range(200)]


async def test_many_uploads_in_one_payload(connect: Connector) -> None:
    peer = await connect()
    messages = [call(str(i), "Sum", streams=(f"s{i}",)) for i in range(20)]
    items = [item(f"s{i}", n) for n in range(10) for i in range(20)]
    await peer.send(*messages, *items, *(done(f"s{i}") for i in range(20)))
    found = await peer.receive_many(20)
    assert sorted(each["invocationId"] for each in found) == sorted(str(i) for i in range(20))
    assert {each["result"] for each in found} == {45}
