"""Turns: behaviour of the one place that knows how much is handled in a turn of the loop."""

import asyncio
import functools
from typing import Any

import pytest

from hubline.connection import TransportConnection
from hubline.errors import ConnectionClosed
from hubline.testing import settle
from hubline.transports.inbox import Inbox
from hubline.transports.turns import PIECE, SHARE, Turns, turns
from tests.transports.conftest import Sites
from tests.transports.driver import Socket


async def test_one_has_its_turn_in_each_turn_of_the_loop() -> None:
    own, had = Turns(), list[int]()
    for number in range(3):
        own.soon(functools.partial(had.append, number))
    for expected in ([], [0], [0, 1], [0, 1, 2]):
        assert had == expected
        await asyncio.sleep(0)


async def test_one_that_fails_keeps_nobody_from_a_turn() -> None:
    own, had, told = Turns(), list[int](), list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    failure = ValueError("mine")

    def fail() -> None:
        raise failure

    own.soon(fail)
    own.soon(lambda: had.append(1))
    await settle()
    assert (had, told) == ([1], [failure])


async def test_who_waits_may_be_cancelled() -> None:
    own = Turns()
    first, second = (asyncio.ensure_future(own.wait()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert first.cancelled()


async def test_what_all_are_given_is_counted_anew_in_each_turn() -> None:
    own = Turns()
    for _ in range(3):
        assert [own.give(PIECE) for _ in range(SHARE // PIECE + 1)] == [True] * (SHARE // PIECE) + [False]
        await asyncio.sleep(0)


def test_each_loop_has_its_own() -> None:
    async def of_this() -> Turns:
        assert turns() is turns()
        return turns()

    assert asyncio.run(of_this()) is not asyncio.run(of_this())


@pytest.mark.parametrize("transport", ["post", "websocket"])
async def test_of_a_hundred_that_send_much_one_is_read_in_each_turn(sites: Sites, transport: str) -> None:
    """What a turn costs does not grow with those who wait for one."""
    read: list[int] = []

    async def serve(connection: TransportConnection) -> None:
        def feed(data: bytes) -> None:
            read.append(len(data))

        await connection.consume(feed)

    site, body = sites(serve), b"x" * (3 * PIECE)
    if transport == "post":
        tokens = [await site.polling() for _ in range(20)]
        await settle()
        posts = [site.post(token, body) for token in tokens]
    else:
        sockets = [Socket(site.endpoint.connect) for _ in range(20)]
        await settle()
        for socket in sockets:
            socket.say(body)
    turns_taken = 0
    while len(read) < 60:
        before = len(read)
        await asyncio.sleep(0)
        assert len(read) <= before + 1
        turns_taken += 1
        assert turns_taken < 200
    assert set(read) == {PIECE}
    if transport == "post":
        for each in posts:
            assert (await each.answered()).status == 200


async def test_an_inbox_hands_out_no_more_than_a_piece_and_forgets_nothing() -> None:
    inbox = Inbox(65_536)
    data = bytes(range(256)) * 200
    assert await inbox.feed(data)
    pieces = [await inbox.get() for _ in range(4)]
    assert [len(piece) for piece in pieces] == [PIECE, PIECE, PIECE, len(data) - 3 * PIECE]
    assert b"".join(pieces) == data


async def test_an_inbox_that_is_closed_while_a_piece_waits_for_its_turn() -> None:
    inbox = Inbox(65_536)
    assert await inbox.feed(b"x" * (PIECE + 1))
    getting = asyncio.ensure_future(inbox.get())
    await asyncio.sleep(0)
    inbox.close(ConnectionClosed("closed"))
    with pytest.raises(ConnectionClosed, match="closed"):
        await getting
