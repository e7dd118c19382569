"""Clients with one call in flight: what is counted as answered, and what is not."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable

from hubline.cli.calls import IN_TURN, Calls, call_for
from hubline.cli.dialect import SignalR
from hubline.cli.load import Connection

Answer = Callable[[str, str], bytes]
"""From the id of a call and its text to what the server sends."""


def echo(call: str, text: str) -> bytes:
    return json.dumps({"type": 3, "invocationId": call, "result": text}, separators=(",", ":")).encode() + b"\x1e"


class Answered(Connection):
    """A connection whose server answers in the next turn of the loop, at most so often."""

    def __init__(self, answer: Answer, times: int = 50) -> None:
        super().__init__(SignalR())
        self.inbox.receive(b"{}\x1e")
        self.reply = answer
        self.ids: list[str] = []
        self.times = times
        self.pieces = 1

    def send(self, payload: bytes) -> None:
        message = json.loads(payload[:-1])
        self.ids.append(message["invocationId"])
        if len(self.ids) <= self.times:
            data = self.reply(message["invocationId"], message["arguments"][0])
            asyncio.get_running_loop().call_soon(self.deliver, data)

    def deliver(self, data: bytes) -> None:
        size = -(-len(data) // self.pieces)
        for start in range(0, len(data), size):
            self.receive(data[start : start + size], True)


async def called(connection: Connection, *, check: bool = True) -> Calls:
    """One client until its connection ends what it does, or a moment has passed: even with others on the processor."""
    return await call_for(0.5, [connection], "EchoText", ["hello"], check=check)


async def test_every_answer_counts_once_with_ids_in_turn() -> None:
    connection = Answered(echo, times=10**9)
    calls = await called(connection)
    assert calls.errors.total() == 0
    assert len(calls.latencies) == len(connection.ids) > IN_TURN
    assert connection.ids[: IN_TURN + 1] == [*(f"i{number}" for number in range(IN_TURN)), "i0"]
    assert all(latency > 0 for latency in calls.latencies)
    assert connection.answers == {}


async def test_answers_in_pieces_count_as_well() -> None:
    connection = Answered(echo, times=10**9)
    connection.pieces = 3
    calls = await called(connection)
    assert calls.errors.total() == 0
    assert len(calls.latencies) == len(connection.ids)


async def test_a_wrong_answer_is_an_error_and_the_last_call() -> None:
    connection = Answered(lambda call, text: echo(call, "something else"))
    calls = await called(connection)
    assert calls.errors == {"the answer was 'something else'": 1}
    assert calls.latencies == []
    assert len(connection.ids) == 1


async def test_without_a_check_any_answer_counts() -> None:
    calls = await called(Answered(lambda call, text: echo(call, "something else"), times=10**9), check=False)
    assert calls.errors.total() == 0
    assert calls.latencies


async def test_an_answer_that_turns_wrong_later_is_found() -> None:
    connection = Answered(lambda call, text: echo(call, text if len(connection.ids) < 20 else "changed"))
    calls = await called(connection)
    assert calls.errors == {"the answer was 'changed'": 1}
    assert len(calls.latencies) == 19


async def test_an_answer_that_comes_twice_is_found() -> None:
    connection = Answered(lambda call, text: echo(call, text) * (2 if len(connection.ids) == 20 else 1), times=10**9)
    calls = await called(connection)
    assert list(calls.errors) == ["an answer arrived for the call 'i3', which is not waiting"]


async def test_a_server_that_goes_away_is_an_error_of_every_client() -> None:
    connection = Answered(lambda call, text: b'{"type":7,"error":"going away"}\x1e')
    calls = await called(connection)
    assert calls.errors["going away"] >= 1
    assert calls.latencies == []


def test_percentiles_are_those_of_the_calls() -> None:
    calls = Calls(2.0, [float(number) for number in range(100, 0, -1)], Counter(), 0.5)
    assert calls.per_second == 50.0
    assert calls.percentile(0.5) == 51.0
    assert calls.percentile(0.99) == 100.0
    assert Calls(1.0, [], Counter(), 0.5).percentile(0.5) == 0.0
