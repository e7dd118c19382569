"""What the load clients count, and that they find what was lost, doubled or changed."""

import asyncio
import random

import pytest

from hubline.cli import load
from hubline.cli.dialect import Kind, Record, SignalR
from hubline.cli.load import Countdown, Inbox, LoadError, Pattern, allow_files
from hubline.errors import ConfigurationError

OPENING = b"{}\x1e"
MESSAGE = b'{"type":1,"target":"ReceiveMessage","arguments":["alice","xxxx"]}\x1e'
OTHER = b'{"type":1,"target":"ReceiveMessage","arguments":["alice","yyyy"]}\x1e'
PING = b'{"type":6}\x1e'
COMPLETION = b'{"type":3,"invocationId":"c1","result":null}\x1e'


class Receiver:
    """An inbox, after its handshake."""

    def __init__(self, protocol: str = "json") -> None:
        self.records: list[Record] = []
        self.inbox = Inbox(SignalR(protocol).reader(), self.records.append)
        self.inbox.receive(OPENING)
        self.countdown = Countdown(1)

    def expect(self, messages: int) -> None:
        self.inbox.expect(messages, self.countdown, Pattern())


async def test_messages_are_counted_wherever_they_are_cut() -> None:
    stream = MESSAGE * 3 + PING + MESSAGE * 5 + COMPLETION + MESSAGE * 2
    rng = random.Random(7)
    for _ in range(200):
        receiver = Receiver()
        receiver.expect(10)
        start = 0
        while start < len(stream):
            size = rng.choice((1, 3, 50, 200, 1000))
            receiver.inbox.receive(stream[start : start + size])
            start += size
        await receiver.countdown.done
        receiver.inbox.check()
        assert [record.kind for record in receiver.records] == [Kind.OPENED, Kind.OTHER, Kind.COMPLETION]


async def test_messagepack_is_counted_wherever_it_is_cut() -> None:
    packed = SignalR("messagepack").call("", "T", ["xx"])
    for size in range(1, 3 * len(packed)):
        receiver = Receiver("messagepack")
        receiver.expect(6)
        stream = packed * 6
        for start in range(0, len(stream), size):
            receiver.inbox.receive(stream[start : start + size])
        await receiver.countdown.done
        receiver.inbox.check()


async def test_a_write_longer_than_any_before_is_counted() -> None:
    receiver = Receiver()
    messages = load.AHEAD // len(MESSAGE) * 3
    receiver.expect(messages + 1)
    receiver.inbox.receive(MESSAGE)
    receiver.inbox.receive(MESSAGE * messages)
    await receiver.countdown.done
    receiver.inbox.check()


async def test_a_lost_message_is_found() -> None:
    receiver = Receiver()
    receiver.expect(3)
    receiver.inbox.receive(MESSAGE * 2)
    assert not receiver.countdown.done.done()
    with pytest.raises(LoadError, match="2 messages came where 3 were sent"):
        receiver.inbox.check()


async def test_a_doubled_message_is_found() -> None:
    receiver = Receiver()
    receiver.expect(3)
    receiver.inbox.receive(MESSAGE * 4)
    with pytest.raises(LoadError, match="4 messages came where 3 were sent"):
        receiver.inbox.check()


async def test_a_message_that_comes_when_everything_has_come_is_found() -> None:
    receiver = Receiver()
    receiver.expect(3)
    receiver.inbox.receive(MESSAGE * 3)
    await receiver.countdown.done
    receiver.inbox.receive(MESSAGE)
    with pytest.raises(LoadError, match="4 messages came where 3 were sent"):
        receiver.inbox.check()


@pytest.mark.parametrize("before", [0, 1, 5])
async def test_a_message_that_differs_is_found(before: int) -> None:
    receiver = Receiver()
    receiver.expect(10)
    receiver.inbox.receive(MESSAGE + MESSAGE * before + OTHER + MESSAGE)
    with pytest.raises(LoadError, match="differs from the others"):
        await receiver.countdown.done


async def test_a_byte_that_is_lost_within_a_message_is_found() -> None:
    receiver = Receiver()
    receiver.expect(3)
    receiver.inbox.receive(MESSAGE)
    receiver.inbox.receive(MESSAGE[:20] + MESSAGE[21:] + MESSAGE)
    with pytest.raises(LoadError):
        await receiver.countdown.done


async def test_what_cannot_be_read_is_told_once_and_not_raised() -> None:
    receiver = Receiver()
    receiver.expect(3)
    receiver.inbox.receive(b"nonsense\x1e")
    with pytest.raises(LoadError, match="cannot be read"):
        receiver.inbox.check()
    with pytest.raises(LoadError, match="cannot be read"):
        await receiver.countdown.done


async def test_an_answer_that_comes_twice_is_found() -> None:
    session = load.Session(SignalR())
    answer = session.answer("c1")
    session.inbox.receive(OPENING + COMPLETION)
    assert await answer is None
    session.inbox.receive(COMPLETION)
    with pytest.raises(LoadError, match="'c1', which is not waiting"):
        session.inbox.check()


async def test_an_error_of_the_server_is_an_error_of_the_call() -> None:
    session = load.Session(SignalR())
    answer = session.answer("c1")
    session.inbox.receive(OPENING + b'{"type":3,"invocationId":"c1","error":"no such thing"}\x1e')
    with pytest.raises(LoadError, match="no such thing"):
        await answer


async def test_a_close_message_fails_everything_that_waits() -> None:
    session = load.Session(SignalR())
    answer, countdown = session.answer("c1"), Countdown(1)
    session.inbox.expect(1, countdown, Pattern())
    session.inbox.receive(OPENING + b'{"type":7,"error":"going away"}\x1e')
    for waiting in (answer, countdown.done):
        with pytest.raises(LoadError, match="going away"):
            await waiting


async def test_a_refused_handshake_is_told() -> None:
    session = load.Session(SignalR())
    session.inbox.receive(b'{"error":"no such protocol"}\x1e')
    with pytest.raises(LoadError, match="no such protocol"):
        await session.opened


def test_a_countdown_waits_for_everybody() -> None:
    async def count() -> None:
        countdown = Countdown(2)
        countdown.arrived()
        assert not countdown.done.done()
        countdown.arrived()
        await countdown.done
        countdown.fail(LoadError("too late to matter"))

    asyncio.run(count())


def test_too_few_open_files_are_told() -> None:
    resource = pytest.importorskip("resource")
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard == resource.RLIM_INFINITY:
        allow_files(64)
    else:
        with pytest.raises(ConfigurationError, match=f"{hard + 1} open files are needed, the system allows {hard}"):
            allow_files(hard + 1)
