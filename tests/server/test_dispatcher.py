"""Calls from arrival to answer, on one connection."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Protocol

import pytest

from hubline import (
    Cancellation,
    Client,
    Depends,
    Hub,
    HubError,
    HubFilter,
    InvocationContext,
    PolicyContext,
    authorize,
    hub_method,
)
from hubline.connection import Identity
from hubline.server.filters import Invoke
from hubline.testing import settle
from tests.server.bench import Line, bench, completion, done, item

FAILED = "An unexpected error occurred invoking '{}' on the server."
REFUSED = "Failed to invoke '{}' due to an error on the server."


class Gate:
    """What methods of a test wait for, and what they note."""

    def __init__(self) -> None:
        self.steps: list[Any] = []
        self.opened: dict[str, asyncio.Event] = {}

    def at(self, name: str) -> asyncio.Event:
        return self.opened.setdefault(name, asyncio.Event())

    async def __call__(self, name: str) -> None:
        self.steps.append(f"{name} begins")
        try:
            await self.at(name).wait()
        except asyncio.CancelledError:
            self.steps.append(f"{name} is cancelled")
            raise
        self.steps.append(f"{name} ends")


class Calls(Hub):
    """Plain calls."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    async def add(self, a: int, b: int) -> int:
        return a + b

    async def greet(self, name: str, greeting: str = "hello") -> str:
        return f"{greeting} {name}"

    async def nothing(self) -> None:
        self.gate.steps.append("nothing")

    async def wait(self, name: str) -> str:
        await self.gate(name)
        return name

    async def fail(self, text: str) -> None:
        raise RuntimeError(text)

    async def refuse(self, text: str) -> None:
        raise HubError(text)

    async def unwritable(self) -> Any:
        return object()

    async def unwritable_broadcast(self) -> None:
        await self.clients.all.send("X", object())

    async def unwritable_call(self) -> None:
        await self.clients.caller.send("X", object())

    async def cancelled_inside(self) -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await task

    @hub_method(name="renamed")
    async def original(self) -> str:
        return "renamed"

    async def remember(self, value: int) -> int:
        before: int = self.context.items.get("value", 0)
        self.context.items["value"] = value
        return before

    async def set_field(self) -> bool:
        seen = hasattr(self, "field")
        self.field = 1
        return seen


@pytest.mark.statement(86, 110)
async def test_names_match_in_any_case_and_with_or_without_underscores() -> None:
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada = await hub.connect()
        for target in ("Add", "add", "ADD", "a_d_d"):
            assert await ada.result(target, 1, 2) == 3
        assert await ada.result("SetField") is False
        assert await ada.result("set_field") is False
        assert await ada.result("renamed") == "renamed"
        assert await ada.result("original") == "error: " + REFUSED.format("original") + (
            " HubException: Method does not exist."
        )


@pytest.mark.statement(86, 87)
@pytest.mark.parametrize(
    ("codec", "answer"),
    [("json", b'{"type":3,"invocationId":"1","result":null}\x1e'), ("messagepack", b"\x07\x95\x03\x80\xa11\x03\xc0")],
)
async def test_a_method_without_a_result_answers_null(codec: str, answer: bytes) -> None:
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada = await hub.connect(codec=codec)
        ada.call("Nothing")
        await settle()
        assert list(ada.transport.written) == [answer]


@pytest.mark.statement(111)
@pytest.mark.parametrize("detailed", [False, True])
async def test_an_unknown_method(detailed: bool) -> None:
    async with bench(Calls, create=lambda: Calls(Gate()), detailed_errors=detailed) as hub:
        ada = await hub.connect()
        text = "Failed to invoke 'noSuch' due to an error on the server. HubException: Method does not exist."
        assert await ada.result("noSuch") == f"error: {text}"
        assert await ada.result("Add", 1, 2) == 3


@pytest.mark.statement(112, 113)
@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_arguments_that_do_not_fit_keep_the_connection_and_say_why_only_with_details(codec: str) -> None:
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada = await hub.connect(codec=codec)
        for arguments in ([1], [1, 2, 3], ["x", "y"], [1, None]):
            assert await ada.result("add", *arguments) == "error: " + REFUSED.format("Add")
        assert await ada.result("Add", 1, 2) == 3
    async with bench(Calls, create=lambda: Calls(Gate()), detailed_errors=True) as hub:
        ada = await hub.connect(codec=codec)
        text = "error: Failed to invoke 'Add' due to an error on the server. InvalidDataException: "
        assert await ada.result("Add", 1) == f"{text}Invocation provides 1 argument(s) but target expects 2."
        assert await ada.result("Add", 1, "x") == f"{text}expected `int`, got `str` at argument 2 (b)"


async def test_parameters_with_defaults_may_be_left_out() -> None:
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada = await hub.connect()
        assert await ada.result("Greet", "Ada") == "hello Ada"
        assert await ada.result("Greet", "Ada", "good day") == "good day Ada"


@pytest.mark.statement(116, 117)
@pytest.mark.parametrize("detailed", [False, True])
async def test_the_text_of_an_exception_travels_only_with_details_and_that_of_a_hub_error_always(
    detailed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "hubline")
    async with bench(Calls, create=lambda: Calls(Gate()), detailed_errors=detailed) as hub:
        ada = await hub.connect()
        text = FAILED.format("Fail") + (" RuntimeError: secret detail" if detailed else "")
        assert await ada.result("fail", "secret detail") == f"error: {text}"
        assert await ada.result("REFUSE", "your fault") == f"error: {FAILED.format('Refuse')} HubException: your fault"
        assert await ada.result("Add", 1, 2) == 3
    assert [(r.levelno, bool(r.exc_info)) for r in caplog.records] == [(logging.ERROR, True)]


@pytest.mark.statement(88, 89)
async def test_a_call_without_id_is_never_answered_whatever_happens() -> None:
    gate = Gate()
    async with bench(Calls, create=lambda: Calls(gate)) as hub:
        ada = await hub.connect()
        for target, arguments in [("Nothing", []), ("fail", ["x"]), ("noSuch", []), ("Add", []), ("unwritable", [])]:
            ada.send({"type": 1, "target": target, "arguments": arguments})
            ada.send({"type": 1, "invocationId": "", "target": target, "arguments": arguments})
        await settle()
        assert ada.take() == []
        assert gate.steps == ["nothing", "nothing"]
        assert await ada.result("Add", 1, 2) == 3


@pytest.mark.parametrize("codec", ["json", "messagepack"])
@pytest.mark.parametrize("target", ["Unwritable", "UnwritableBroadcast", "UnwritableCall"])
async def test_what_cannot_be_encoded_is_an_error_of_the_call(codec: str, target: str) -> None:
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada = await hub.connect(codec=codec)
        assert await ada.result(target) == "error: " + FAILED.format(target)
        assert await ada.result("Add", 1, 2) == 3


async def test_a_cancellation_from_inside_a_method_is_its_failure_and_frees_its_slot() -> None:
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada = await hub.connect()
        assert await ada.result("CancelledInside") == "error: " + FAILED.format("CancelledInside")
        assert await ada.result("Add", 1, 2) == 3


@pytest.mark.statement(138, 140)
async def test_a_hub_object_lives_for_one_call_and_items_as_long_as_the_connection() -> None:
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        assert [await ada.result("SetField"), await ada.result("SetField")] == [False, False]
        assert [await ada.result("Remember", 5), await ada.result("Remember", 6)] == [0, 5]
        assert await bob.result("Remember", 7) == 0


async def test_a_hub_that_cannot_be_made_fails_the_call() -> None:
    made: list[Calls] = []

    def create() -> Calls:
        if made:
            raise RuntimeError("no database")
        made.append(Calls(Gate()))
        return made[-1]

    async with bench(Calls, create=create) as hub:
        ada = await hub.connect()
        assert await ada.result("Add", 1, 2) == "error: " + FAILED.format("Add")


# Order and limits


@pytest.mark.statement(120)
async def test_calls_run_one_after_another_in_their_order() -> None:
    gate = Gate()
    async with bench(Calls, create=lambda: Calls(gate)) as hub:
        ada = await hub.connect()
        for name in "abc":
            ada.call("Wait", name)
        await settle()
        assert gate.steps == ["a begins"]
        gate.at("b").set()
        gate.at("a").set()
        await settle()
        assert gate.steps == ["a begins", "a ends", "b begins", "b ends", "c begins"]
        assert ada.take() == [completion("1", "a"), completion("2", "b")]


@pytest.mark.statement(121)
async def test_with_a_limit_of_two_the_third_waits() -> None:
    gate = Gate()
    async with bench(Calls, create=lambda: Calls(gate), maximum_parallel_invocations=2) as hub:
        ada = await hub.connect()
        for name in "abc":
            ada.call("Wait", name)
        await settle()
        assert gate.steps == ["a begins", "b begins"]
        gate.at("b").set()
        await settle()
        assert gate.steps == ["a begins", "b begins", "b ends", "c begins"]
        assert ada.take() == [completion("2", "b")]


async def test_one_connection_does_not_wait_for_another() -> None:
    gate = Gate()
    async with bench(Calls, create=lambda: Calls(gate)) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        ada.call("Wait", "a")
        await settle()
        assert await bob.result("Add", 1, 2) == 3


async def test_reading_pauses_when_too_many_calls_wait_and_goes_on_when_one_begins() -> None:
    gate = Gate()
    async with bench(Calls, create=lambda: Calls(gate), maximum_waiting_invocations=2) as hub:
        ada = await hub.connect()
        for name in "abcd":  # one runs, two wait, and the fourth does not fit
            ada.call("Wait", name)
        ada.send({"type": 1, "invocationId": "x", "target": "NoSuch", "arguments": []})
        await settle()
        assert gate.steps == ["a begins"]
        assert ada.take() == [], "nothing behind the fourth call is read"
        gate.at("a").set()
        await settle()
        answers = ada.take()
        assert [answer["invocationId"] for answer in answers] == ["1", "x"]
        for name in "bcd":
            gate.at(name).set()
        await settle()
        assert ada.take() == [completion("2", "b"), completion("3", "c"), completion("4", "d")]


async def test_by_default_one_call_runs_and_thirty_two_wait() -> None:
    gate = Gate()
    async with bench(Calls, create=lambda: Calls(gate)) as hub:
        ada = await hub.connect()
        for number in range(33):
            ada.call("Wait", str(number))
        ada.call("NoSuch")
        await settle()
        assert [answer["invocationId"] for answer in ada.take()] == ["34"]
        ada.call("Wait", "too many")
        ada.call("NoSuch")
        await settle()
        assert ada.take() == []
        for number in range(33):
            gate.at(str(number)).set()
        gate.at("too many").set()
        answers = await ada.took(35)
        assert [answer["result"] for answer in answers if "result" in answer][-2:] == ["32", "too many"]


async def test_a_client_is_not_silent_while_its_reading_is_paused() -> None:
    gate = Gate()
    async with bench(Calls, create=lambda: Calls(gate), maximum_waiting_invocations=1) as hub:
        ada = await hub.connect()
        ada.send({"type": 6})
        for name in "abc":
            ada.call("Wait", name)
        await hub.tick(100)
        assert not ada.task.done()
        for name in "abc":
            gate.at(name).set()
        await hub.tick(29)
        assert not ada.task.done()
        await hub.tick(2)
        assert ada.task.done()


@pytest.mark.statement(123)
async def test_pings_cancels_and_unknown_methods_never_wait_behind_calls() -> None:
    """Behind a queued call they do wait in the original; we answer them (docs/decisions)."""
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        stream = ada.stream("Tokens")
        await settle()
        assert ada.take() == [item(stream, "one")]
        ada.call("Wait", "a")
        ada.call("Wait", "b")
        ada.send({"type": 6}, {"type": 5, "invocationId": stream})
        ada.call("NoSuch")
        await settle()
        assert [answer["invocationId"] for answer in ada.take()] == ["4", stream]
        assert gate.steps == ["tokens begins", "a begins", "tokens is cancelled", "tokens closes"]


async def admits(context: PolicyContext) -> bool:
    await asyncio.sleep(0)
    return True


async def made() -> str:
    await asyncio.sleep(0)
    return "made"


class Entered(Hub):
    """Streams that note whether they began."""

    def __init__(self, gate: Gate) -> None:
        self.gate, self.steps = gate, gate.steps

    async def wait(self, name: str) -> str:
        await self.gate(name)
        return name

    async def tokens(self) -> AsyncIterator[str]:
        self.steps.append("begins")
        try:
            yield "dropped"
        finally:
            await asyncio.sleep(0)
            self.steps.append("closes")

    @authorize(policy="admits")
    async def patient(self, value: Annotated[str, Depends(made)]) -> AsyncIterator[str]:
        self.steps.append("begins")
        try:
            await asyncio.Event().wait()
            yield value
        except asyncio.CancelledError:
            self.steps.append("is cancelled")
            raise
        finally:
            self.steps.append("closes")

    async def later(self) -> AsyncIterator[str]:
        self.steps.append("begins")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.steps.append("is cancelled")
            raise
        return self.tokens()

    def in_a_thread(self) -> Iterator[str]:
        self.steps.append("begins")
        try:
            yield "dropped"
        finally:
            self.steps.append("closes")


class Both(Calls):
    """Calls, streams and uploads."""

    async def tokens(self) -> AsyncIterator[str]:
        try:
            yield "one"
            await self.gate("tokens")
            yield "two"
        finally:
            self.gate.steps.append("tokens closes")

    async def count(self, n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number

    async def break_midway(self, hub_error: bool) -> AsyncIterator[int]:
        yield 1
        raise HubError("stream broke") if hub_error else RuntimeError("secret detail")

    async def fail_early(self) -> AsyncIterator[int]:
        raise HubError("not today")
        yield 1

    async def made_elsewhere(self, n: int) -> AsyncIterator[int]:
        return self.count(n)

    def made_by_a_plain_function(self, n: int) -> AsyncIterator[int]:
        return self.count(n)

    async def no_stream(self) -> AsyncIterator[int]:
        return None  # type: ignore[return-value]

    def no_stream_in_a_thread(self) -> Iterator[int]:
        return None  # type: ignore[return-value]

    def in_a_thread(self, n: int) -> Iterator[str]:
        for number in range(n):
            yield f"{number} {threading.current_thread() is not threading.main_thread()}"

    async def unwritable_item(self) -> AsyncIterator[Any]:
        yield 1
        yield object()

    async def stubborn(self) -> AsyncIterator[int]:
        try:
            yield 1
            await self.gate("stubborn")
        except asyncio.CancelledError:
            raise HubError("I was cancelled") from None

    async def told(self, cancellation: Cancellation) -> AsyncIterator[bool]:
        yield cancellation.requested
        try:
            await self.gate("told")
        finally:
            self.gate.steps.append(cancellation.requested)

    async def sum(self, numbers: AsyncIterator[int]) -> int:
        total = 0
        async for number in numbers:
            total += number
        return total

    async def take_one(self, numbers: AsyncIterator[int]) -> int:
        return await anext(numbers)

    async def read_slowly(self, numbers: AsyncIterator[int]) -> int:
        count = 0
        async for number in numbers:
            await self.gate(f"item {number}")
            count += 1
        return count

    async def concat(self, first: AsyncIterator[str], separator: str, second: AsyncIterator[str]) -> str:
        words = [word async for word in first]
        return separator.join([*words, *[word async for word in second]])

    async def shout(self, words: AsyncIterator[str]) -> AsyncIterator[str]:
        async for word in words:
            yield word.upper()

    async def cancellable(self, cancellation: Cancellation) -> str:
        self.gate.steps.append("cancellable begins")
        await cancellation.wait()
        self.gate.steps.append("cancellable was told")
        return "stopped"


def stream_error(number: str, text: str) -> dict[str, Any]:
    return completion(number, error=text)


@pytest.mark.statement(124)
@pytest.mark.parametrize("target", ["Count", "MadeElsewhere", "MadeByAPlainFunction"])
async def test_a_stream_sends_its_items_and_one_completion_without_result(target: str) -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.stream(target, 3)
        assert await ada.took(4) == [item("1", 0), item("1", 1), item("1", 2), done("1")]
        ada.stream(target, 0)
        assert await ada.took(1) == [done("2")]


async def test_a_plain_generator_streams_from_a_thread() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.stream("InAThread", 2)
        assert await ada.took(3) == [item("1", "0 True"), item("1", "1 True"), done("1")]


@pytest.mark.statement(128)
@pytest.mark.parametrize(
    ("detailed", "hub_error", "suffix"),
    [
        (False, True, " HubException: stream broke"),
        (True, True, " HubException: stream broke"),
        (False, False, ""),
        (True, False, " RuntimeError: secret detail"),
    ],
)
async def test_a_stream_that_fails_midway(detailed: bool, hub_error: bool, suffix: str) -> None:
    async with bench(Both, create=lambda: Both(Gate()), detailed_errors=detailed) as hub:
        ada = await hub.connect()
        ada.stream("BreakMidway", hub_error)
        await settle()
        text = "An error occurred on the server while streaming results."
        assert ada.take() == [item("1", 1), completion("1", error=text + suffix)]


async def test_a_stream_that_fails_before_its_first_item_is_a_failure_while_streaming() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.stream("FailEarly")
        await settle()
        text = "An error occurred on the server while streaming results. HubException: not today"
        assert ada.take() == [completion("1", error=text)]


@pytest.mark.statement(129)
@pytest.mark.parametrize("target", ["NoStream", "NoStreamInAThread"])
async def test_a_stream_method_that_returns_no_stream(target: str) -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.stream(target)
        text = f"The value returned by the streaming method '{target}' is not a ChannelReader<> or IAsyncEnumerable<>."
        assert await ada.took() == [completion("1", error=text)]


@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_an_item_that_cannot_be_encoded_ends_the_stream_with_an_error(codec: str) -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect(codec=codec)
        ada.stream("UnwritableItem")
        await settle()
        answers = ada.take()
        assert len(answers) == 2
        assert "An error occurred on the server while streaming results." in str(answers[1])
        assert await ada.result("Add", 1, 2) == 3


@pytest.mark.statement(118, 119)
async def test_calling_in_the_wrong_mode() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("count", 1)
        ada.send({"type": 1, "target": "Count", "arguments": [1]})
        ada.stream("add", 1, 2)
        await settle()
        assert ada.take() == [
            completion(
                "1",
                error="The client attempted to invoke the streaming 'Count' method with a non-streaming invocation.",
            ),
            completion(
                "2",
                error="The client attempted to invoke the non-streaming 'Add' method with a streaming invocation.",
            ),
        ]


@pytest.mark.statement(122)
async def test_a_stream_does_not_hold_up_calls() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        ada.stream("Tokens")
        await settle()
        assert ada.take() == [item("1", "one")]
        assert await ada.result("Add", 1, 2) == 3
        gate.at("tokens").set()
        await settle()
        assert ada.take() == [item("1", "two"), done("1")]


@pytest.mark.statement(125)
async def test_cancelling_a_stream_closes_its_generator_and_ends_it_without_an_error() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        number = ada.stream("Tokens")
        await settle()
        ada.take()
        for _ in range(2):
            ada.send({"type": 5, "invocationId": number})
        await settle()
        assert ada.take() == [done(number)]
        assert gate.steps == ["tokens begins", "tokens is cancelled", "tokens closes"]
        ada.send({"type": 5, "invocationId": number})
        assert await ada.result("Add", 1, 2) == 3
        await settle()
        assert len(hub.tasks) == 0


@pytest.mark.parametrize("target", ["Tokens", "Patient", "Later", "InAThread"])
async def test_a_stream_that_is_cancelled_together_with_its_call_begins_all_the_same(target: str) -> None:
    """As in the original; a filter, a policy and a dependency before it are not interrupted."""
    gate = Gate()

    class Passing(HubFilter):
        async def invoke(self, call: InvocationContext, next: Invoke) -> Any:
            await asyncio.sleep(0)
            result = await next(call)
            await asyncio.sleep(0)
            return result

    async with bench(Entered, create=lambda: Entered(gate), filters=[Passing()], policies={"admits": admits}) as hub:
        ada = await hub.connect("ada")
        ada.send({"type": 4, "invocationId": "1", "target": target, "arguments": []}, {"type": 5, "invocationId": "1"})
        assert await ada.took() == [done("1")]
        assert (
            gate.steps
            == {
                "Tokens": ["begins", "closes"],
                "Patient": ["begins", "is cancelled", "closes"],
                "Later": ["begins", "is cancelled"],
                "InAThread": ["begins", "closes"],
            }[target]
        )
        hub.runtime.fanout._index.connections[ada.id].close()
        await ada.ended()
        hub.assert_nothing_left()


async def test_a_stream_that_answers_its_cancellation_with_an_error_says_so() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        number = ada.stream("Stubborn")
        await settle()
        ada.send({"type": 5, "invocationId": number})
        await settle()
        text = "An error occurred on the server while streaming results. HubException: I was cancelled"
        assert ada.take() == [item(number, 1), completion(number, error=text)]


async def test_cancelling_a_plain_generator_waits_for_its_item_and_closes_it() -> None:
    begun, go, closed = threading.Event(), threading.Event(), threading.Event()

    class Threaded(Hub):
        def numbers(self) -> Iterator[int]:
            try:
                yield 1
                begun.set()
                assert go.wait(30)
                yield 2
            finally:
                closed.set()

    async with bench(Threaded) as hub:
        ada = await hub.connect()
        number = ada.stream("Numbers")
        assert await ada.took() == [item(number, 1)]
        assert await asyncio.to_thread(begun.wait, 5)
        ada.send({"type": 5, "invocationId": number})
        await settle()
        assert ada.take() == []
        go.set()
        assert await ada.took() == [done(number)]
        assert closed.is_set()


@pytest.mark.statement(126, 134)
async def test_unknown_ids_are_ignored() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.send(
            {"type": 5, "invocationId": "no"},
            {"type": 2, "invocationId": "no", "item": 1},
            {"type": 3, "invocationId": "no"},
            {"type": 3, "invocationId": "no", "result": 1},
            {"type": 3, "invocationId": "no", "error": "x"},
        )
        assert await ada.result("Add", 1, 2) == 3


async def test_cancelling_a_plain_call_that_cannot_be_cancelled_is_ignored() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        number = ada.call("Wait", "a")
        await settle()
        ada.send({"type": 5, "invocationId": number})
        await settle()
        assert gate.steps == ["a begins"]
        gate.at("a").set()
        await settle()
        assert ada.take() == [completion(number, "a")]


async def test_a_call_with_a_cancellation_is_told_and_answers() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        number = ada.call("Cancellable")
        await settle()
        ada.send({"type": 5, "invocationId": number})
        await settle()
        assert ada.take() == [completion(number, "stopped")]


async def test_streams_wait_behind_waiting_calls_and_begin_in_order_without_a_slot() -> None:
    """As in the original: beside the call before them, once that has begun."""
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        ada.call("Wait", "a")
        ada.call("Wait", "b")
        first, second = ada.stream("Tokens"), ada.stream("Tokens")
        total = ada.call("Sum", streams=["u"])
        ada.call("Wait", "c")
        third = ada.stream("Tokens")
        ada.send({"type": 2, "invocationId": "u", "item": 20}, {"type": 2, "invocationId": "u", "item": 22})
        ada.send({"type": 3, "invocationId": "u"})
        await settle()
        assert (ada.take(), gate.steps) == ([], ["a begins"])
        gate.at("a").set()
        await settle()
        assert gate.steps == ["a begins", "a ends", "b begins", "tokens begins", "tokens begins"]
        assert ada.take() == [
            completion("1", "a"),
            item(first, "one"),
            item(second, "one"),
            completion(total, 42),
        ]
        gate.at("b").set()
        await settle()
        assert gate.steps[5:] == ["b ends", "c begins", "tokens begins"]
        assert ada.take() == [completion("2", "b"), item(third, "one")]
        ada.stream("Count", 0)
        await settle()
        assert ada.take() == [done("8")], "nothing waits any more, so nor does this one"


async def test_waiting_streams_count_among_what_may_wait_and_among_streams() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate), maximum_waiting_invocations=2, maximum_streams=2) as hub:
        ada = await hub.connect()
        ada.call("Wait", "a")
        ada.call("Wait", "b")
        first, second = ada.stream("Count", 0), ada.stream("Count", 0)
        ada.call("NoSuch")
        await settle()
        assert ada.take() == [], "the second stream has no room, so nothing behind it is read"
        gate.at("a").set()
        await settle()
        assert [answer["invocationId"] for answer in ada.take()] == ["1", first, second, "5"]
        ada.call("Wait", "c")
        ada.stream("Count", 0)
        await settle()
        gate.at("b").set()
        await settle()
        assert [answer["invocationId"] for answer in ada.take()] == ["2", "7"]


async def test_a_waiting_stream_takes_one_of_the_streams_there_may_be() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate), maximum_streams=1) as hub:
        ada = await hub.connect()
        for name in "ab":
            ada.call("Wait", name)
        first, second = ada.stream("Count", 0), ada.stream("Count", 0)
        await settle()
        gate.at("a").set()
        await settle()
        text = "An unexpected error occurred invoking 'Count' on the server. HubException: "
        assert ada.take() == [
            completion(second, error=text + "A connection may have 1 streams at once."),
            completion("1", "a"),
            done(first),
        ]


async def test_a_stream_that_is_cancelled_while_it_waits_begins_in_its_turn() -> None:
    """As the original answers, asked of a running server: there the cancellation is read when the stream has begun."""
    gate = Gate()
    async with bench(Entered, create=lambda: Entered(gate), policies={"admits": admits}) as hub:
        ada = await hub.connect()
        for name in "ab":
            ada.call("Wait", name)
        number = ada.stream("Later")
        ada.send({"type": 5, "invocationId": number})
        await settle()
        assert (ada.take(), gate.steps) == ([], ["a begins"])
        gate.at("a").set()
        await settle()
        assert ada.take() == [completion("1", "a"), done(number)]
        assert gate.steps == ["a begins", "a ends", "b begins", "begins", "is cancelled"]


@pytest.mark.parametrize("together", [True, False])
async def test_a_stream_whose_connection_ends_at_once_begins_and_is_cancelled(together: bool) -> None:
    """Together with its call, or while it waits behind others that have begun meanwhile."""
    gate = Gate()
    async with bench(Entered, create=lambda: Entered(gate), policies={"admits": admits}) as hub:
        ada = await hub.connect()
        if not together:
            for name in "ab":
                ada.call("Wait", name)
        if together:
            ada.transport.push(b'{"type":4,"invocationId":"1","target":"Later","arguments":[]}\x1e')
        else:
            ada.stream("Later")
            await settle()
        ada.lose()
        await settle()
        for name in "ab":
            gate.at(name).set()
        await ada.ended()
        assert gate.steps[-2:] == ["begins", "is cancelled"]
        await settle()
        hub.assert_nothing_left()


@pytest.mark.parametrize("how", ["cancelled by the client", "connection lost", "application stopped"])
async def test_a_stream_that_loses_its_cancellation_ends_at_its_next_item(how: str) -> None:
    closed, lost, more = list[str](), list[str](), asyncio.Event()

    class Forgetful(Hub):
        async def numbers(self) -> AsyncIterator[int]:
            try:
                while True:
                    try:
                        await more.wait()
                    except asyncio.CancelledError:
                        lost.append(how)
                    yield len(lost)
            finally:
                await asyncio.sleep(0)
                closed.append(how)

    async with bench(Forgetful) as hub:
        ada = await hub.connect()
        number = ada.stream("Numbers")
        await settle()
        if how == "cancelled by the client":
            ada.send({"type": 5, "invocationId": number})
            await settle()
            assert ada.take() == [done(number)]
        else:
            ada.lose()
            if how == "application stopped":
                await hub.tasks.cancel()
            await ada.ended()
        await settle()
        assert (lost, closed) == ([how], [how])
        assert len(hub.tasks) == 0


async def test_a_waiting_call_that_is_cancelled_never_runs() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        ada.call("Wait", "a")
        second, third = ada.call("Cancellable"), ada.call("Wait", "c")
        await settle()
        for number in (second, third):
            ada.send({"type": 5, "invocationId": number})
        await settle()
        gate.at("a").set()
        assert await ada.took(3) == [completion("1", "a"), done(second), done(third)]
        assert gate.steps == ["a begins", "a ends"]


async def test_a_stream_with_a_cancellation_is_told_too() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        number = ada.stream("Told")
        await settle()
        ada.send({"type": 5, "invocationId": number})
        await settle()
        assert ada.take() == [item(number, False), done(number)]
        assert gate.steps == ["told begins", "told is cancelled", True]


@pytest.mark.statement(127)
async def test_the_id_of_a_running_stream_is_in_use_for_streams() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        ada.send({"type": 4, "invocationId": "1", "target": "Tokens", "arguments": []})
        ada.send({"type": 4, "invocationId": "1", "target": "Count", "arguments": [1]})
        ada.send({"type": 1, "invocationId": "1", "target": "Add", "arguments": [1, 2]})
        await settle()
        answers = ada.take()
        assert completion("1", error="Invocation ID '1' is already in use.") in answers
        assert completion("1", 3) in answers
        ada.send({"type": 5, "invocationId": "1"})
        await settle()
        assert ada.take() == [done("1")], "the first stream can still be cancelled"
        ada.send({"type": 4, "invocationId": "1", "target": "Count", "arguments": [0]})
        await settle()
        assert ada.take() == [done("1")], "and then the id is free"


async def test_calls_with_the_same_id_both_run_and_a_stream_behind_them_can_be_cancelled() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate), maximum_parallel_invocations=2) as hub:
        ada = await hub.connect()
        ada.send({"type": 1, "invocationId": "1", "target": "Wait", "arguments": ["a"]})
        ada.send({"type": 1, "invocationId": "1", "target": "Wait", "arguments": ["b"]})
        ada.send({"type": 4, "invocationId": "1", "target": "Tokens", "arguments": []})
        await settle()
        assert ada.take() == [item("1", "one")]
        ada.send({"type": 5, "invocationId": "1"})
        await settle()
        assert ada.take() == [done("1")]
        gate.at("a").set()
        gate.at("b").set()
        await settle()
        assert ada.take() == [completion("1", "a"), completion("1", "b")]


async def test_too_many_streams() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate), maximum_streams=2) as hub:
        ada = await hub.connect()
        ada.stream("Tokens")
        ada.call("Sum", streams=["u"])
        third, fourth = ada.stream("Count", 1), ada.call("Sum", streams=["v"])
        await settle()
        text = "{} HubException: A connection may have 2 streams at once."
        assert ada.take() == [
            completion(third, error=text.format(FAILED.format("Count"))),
            completion(fourth, error=text.format(FAILED.format("Sum"))),
            item("1", "one"),
        ]
        ada.send({"type": 5, "invocationId": "1"})
        await settle()
        ada.take()
        ada.stream("Count", 0)
        await settle()
        assert ada.take() == [done("5")]


async def test_a_stream_waits_for_the_client_to_read() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.transport.room.clear()
        ada.stream("Count", 3)
        await settle()
        assert ada.take() == [item("1", 0)]
        assert ada.transport.drains == 1
        ada.transport.room.set()
        await settle()
        assert ada.take() == [item("1", 1), item("1", 2), done("1")]


async def test_a_call_holds_its_slot_until_its_answer_found_room() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        ada.transport.room.clear()
        ada.call("Add", 1, 2)
        ada.call("Add", 3, 4)
        await settle()
        assert ada.take() == [completion("1", 3)]
        ada.transport.room.set()
        await settle()
        assert ada.take() == [completion("2", 7)]


# Uploads


@pytest.mark.statement(130)
@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_upload_items_reach_the_method_even_when_they_come_together_with_the_call(codec: str) -> None:
    from hubline.wire.messages import Completion, Invocation, StreamItem

    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect(codec=codec)
        ada.send(
            Invocation(invocation_id="1", target="Sum", arguments=(), stream_ids=("a",)),
            StreamItem(invocation_id="a", item=5),
            StreamItem(invocation_id="a", item=7),
            Completion(invocation_id="a"),
        )
        await settle()
        (answer,) = ada.take()
        assert (answer["result"] if codec == "json" else answer[4]) == 12


async def test_several_uploads_between_arguments_and_in_both_directions_at_once() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("Concat", "-", streams=["a", "b"])
        number = ada.stream("Shout", streams=["c"])
        for stream_id, word in [("b", "three"), ("a", "one"), ("c", "hi"), ("a", "two")]:
            ada.send({"type": 2, "invocationId": stream_id, "item": word})
        await settle()
        assert ada.take() == [item(number, "HI")]
        for stream_id in "abc":
            ada.send({"type": 3, "invocationId": stream_id})
        await settle()
        assert sorted(map(str, ada.take())) == sorted(map(str, [done(number), completion("1", "one-two-three")]))


@pytest.mark.statement(131)
async def test_an_upload_that_the_client_ends_with_an_error() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("Sum", streams=["a"])
        ada.send({"type": 3, "invocationId": "a", "error": "no more"})
        await settle()
        assert ada.take() == [completion("1", error=FAILED.format("Sum") + " HubException: no more")]


async def test_a_result_in_the_end_of_an_upload_is_ignored() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("Sum", streams=["a"])
        ada.send({"type": 2, "invocationId": "a", "item": 4}, {"type": 3, "invocationId": "a", "result": 99})
        await settle()
        assert ada.take() == [completion("1", 4)]


@pytest.mark.statement(132)
async def test_too_many_or_too_few_stream_ids() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("Sum")
        ada.call("Add", 1, 2, streams=["z"])
        ada.stream("Count", 1, streams=["q"])
        await settle()
        text = FAILED + " HubException: Client sent {} stream(s), Hub method expects {}."
        assert ada.take() == [
            completion("1", error=text.format("Sum", 0, 1)),
            completion("2", error=text.format("Add", 1, 0)),
            completion("3", error=text.format("Count", 1, 0)),
        ]


@pytest.mark.parametrize("second", [["a"], ["b", "b"]])
async def test_stream_ids_must_be_new(second: list[str]) -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("Sum", streams=["a"])
        target = "Sum" if len(second) == 1 else "Concat"
        arguments = [] if len(second) == 1 else ["-"]
        ada.call(target, *arguments, streams=second)
        await settle()
        text = FAILED.format(target) + " HubException: A stream ID is already in use."
        assert ada.take() == [completion("2", error=text)]
        ada.send({"type": 2, "invocationId": "a", "item": 4}, {"type": 3, "invocationId": "a"})
        await settle()
        assert ada.take() == [completion("1", 4)]


@pytest.mark.statement(133)
async def test_items_behind_the_end_of_the_method_are_ignored() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("TakeOne", streams=["a"])
        ada.send({"type": 2, "invocationId": "a", "item": 4})
        await settle()
        assert ada.take() == [completion("1", 4)]
        for number in range(20):
            ada.send({"type": 2, "invocationId": "a", "item": number})
        ada.send({"type": 3, "invocationId": "a"})
        assert await ada.result("Add", 1, 2) == 3


@pytest.mark.statement(135)
async def test_an_item_of_the_wrong_type_raises_in_the_method() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("Sum", streams=["a"])
        ada.send({"type": 2, "invocationId": "a", "item": "x"}, {"type": 3, "invocationId": "a"})
        await settle()
        text = FAILED.format("Sum") + " HubException: Failed to bind Stream message."
        assert ada.take() == [completion("1", error=text)]
        assert await ada.result("Add", 1, 2) == 3


@pytest.mark.statement(136)
async def test_the_eleventh_unread_item_stops_reading_until_one_is_taken() -> None:
    gate = Gate()
    async with bench(Both, create=lambda: Both(gate)) as hub:
        ada = await hub.connect()
        ada.call("ReadSlowly", streams=["a"])
        for number in range(12):  # the method holds one, ten wait, and one more does not fit
            ada.send({"type": 2, "invocationId": "a", "item": number})
        ada.call("Add", 1, 2)
        await settle()
        assert gate.steps == ["item 0 begins"]
        assert ada.take() == [], "the call behind the items is not read"
        gate.at("item 0").set()
        await settle()
        assert ada.take() == [completion("2", 3)]
        for number in range(12):
            gate.at(f"item {number}").set()
        ada.send({"type": 3, "invocationId": "a"})
        await settle()
        assert ada.take() == [completion("1", 12)]


async def test_an_upload_does_not_take_a_slot() -> None:
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("Sum", streams=["a"])
        await settle()
        assert await ada.result("Add", 1, 2) == 3


# Authorisation


class Guarded(Hub):
    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    @authorize
    async def need_user(self) -> str | None:
        self.gate.steps.append("ran")
        return self.context.user_id

    @authorize(policy="own_room")
    async def enter(self, room: str) -> str:
        return room

    @authorize(policy="broken")
    async def broken(self) -> None: ...

    @authorize
    async def guarded_sum(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    @authorize
    async def tokens(self) -> AsyncIterator[int]:
        yield 1

    async def add(self, a: int, b: int) -> int:
        return a + b


async def own_room(context: PolicyContext) -> bool:
    return context.method == "Enter" and context.arguments["room"] == context.identity.user_id


def broken(context: PolicyContext) -> bool:
    raise RuntimeError("secret detail")


POLICIES: dict[str, Any] = {"own_room": own_room, "broken": broken}


@pytest.mark.statement(114, 115)
async def test_an_unauthorised_call_does_not_run_but_is_bound_first() -> None:
    gate = Gate()
    async with bench(Guarded, create=lambda: Guarded(gate), policies=POLICIES) as hub:
        ada = await hub.connect()
        refused = "Failed to invoke '{}' because user is unauthorized"
        assert await ada.result("needUser") == "error: " + refused.format("NeedUser")
        assert await ada.result("NeedUser", 5) == "error: " + REFUSED.format("NeedUser")
        ada.stream("NeedUser")
        ada.call("Tokens")
        ada.stream("Tokens")
        ada.call("GuardedSum", streams=["a"])
        ada.call("GuardedSum")
        await settle()
        assert sorted(answer["error"] for answer in ada.take()) == sorted(
            [refused.format(name) for name in ("NeedUser", "Tokens", "Tokens", "GuardedSum", "GuardedSum")]
        )
        assert gate.steps == []
        assert await ada.result("Add", 1, 2) == 3


async def test_who_may_call_is_told_how_to() -> None:
    async with bench(Guarded, create=lambda: Guarded(Gate()), policies=POLICIES) as hub:
        ada = await hub.connect("ada")
        ada.call("Tokens")
        ada.call("GuardedSum")
        await settle()
        assert sorted(answer["error"] for answer in ada.take()) == [
            FAILED.format("GuardedSum") + " HubException: Client sent 0 stream(s), Hub method expects 1.",
            "The client attempted to invoke the streaming 'Tokens' method with a non-streaming invocation.",
        ]
        ada.call("GuardedSum", streams=["a"])
        ada.send({"type": 2, "invocationId": "a", "item": 4}, {"type": 3, "invocationId": "a"})
        await settle()
        assert ada.take() == [completion("3", 4)]


async def test_streams_past_the_limit_ask_the_policy_one_after_the_other() -> None:
    asked: list[str | None] = []
    answered = asyncio.Event()

    async def slow(context: PolicyContext) -> bool:
        asked.append(context.method)
        await answered.wait()
        return True

    class Watched(Hub):
        @authorize(policy="slow")
        async def tokens(self) -> AsyncIterator[int]:
            yield 1

    async with bench(Watched, policies={"slow": slow}, maximum_streams=2) as hub:
        ada = await hub.connect("ada")
        for _ in range(20):
            ada.stream("Tokens")
        await settle()
        assert len(asked) == 3, "two streams, and one of those that will be refused"
        answered.set()
        await settle()
        answers = ada.take()
        text = FAILED.format("Tokens") + " HubException: A connection may have 2 streams at once."
        assert [answer["error"] for answer in answers if "error" in answer] == [text] * 18
        ada.stream("Tokens")
        await settle()
        assert ada.take() == [item("21", 1), done("21")]


async def test_what_a_peer_says_stands_short_and_on_one_line_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hubline")
    words = "\nforged line" + "x" * 5000
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada = await hub.connect()
        await ada.result(words)
        await ada.result("Refuse", words)
        ada.send({"type": 1, "target": "Add", "arguments": [], "headers": {words: 1}})
        await ada.ended()
        bob = hub.open()
        bob.send({"protocol": words, "version": 1})
        await bob.ended()
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 4
    assert all(len(line) < 300 and "\n" not in line and "forged" in line for line in lines)


async def test_the_log_says_why_arguments_do_not_fit_though_the_caller_is_not_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "hubline")
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada = await hub.connect()
        assert await ada.result("Add", "no number", 1) == "error: " + REFUSED.format("Add")
        await ada.result("Add", 1)
    assert [line.partition(": ")[2] for line in caplog.messages] == [
        "'cannot call Add: expected `int`, got `str` at argument 1 (a)'",
        "'cannot call Add: Invocation provides 1 argument(s) but target expects 2.'",
    ]


async def test_the_log_says_why_an_item_of_an_upload_does_not_fit(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hubline")
    async with bench(Both, create=lambda: Both(Gate())) as hub:
        ada = await hub.connect()
        ada.call("Sum", streams=["s"])
        ada.send({"type": 2, "invocationId": "s", "item": "no number"})
        await settle()
    reason = "'Failed to bind Stream message. (ValidationError: Expected `int`, got `str`)'"
    assert [line.rpartition("Both.sum: ")[2] for line in caplog.messages] == [reason]


async def test_a_flood_of_calls_that_come_to_nothing_is_no_flood_of_lines(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hubline")
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        for _ in range(20):
            await ada.result("NoSuchMethod")
            await ada.result("Add", "no number")
            await ada.result("Refuse", "so it is")
        assert len(caplog.records) == 10
        assert caplog.messages[-1].endswith("; more of this minute are not logged")
        await bob.result("NoSuchMethod")
        await hub.clock.advance(60)
        await ada.result("NoSuchMethod")
        assert len(caplog.records) == 12


@pytest.mark.statement(164)
async def test_policies_see_the_arguments_and_the_user_of_the_moment() -> None:
    async with bench(Guarded, create=lambda: Guarded(Gate()), policies=POLICIES) as hub:
        ada = await hub.connect("ada")
        refused = "error: Failed to invoke 'Enter' because user is unauthorized"
        assert await ada.result("NeedUser") == "ada"
        assert await ada.result("Enter", "ada") == "ada"
        assert await ada.result("Enter", "bob") == refused
        ada.transport.scope.identity = Identity("bob")
        assert await ada.result("Enter", "bob") == "bob"
        ada.transport.scope.identity = None
        assert await ada.result("Enter", "bob") == refused


async def test_a_policy_that_breaks_fails_the_call_without_telling_why() -> None:
    async with bench(Guarded, create=lambda: Guarded(Gate()), policies=POLICIES) as hub:
        ada = await hub.connect("ada")
        assert await ada.result("Broken") == "error: " + FAILED.format("Broken")


# Threads, injection


async def test_a_plain_function_runs_in_a_thread_and_the_loop_goes_on() -> None:
    began, go = threading.Event(), threading.Event()

    class Threaded(Hub):
        def block(self, value: int) -> int:
            began.set()
            assert go.wait(30)
            return value

        async def free(self) -> str:
            go.set()
            return "free"

    async with bench(Threaded) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        ada.call("Block", 7)
        assert await asyncio.to_thread(began.wait, 5)
        assert await bob.result("Free") == "free"
        assert await ada.took() == [completion("1", 7)]


async def test_a_plain_function_that_returns_a_coroutine_is_awaited() -> None:
    class Wrapped(Hub):
        def later(self) -> Any:
            async def work() -> int:
                return 5

            return work()

    async with bench(Wrapped) as hub:
        ada = await hub.connect()
        assert await ada.result("Later") == 5


STEPS: list[str] = []


async def session() -> AsyncIterator[str]:
    STEPS.append("open")
    try:
        yield "session"
    except RuntimeError as error:
        STEPS.append(f"failed: {error}")
        raise
    finally:
        STEPS.append("close")


async def swallowing() -> AsyncIterator[str]:
    try:
        yield "x"
    except RuntimeError:
        STEPS.append("swallowed")


async def broken_behind() -> AsyncIterator[str]:
    yield "x"
    raise LookupError("secret detail")


class Injected(Hub):
    async def use(self, a: int, session: Annotated[str, Depends(session)], b: int = 5) -> str:
        STEPS.append("use")
        return f"{a} {session} {b}"

    async def by_keyword(self, a: int, *, session: Annotated[str, Depends(session)]) -> str:
        return f"{a} {session}"

    async def tokens(self, session: Annotated[str, Depends(session)]) -> AsyncIterator[str]:
        yield session
        STEPS.append("last")
        yield session

    async def fail(self, session: Annotated[str, Depends(session)]) -> None:
        raise RuntimeError("boom")

    async def all_kinds(
        self, a: int, session: Annotated[str, Depends(session)], words: AsyncIterator[str], cancellation: Cancellation
    ) -> str:
        return " ".join([str(a), session, *[word async for word in words], str(cancellation.requested)])

    async def swallow(self, x: Annotated[str, Depends(swallowing)]) -> None:
        raise RuntimeError("boom")

    async def swallow_stream(self, x: Annotated[str, Depends(swallowing)]) -> AsyncIterator[int]:
        yield 1
        raise RuntimeError("boom")

    async def break_behind(self, x: Annotated[str, Depends(broken_behind)]) -> int:
        return 1


@pytest.fixture(autouse=True)
def _no_steps() -> None:
    STEPS.clear()


@pytest.mark.statement(138)
async def test_injected_values_are_cleaned_up_after_the_call() -> None:
    async with bench(Injected) as hub:
        ada = await hub.connect()
        assert await ada.result("Use", 1) == "1 session 5"
        assert STEPS == ["open", "use", "close"]
        assert await ada.result("Use", 1, 2) == "1 session 2"
        assert await ada.result("ByKeyword", 3) == "3 session"


@pytest.mark.statement(139)
async def test_what_is_injected_into_a_stream_lives_until_the_stream_ends() -> None:
    async with bench(Injected) as hub:
        ada = await hub.connect()
        ada.stream("Tokens")
        await settle()
        assert ada.take() == [item("1", "session"), item("1", "session"), done("1")]
        assert STEPS == ["open", "last", "close"]


async def test_cancelling_a_stream_cleans_up_behind_its_generator() -> None:
    class Endless(Hub):
        async def tokens(self, session: Annotated[str, Depends(session)]) -> AsyncIterator[str]:
            try:
                while True:
                    yield session
                    await asyncio.Event().wait()
            finally:
                STEPS.append("stream closes")

    async with bench(Endless) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        for line in (ada, bob):
            line.stream("Tokens")
        await settle()
        ada.send({"type": 5, "invocationId": "1"})
        await settle()
        assert ada.take() == [item("1", "session"), done("1")]
        assert STEPS == ["open", "open", "stream closes", "close"]
        bob.lose()
        await bob.ended()
        await settle()
        assert STEPS[4:] == ["stream closes", "close"]


async def test_clean_up_sees_the_exception_of_the_call() -> None:
    async with bench(Injected) as hub:
        ada = await hub.connect()
        assert await ada.result("Fail") == "error: " + FAILED.format("Fail")
        assert STEPS == ["open", "failed: boom", "close"]


async def test_clean_up_that_swallows_the_exception_leaves_a_call_without_result() -> None:
    async with bench(Injected) as hub:
        ada = await hub.connect()
        assert await ada.result("Swallow") is None
        ada.stream("SwallowStream")
        await settle()
        assert ada.take() == [item("2", 1), done("2")]
        assert STEPS == ["swallowed", "swallowed"]


async def test_clean_up_that_fails_fails_the_call() -> None:
    async with bench(Injected) as hub:
        ada = await hub.connect()
        assert await ada.result("BreakBehind") == "error: " + FAILED.format("BreakBehind")


async def test_every_kind_of_parameter_together() -> None:
    async with bench(Injected) as hub:
        ada = await hub.connect()
        ada.call("AllKinds", 1, streams=["w"])
        ada.send({"type": 2, "invocationId": "w", "item": "word"}, {"type": 3, "invocationId": "w"})
        await settle()
        assert ada.take() == [completion("1", "1 session word False")]


# Validators of the user


async def test_a_validator_that_breaks_fails_the_call_and_not_the_connection() -> None:
    from dataclasses import dataclass

    import msgspec

    class Odd(msgspec.Struct):
        number: int

        def __post_init__(self) -> None:
            raise LookupError("secret detail")

    @dataclass
    class Odder:
        number: int

        def __post_init__(self) -> None:
            raise ZeroDivisionError("secret detail")

    class Validating(Hub):
        async def take(self, odd: Odd) -> None: ...

        async def take_odder(self, odd: Odder) -> None: ...

        async def add(self, a: int, b: int) -> int:
            return a + b

    async with bench(Validating) as hub:
        ada = await hub.connect()
        assert await ada.result("Take", {"number": 1}) == "error: " + REFUSED.format("Take")
        assert await ada.result("TakeOdder", {"number": 1}) == "error: " + REFUSED.format("TakeOdder")
        assert await ada.result("Add", 1, 2) == 3


# Client results


class Asking(Client, Protocol):
    async def double(self, value: int, /) -> int: ...


class Asker(Hub[Asking]):
    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    async def ask(self, connection_id: str, value: int) -> int:
        return await self.clients.client(connection_id).double(value)

    async def ask_me(self, value: int) -> int:
        return await self.clients.caller.double(value)

    async def ask_briefly(self, connection_id: str) -> Any:
        return await self.clients.client(connection_id).invoke("What", timeout=3)

    async def ask_unwritable(self) -> Any:
        return await self.clients.caller.invoke("What", object())

    async def ask_all(self) -> Any:
        return await self.clients.all.double(1)

    async def add(self, a: int, b: int) -> int:
        return a + b


async def question(line: Line) -> str:
    """The id under which the server asks this client."""
    await settle()
    (asked,) = line.take()
    if isinstance(asked, list):
        return str(asked[2])
    assert asked["type"] == 1
    return str(asked["invocationId"])


@pytest.mark.statement(158, 159)
@pytest.mark.parametrize("codec", ["json", "messagepack"])
async def test_a_client_answers_its_caller_while_more_calls_run(codec: str) -> None:
    from hubline.wire.messages import Completion

    async with bench(Asker, create=lambda: Asker(Gate())) as hub:
        ada = await hub.connect(codec=codec)
        ada.call("AskMe", 21)
        asked = await question(ada)
        assert asked.startswith("s")
        assert await ada.result("Add", 1, 2) == 3, "the slot is free while the client is asked"
        ada.send(Completion(invocation_id=asked, result=42))
        await settle()
        (answer,) = ada.take()
        assert answer == (completion("1", 42) if codec == "json" else [3, {}, "1", 3, 42])
        assert await ada.result("Add", 1, 2) == 3
        assert hub.runtime.fanout.statistics()["awaited_results"] == 0


async def test_an_answer_of_the_client_does_not_wait_behind_calls() -> None:
    gate = Gate()

    class Busy(Asker):
        async def wait(self, name: str) -> None:
            await self.gate(name)

    async with bench(Busy, create=lambda: Busy(gate)) as hub:
        ada = await hub.connect()
        ada.call("AskMe", 21)
        ada.call("Wait", "a")
        ada.call("Wait", "b")
        asked = await question(ada)
        assert gate.steps == ["a begins"]
        ada.send(completion(asked, 42))
        await settle()
        assert ada.take() == [completion("1", 42)]


async def test_slots_are_counted_right_after_a_client_result() -> None:
    """One call that asked, and then two that wait for each other: with limit 1 they still run one by one."""
    gate = Gate()

    class Slots(Asker):
        async def wait(self, name: str) -> None:
            await self.gate(name)

    async with bench(Slots, create=lambda: Slots(gate)) as hub:
        ada = await hub.connect()
        ada.call("AskMe", 21)
        asked = await question(ada)
        ada.send(completion(asked, 42))
        await settle()
        ada.take()
        ada.call("Wait", "a")
        ada.call("Wait", "b")
        await settle()
        assert gate.steps == ["a begins"]


async def test_errors_of_a_client_travel_to_the_caller() -> None:
    async with bench(Asker, create=lambda: Asker(Gate())) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        for answer, text in [
            ({"error": "will not"}, " HubException: will not"),
            ({}, " HubException: "),
            ({"result": "x"}, " HubException: Error trying to deserialize result. Expected `int`, got `str`"),
        ]:
            ada.call("Ask", bob.id, 1)
            bob.send({"type": 3, "invocationId": await question(bob), **answer})
            await settle()
            (received,) = ada.take()
            assert received["error"] == FAILED.format("Ask") + text


@pytest.mark.statement(160)
async def test_an_answer_that_comes_too_late_is_ignored() -> None:
    async with bench(Asker, create=lambda: Asker(Gate())) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        ada.call("AskBriefly", bob.id)
        ada.call("Ask", bob.id, 1)
        await settle()
        briefly, other = (asked["invocationId"] for asked in bob.take())
        await hub.tick(3)
        error = FAILED.format("AskBriefly") + " HubException: Invocation canceled by the server."
        assert ada.take() == [completion("1", error=error)]
        bob.send(completion(briefly, 1))
        bob.send(completion(other, 2))
        await settle()
        assert ada.take() == [completion("2", 2)]
        assert await bob.result("Add", 1, 2) == 3


async def test_the_default_time_limit_of_a_client_result_is_an_option() -> None:
    async with bench(Asker, create=lambda: Asker(Gate()), client_result_timeout=2) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        ada.call("Ask", bob.id, 1)
        await hub.tick(1)
        assert ada.take() == []
        await hub.tick(1)
        assert len(ada.take()) == 1


@pytest.mark.statement(161)
@pytest.mark.parametrize("detailed", [False, True])
async def test_the_answer_of_another_connection_closes_that_one(detailed: bool) -> None:
    async with bench(Asker, create=lambda: Asker(Gate()), detailed_errors=detailed) as hub:
        ada, bob, eve = await hub.connect(), await hub.connect(), await hub.connect()
        ada.call("Ask", bob.id, 1)
        asked = await question(bob)
        eve.send(completion(asked, 666))
        (close,) = await eve.ended()
        assert close["type"] == 7
        assert close["allowReconnect"] is True
        why = f" InvalidDataException: Connection ID '{eve.id}' is not valid for invocation ID '{asked}'."
        assert close["error"] == "Connection closed with an error." + (why if detailed else "")
        bob.send(completion(asked, 2))
        await settle()
        assert ada.take() == [completion("1", 2)]


@pytest.mark.statement(162)
@pytest.mark.parametrize("detailed", [False, True])
async def test_asking_a_connection_that_does_not_exist(detailed: bool) -> None:
    async with bench(Asker, create=lambda: Asker(Gate()), detailed_errors=detailed) as hub:
        ada = await hub.connect()
        answer = await ada.result("Ask", "nobody", 1)
        assert answer.startswith("error: " + FAILED.format("Ask"))
        assert answer.endswith("Connection 'nobody' does not exist." if detailed else "on the server.")


@pytest.mark.statement(163)
async def test_a_connection_that_ends_while_it_is_asked() -> None:
    async with bench(Asker, create=lambda: Asker(Gate()), detailed_errors=True) as hub:
        ada, bob = await hub.connect(), await hub.connect()
        ada.call("Ask", bob.id, 1)
        await question(bob)
        bob.lose()
        await settle()
        (answer,) = ada.take()
        assert answer["error"].endswith(f": Connection '{bob.id}' disconnected.")
        assert hub.runtime.fanout.statistics()["awaited_results"] == 0


@pytest.mark.parametrize("target", ["AskUnwritable", "AskAll"])
async def test_a_question_that_cannot_be_asked_fails_the_call(target: str) -> None:
    async with bench(Asker, create=lambda: Asker(Gate())) as hub:
        ada = await hub.connect()
        assert await ada.result(target) == "error: " + FAILED.format(target)
        assert hub.runtime.fanout.statistics()["awaited_results"] == 0


async def test_frames_of_one_payload_are_answered_in_order() -> None:
    async with bench(Calls, create=lambda: Calls(Gate())) as hub:
        ada = await hub.connect()
        ada.transport.feed(
            b"".join(
                json.dumps({"type": 1, "invocationId": str(n), "target": "Add", "arguments": [n, 1]}).encode() + b"\x1e"
                for n in range(30)
            )
        )
        await settle()
        await settle()
        assert ada.take() == [completion(str(n), n + 1) for n in range(30)]
