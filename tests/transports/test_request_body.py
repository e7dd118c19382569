"""POST bodies: behaviour §2.5."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from hubline.connection import TransportConnection
from hubline.errors import ConnectionClosed
from hubline.testing import settle
from hubline.transports.inbox import Inbox
from hubline.transports.options import TransportOptions
from hubline.transports.request_body import take_body
from hubline.transports.turns import PIECE
from tests.transports.conftest import Sites


class Reader:
    """An application that reads only when told to."""

    def __init__(self) -> None:
        self.turns = asyncio.Semaphore(0)
        self.read: list[bytes] = []
        self.connection: TransportConnection

    async def serve(self, connection: TransportConnection) -> None:
        self.connection = connection
        try:
            while True:
                await self.turns.acquire()
                self.read.append(await connection.receive())
        except ConnectionClosed:
            pass


@pytest.mark.statement(34)
@pytest.mark.parametrize("body", [b"", b"x", b"x" * 65_536])
async def test_a_post_is_answered_when_its_bytes_are_queued_not_when_they_are_read(sites: Sites, body: bytes) -> None:
    reader = Reader()
    site = sites(reader.serve)
    token = await site.polling()
    answer = await site.post(token, body).answered()
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers == {"content-type": "text/plain", "content-length": "0"}
    assert reader.read == []


async def test_a_post_before_any_transport_waits_for_the_application(sites: Sites) -> None:
    reader = Reader()
    site = sites(reader.serve)
    token = await site.token()
    assert (await site.post(token, b"early").answered()).status == 200
    await site.get(token).answered()
    reader.turns.release()
    await settle()
    assert reader.read == [b"early"]


@pytest.mark.statement(38)
async def test_a_post_is_held_while_more_than_64_kib_are_unread(sites: Sites) -> None:
    reader = Reader()
    site = sites(reader.serve)
    token = await site.polling()
    await site.post(token, b"x" * 65_536).answered()
    held = site.post(token, b"y")
    await settle()
    for pieces in range(3):
        assert held.sent == []
        assert b"".join(reader.read) == b"x" * PIECE * pieces
        reader.turns.release()
        await settle()
    assert (await held.answered()).status == 200, "half of it is left at most"


@pytest.mark.statement(35)
async def test_posts_at_the_same_time_take_turns_and_do_not_mix(sites: Sites) -> None:
    reader = Reader()
    site = sites(reader.serve)
    token = await site.polling()
    first, second = site.post(token, None), site.post(token, None)
    for request, letter in ((second, b"2"), (first, b"1")):
        request.part(letter)
        await settle()
    second.part(b"2", more=False)
    await settle()
    assert second.sent == [], "the first came first"
    first.part(b"1", more=False)
    assert [(await each.answered()).status for each in (first, second)] == [200, 200]
    reader.turns.release()
    await settle()
    assert reader.read == [b"1122"]


@pytest.mark.statement(36, 37)
async def test_bytes_are_one_stream_whatever_posts_they_came_in(sites: Sites) -> None:
    reader = Reader()
    site = sites(reader.serve)
    token = await site.polling()
    for body in (b'{"type"', b":6}\x1e", b'{"type":6}\x1e{"type":7}\x1e'):
        await site.post(token, body).answered()
    reader.turns.release()
    await settle()
    assert b"".join(reader.read) == b'{"type":6}\x1e{"type":6}\x1e{"type":7}\x1e'


async def test_of_a_client_that_vanishes_in_the_middle_of_a_small_upload_nothing_is_delivered(sites: Sites) -> None:
    reader = Reader()
    site = sites(reader.serve)
    token = await site.polling()
    request = site.post(token, None)
    request.part(b'{"type":1,"targ')
    await settle()
    request.vanish()
    with pytest.raises(OSError, match="client disconnected"):  # the answer reaches nobody
        await request.answered()
    assert (await site.post(token, b'{"type":6}\x1e').answered()).status == 200
    reader.turns.release()
    await settle()
    assert reader.read == [b'{"type":6}\x1e'], "the rest of the connection is not spoilt"


async def test_a_vanished_upload_is_answered_400_should_anybody_listen() -> None:
    inbox = Inbox(10)
    messages: Iterator[dict[str, Any]] = iter(
        [{"type": "http.request", "body": b"x", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> dict[str, Any]:
        return next(messages)

    assert (await take_body(inbox, receive)).status == 400
    assert inbox.size == 0


async def test_a_body_that_is_larger_than_the_buffer_is_passed_on_as_it_comes_and_never_held_whole(
    sites: Sites,
) -> None:
    reader = Reader()
    site = sites(reader.serve, options=TransportOptions(application_buffer=1000))
    token = await site.polling()
    request = site.post(token, None)
    for _ in range(50):
        request.part(b"x" * 400)
    request.part(b"end", more=False)
    await settle()
    session = next(iter(site.registry))
    assert session.inbox.size == 1200, "three pieces, and the rest is left to the server"
    sizes = []
    while not request.task.done():
        sizes.append(session.inbox.size)
        reader.turns.release()
        await settle()
    reader.turns.release()
    await settle()
    assert max(sizes) == 1200
    assert (await request.answered()).status == 200
    assert b"".join(reader.read) == b"x" * 20_000 + b"end"


async def test_a_post_that_is_held_when_the_connection_ends_is_answered_404(sites: Sites) -> None:
    reader = Reader()
    site = sites(reader.serve)
    token = await site.polling()
    await settle()
    held = site.post(token, b"x" * 65_537)
    behind = site.post(token, b"y")
    await settle()
    reader.connection.abort()
    for request in (held, behind):
        answer = await request.answered()
        assert (answer.status, answer.body) == (404, b"")
        assert answer.headers == {"content-type": "text/plain", "content-length": "0"}


async def test_a_post_after_the_input_ended_is_answered_404(sites: Sites) -> None:
    reader = Reader()
    site = sites(reader.serve)
    token = await site.polling()
    await settle()
    reader.connection.end_input()
    assert (await site.post(token, b"x").answered()).status == 404


async def test_a_post_that_the_server_cancels_lets_the_next_one_in(sites: Sites) -> None:
    reader = Reader()
    site = sites(reader.serve)
    token = await site.polling()
    stuck = site.post(token, None)
    await settle()
    stuck.task.cancel()
    assert (await site.post(token, b"next").answered()).status == 200
    reader.turns.release()
    await settle()
    assert reader.read == [b"next"]


async def test_an_upload_that_is_stuck_delays_nobody_else(sites: Sites) -> None:
    reader = Reader()
    site = sites(reader.serve)
    stuck, other = await site.polling(), await site.polling()
    held = [site.post(stuck, b"x" * 100_000), site.post(stuck, None)]
    await settle()
    for number in range(10):
        answer = await site.post(other, b"%d" % number).answered()
        assert answer.status == 200
    assert [each.sent for each in held] == [[], []]
    for each in held:
        each.task.cancel()
