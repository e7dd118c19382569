import asyncio

import pytest

from hubline.errors import ConnectionClosed, SlowConsumerError
from hubline.testing import settle
from hubline.transports.inbox import Inbox


async def test_bytes_come_out_in_order_and_joined() -> None:
    inbox = Inbox(10)
    assert await inbox.feed(b"ab")
    assert await inbox.feed(b"cd")
    assert await inbox.get() == b"abcd"


async def test_a_waiting_reader_gets_what_comes() -> None:
    inbox = Inbox(10)
    reader = asyncio.ensure_future(inbox.get())
    await settle()
    await inbox.feed(b"ab")
    assert await reader == b"ab"


async def test_an_empty_body_wakes_nobody() -> None:
    inbox = Inbox(10)
    reader = asyncio.ensure_future(inbox.get())
    await settle()
    assert await inbox.feed(b"")
    await settle()
    assert not reader.done()
    await inbox.feed(b"x")
    assert await reader == b"x"


@pytest.mark.statement(38)
async def test_feeding_waits_above_the_capacity_and_goes_on_when_it_was_read() -> None:
    inbox = Inbox(10)
    await inbox.feed(b"x" * 10)
    feeder = asyncio.ensure_future(inbox.feed(b"y"))
    await settle()
    assert not feeder.done()
    assert await inbox.get() == b"x" * 10 + b"y"
    assert await feeder


async def test_all_who_feed_too_much_go_on_together() -> None:
    inbox = Inbox(1)
    feeders = [asyncio.ensure_future(inbox.feed(b"xx")) for _ in range(2)]
    await settle()
    assert await inbox.get() == b"xxxx"
    assert [await feeder for feeder in feeders] == [True, True]


async def test_cancelling_a_reader_loses_nothing() -> None:
    inbox = Inbox(10)
    reader = asyncio.ensure_future(inbox.get())
    await settle()
    await inbox.feed(b"ab")
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    assert await inbox.get() == b"ab"


async def test_after_finish_the_rest_is_read_first() -> None:
    inbox = Inbox(10)
    await inbox.feed(b"ab")
    inbox.finish(ConnectionClosed())
    assert await inbox.get() == b"ab"
    for _ in range(2):
        with pytest.raises(ConnectionClosed):
            await inbox.get()
    assert not await inbox.feed(b"cd")


async def test_close_drops_the_rest_and_says_why() -> None:
    inbox = Inbox(10)
    await inbox.feed(b"ab")
    inbox.close(SlowConsumerError("c", queued=1, capacity=1))
    with pytest.raises(SlowConsumerError):
        await inbox.get()
    inbox.finish(ConnectionClosed())
    inbox.close(ConnectionClosed())
    with pytest.raises(SlowConsumerError):
        await inbox.get()


async def test_close_wakes_reader_and_feeder() -> None:
    inbox = Inbox(1)
    reader = asyncio.ensure_future(inbox.get())
    await settle()
    inbox.close(ConnectionClosed())
    with pytest.raises(ConnectionClosed):
        await reader
    full = Inbox(1)
    feeder = asyncio.ensure_future(full.feed(b"xx"))
    await settle()
    full.close(ConnectionClosed())
    assert await feeder is False
