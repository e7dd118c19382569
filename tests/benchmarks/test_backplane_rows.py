"""What the rows with a backplane check: clients that are asked, and groups that must hear again."""

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import cast

import pytest

from benchmarks.rows.backplane import Doubling, _all_answered
from benchmarks.rows.fleets import Audience
from hubline.cli.calls import Calls
from hubline.cli.load import Connection, LoadError


class Client:
    """A connection without a server. What it calls is given to `called`."""

    def __init__(self, called: Callable[[str, str], None] = lambda group, text: None) -> None:
        self.sent: list[bytes] = []
        self.send = self.sent.append
        self.receive: Callable[[bytes, bool], None]
        self._called = called

    async def call(self, method: str, *arguments: str) -> None:
        if method == "ToGroup":
            self._called(*arguments)

    @property
    def as_connection(self) -> Connection:
        return cast("Connection", self)


def test_a_client_that_is_asked_answers_also_what_comes_in_parts() -> None:
    client = Client()
    doubling = Doubling(client.as_connection)
    client.receive(
        b'{"type":1,"invocationId":"a","target":"Double","arguments":[21]}\x1e{"type":6}\x1e{"type":1,', True
    )
    client.receive(b'"invocationId":"b","target":"Double","arguments":[4]}\x1e', True)
    assert client.sent == [
        b'{"type":3,"invocationId":"a","result":42}\x1e',
        b'{"type":3,"invocationId":"b","result":8}\x1e',
    ]
    assert doubling.answered == 2


def calls(answered: int, *errors: str) -> Calls:
    return Calls(1.0, [0.001] * answered, Counter(errors), 0.5)


def test_a_call_that_failed_and_a_client_that_was_asked_twice_are_no_measurement() -> None:
    assert _all_answered([calls(2), calls(3)], asked=5) == 5
    with pytest.raises(LoadError, match="it is gone"):
        _all_answered([calls(2), calls(2, "it is gone")], asked=4)
    with pytest.raises(LoadError, match="clients were asked 5 times for 4 calls"):
        _all_answered([calls(4)], asked=5)


async def test_a_group_hears_again_when_each_member_has_heard_something_new() -> None:
    first, second = Client(), Client()
    audience = Audience("group-0", [first.as_connection, second.as_connection])
    await audience.join()
    texts = list[str]()

    def called(group: str, text: str) -> None:
        texts.append(text)
        if len(texts) == 1:
            raise LoadError("Redis is away")
        hearing = first if len(texts) == 2 else second
        hearing.receive(f'["{group}","{text}"]\x1e'.encode(), True)

    audience.begin()
    async with asyncio.timeout(60):
        await audience.send_until_complete(Client(called).as_connection)
    assert texts == ["#1#", "#2#", "#3#"]
    audience.begin()
    first.receive(b'["group-0","#3#"]\x1e', True)
    second.receive(b'["group-0","#3#"]\x1e', True)
    assert not audience.complete.is_set(), "both were sent before"
    first.receive(b'["group-0","#4#', True)
    first.receive(b'"]\x1e', True)
    second.receive(b'["group-0","#4#"]\x1e', True)
    assert audience.complete.is_set()
