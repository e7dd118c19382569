"""Sessions whose WebSockets come and go: behaviour §7.6, and the half-open case, which is ours."""

import asyncio
import json
from typing import Any

import pytest

from hubline.connection import Identity, TransportConnection
from hubline.errors import ConfigurationError, ConnectionClosed
from hubline.testing import settle
from hubline.transports.options import TransportOptions
from hubline.transports.reconnect import ReconnectInput
from tests.transports.conftest import Sites
from tests.transports.driver import Site, Socket

ASKED = "negotiateVersion=1&useStatefulReconnect=true"
ALLOWED = TransportOptions(stateful_reconnect=True)
LOST = 1006


class Resumable:
    """An application that says everything again on each new socket, and echoes."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.reconnects = 0
        self.starts = 0
        self.ended: list[ConnectionClosed] = []
        self.connection: TransportConnection
        self.holds = asyncio.Event()
        self.holds.set()
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def serve(self, connection: TransportConnection) -> None:
        self.starts += 1
        self.connection = connection
        connection.on_reconnected(self.reconnected, window=20)
        try:
            await connection.consume(self.feed)
        except ConnectionClosed as error:
            self.ended.append(error)
        await self.goes_on.wait()

    def feed(self, data: bytes) -> "asyncio.Future[None] | None":
        if data == b"fail":
            raise ValueError("the application's own")
        self.say(data)
        return None if self.holds.is_set() else asyncio.ensure_future(self._held())

    async def _held(self) -> None:
        await self.holds.wait()

    def say(self, data: bytes) -> None:
        self.said.append(data)
        self.connection.write(data)

    def reconnected(self) -> None:
        self.reconnects += 1
        self.connection.write(b"again:" + b"".join(self.said))


async def token_of(site: Site, query: str = ASKED) -> str:
    return str(json.loads((await site.negotiation(query).answered()).body)["connectionToken"])


def lost(socket: Socket) -> None:
    socket.failure = OSError("gone")
    socket.leave(LOST)


async def begun(sites: Sites, **options: Any) -> "tuple[Site, Resumable, str, Socket]":
    """A site with one connection that may be resumed."""
    application = Resumable()
    site = sites(application.serve, options=TransportOptions(stateful_reconnect=True, **options))
    token = await token_of(site)
    socket = site.socket(f"id={token}")
    await settle()
    return site, application, token, socket


@pytest.mark.statement(15, 16, 17)
@pytest.mark.parametrize(
    ("allowed", "query", "answered"),
    [
        (True, ASKED, True),
        (True, "USESTATEFULRECONNECT=True&negotiateVersion=1", True),
        (True, "useStatefulReconnect=true", True),
        (True, "negotiateVersion=1", None),
        (True, "negotiateVersion=1&useStatefulReconnect=banana", None),
        (False, ASKED, None),
    ],
)
async def test_negotiate_says_whether_it_is_in_use(
    sites: Sites, allowed: bool, query: str, answered: bool | None
) -> None:
    site = sites(options=TransportOptions(stateful_reconnect=allowed))
    body = json.loads((await site.negotiation(query).answered()).body)
    assert body.get("useStatefulReconnect") is answered


@pytest.mark.statement(172, 173)
async def test_another_socket_takes_up_where_the_last_one_was_lost(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    first.say("a")
    await settle()
    lost(first)
    await first.ended()
    await settle()
    assert site.registry.find(site.endpoint, token) is not None
    application.say(b"b")
    second = site.socket(f"id={token}")
    await settle()
    second.say("c")
    await settle()
    assert first.messages == ["a"]
    assert "".join(map(str, second.messages)) == "again:abc"
    assert (application.starts, application.reconnects, application.ended) == (1, 1, [])
    second.leave(1000)
    await second.ended()


@pytest.mark.statement(172)
async def test_another_socket_takes_over_from_one_that_looks_alive(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    first.say("a")
    await settle()
    first.reads.clear()
    application.say(b"stuck")
    await settle()
    second = site.socket(f"id={token}")
    await settle()
    first.say("late")
    second.say("c")
    await settle()
    assert "".join(map(str, second.messages)) == "again:astuckc", "what the old one brings is not heard any more"
    assert not first.task.done(), "it is still trying to say good-bye"
    await site.clock.advance(6)
    await first.ended()
    assert not application.ended
    second.leave(1000)
    await second.ended()
    await settle()
    assert len(application.ended) == 1


async def test_of_two_that_come_at_once_the_later_one_stays(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    lost(first)
    await settle()
    second, third = site.socket(f"id={token}"), site.socket(f"id={token}")
    await settle()
    third.say("x")
    await settle()
    assert second.close_code == 1000
    assert third.messages[-1] == "x"
    third.leave(1000)
    await third.ended()
    assert application.reconnects == 2


@pytest.mark.statement(181)
async def test_without_another_socket_it_ends_after_the_window_and_is_unknown_then(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    lost(first)
    await first.ended()
    await site.clock.advance(19)
    assert application.ended == []
    await site.clock.advance(3)
    assert len(application.ended) == 1
    assert application.connection.timed_out
    late = site.socket(f"id={token}")
    await late.ended()
    assert late.sent[0]["status"] == 404
    assert len(site.registry) == 0


@pytest.mark.statement(182)
@pytest.mark.parametrize("code", [1000, 1001, 1005])
async def test_a_close_frame_ends_it_at_once(sites: Sites, code: int) -> None:
    site, application, token, first = await begun(sites)
    first.incoming.put_nowait({"type": "websocket.disconnect", "code": code, "reason": ""})
    await first.ended()
    await settle()
    assert len(application.ended) == 1
    assert not application.connection.timed_out
    assert site.registry.find(site.endpoint, token) is None


async def test_uvicorns_1005_without_a_reason_is_no_close_frame(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    first.leave(1005)
    await first.ended()
    await settle()
    assert application.ended == []
    assert site.registry.find(site.endpoint, token) is not None


@pytest.mark.statement(183)
async def test_after_the_end_of_input_no_socket_takes_over(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    application.goes_on.clear()
    application.connection.end_input()
    await settle()
    second = site.socket(f"id={token}")
    await second.ended()
    assert second.sent[0]["status"] == 409
    lost(first)
    application.goes_on.set()
    await first.ended()
    await settle()
    third = site.socket(f"id={token}")
    await third.ended()
    assert third.sent[0]["status"] == 404


@pytest.mark.statement(183)
async def test_a_session_that_is_ending_without_a_socket_answers_204(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    application.goes_on.clear()
    lost(first)
    await first.ended()
    application.connection.end_input()
    await settle()
    second = site.socket(f"id={token}")
    await second.ended()
    assert second.sent[0]["status"] == 204
    application.goes_on.set()
    await settle()
    assert len(site.registry) == 0, "nobody has to wait for the window"


@pytest.mark.statement(183)
async def test_an_abort_ends_it_also_without_a_socket(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    lost(first)
    await first.ended()
    application.connection.abort()
    await settle()
    assert len(application.ended) == 1
    assert not application.connection.timed_out
    assert site.registry.find(site.endpoint, token) is None


async def test_who_has_not_asked_gets_409_and_ends_with_the_socket(sites: Sites) -> None:
    application = Resumable()
    site = sites(application.serve, options=ALLOWED)
    token = await token_of(site, "negotiateVersion=1")
    first = site.socket(f"id={token}")
    await settle()
    second = site.socket(f"id={token}")
    await second.ended()
    assert second.sent[0]["status"] == 409
    lost(first)
    await first.ended()
    await settle()
    assert len(application.ended) == 1


async def test_an_application_that_does_not_take_part_ends_with_its_socket(sites: Sites) -> None:
    site = sites(options=ALLOWED)
    token = await token_of(site)
    socket = site.socket(f"id={token}")
    await settle()
    socket.say("a")
    await settle()
    assert socket.messages == ["a"]
    lost(socket)
    await socket.ended()
    await settle()
    assert len(site.registry) == 0


@pytest.mark.parametrize("fails", [False, True])
async def test_the_end_of_the_application_closes_the_socket_that_is_there(sites: Sites, fails: bool) -> None:
    site, application, token, first = await begun(sites)
    lost(first)
    await first.ended()
    second = site.socket(f"id={token}")
    await settle()
    if fails:
        second.say("fail")
    else:
        application.say(b"bye")
        application.connection.end_input()
    await second.ended()
    assert second.close_code == (1011 if fails else 1000)


async def test_drains_and_deadlines_of_a_lost_socket_wait_for_nobody(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    first.reads.clear()
    application.connection.write(b"x" * 100_000)
    draining = asyncio.ensure_future(application.connection.drain())
    await settle()
    assert not draining.done()
    lost(first)
    first.reads.set()
    await first.ended()
    await draining
    assert not application.connection.write(b"nowhere")
    await site.clock.advance(15)
    second = site.socket(f"id={token}")
    await settle()
    await site.clock.advance(60)
    assert application.ended == [], "the window was closed by the second socket"
    second.leave(1000)
    await second.ended()


async def test_what_is_held_is_handled_before_anything_of_a_new_socket(sites: Sites) -> None:
    site, application, token, first = await begun(sites)
    application.holds.clear()
    first.say("a")
    await settle()
    lost(first)
    second = site.socket(f"id={token}")
    second.say("b")
    await settle()
    assert application.said == [b"a"]
    application.holds.set()
    await settle()
    assert application.said == [b"a", b"b"]
    second.leave(1000)
    await second.ended()


async def test_the_identity_of_the_new_socket_counts_and_another_user_is_refused(sites: Sites) -> None:
    application = Resumable()
    users = iter(["ada", "ada", "ada", "ben"])

    async def authenticate(scope: Any) -> Identity:
        return Identity(next(users))

    site = sites(application.serve, options=ALLOWED, authenticate=authenticate)
    token = await token_of(site)
    first = site.socket(f"id={token}")
    await settle()
    lost(first)
    await first.ended()
    second = site.socket(f"id={token}")
    await settle()
    assert second.messages == ["again:"]
    intruder = site.socket(f"id={token}")
    await intruder.ended()
    assert intruder.sent[0]["status"] == 403
    assert not second.task.done()
    second.leave(1000)
    await second.ended()


async def test_a_server_that_closes_ends_those_without_a_socket_too(sites: Sites) -> None:
    site, application, _, first = await begun(sites)
    lost(first)
    await first.ended()
    await site.close()
    assert len(application.ended) == 1
    assert len(site.registry) == 0


def test_messages_that_are_dropped_could_not_be_said_again() -> None:
    with pytest.raises(ConfigurationError, match="needs `outbox_policy='close'`"):
        TransportOptions(stateful_reconnect=True, outbox_policy="latest")


class FakeInput:
    """One socket's input, in a test's hands."""

    def __init__(self, *payloads: bytes) -> None:
        self.payloads = list(payloads)
        self.closed: ConnectionClosed | None = None
        self.news = asyncio.Event()

    async def get(self) -> bytes:
        while not self.payloads:
            if self.closed is not None:
                raise self.closed
            self.news.clear()
            await self.news.wait()
        return self.payloads.pop(0)

    async def consume(self, feed: Any) -> None:
        while True:
            feed(await self.get())

    def close(self, error: ConnectionClosed) -> None:
        self.closed = error
        self.news.set()


async def test_a_socket_that_comes_after_the_end_is_not_read() -> None:
    late = FakeInput(b"late")
    source = ReconnectInput(FakeInput())
    source.close(ConnectionClosed("over"))
    source.replace(late)
    assert str(late.closed) == "over"


async def test_bytes_come_from_one_socket_after_the_other_until_no_other_will_come() -> None:
    first, second = FakeInput(b"a"), FakeInput(b"b")
    source = ReconnectInput(first)
    assert await source.get() == b"a"
    waiting = asyncio.ensure_future(source.get())
    await settle()
    first.close(ConnectionClosed())
    await settle()
    assert not waiting.done()
    source.replace(second)
    assert await waiting == b"b"
    source.finish(ConnectionClosed("over"))
    second.close(ConnectionClosed())
    with pytest.raises(ConnectionClosed, match="over"):
        await source.get()
    source.close(ConnectionClosed("late"))
    with pytest.raises(ConnectionClosed, match="over"):
        await source.consume(lambda data: None)
