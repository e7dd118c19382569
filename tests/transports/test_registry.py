import asyncio
import json
import re
from typing import Any

import pytest

from hubline.connection import ConnectionScope, Identity, Transport, TransportConnection
from hubline.errors import ConnectionClosed
from hubline.testing import ManualClock, settle
from hubline.transports.caps import NoRoom
from hubline.transports.options import TransportOptions
from hubline.transports.registry import ConnectionRegistry
from hubline.transports.registry_statistics import RegistryStatistics
from hubline.transports.session import Session
from hubline.wire.packet import Packet
from tests.transports.conftest import Sites
from tests.transports.driver import Site

SCOPE = ConnectionScope({"type": "http", "path": "/hub"})


class Hubs:
    """An endpoint."""

    greets = True


ENDPOINT = Hubs()


class Fixture:
    """A registry with small limits and a clock."""

    def __init__(self, **options: Any) -> None:
        self.clock = ManualClock()
        self.options = TransportOptions(**options)
        self.registry = ConnectionRegistry(self.options, self.clock)

    def negotiate(self, version: int = 1) -> Session:
        return self.registry.negotiate(ENDPOINT, self.options, SCOPE, version=version)

    def open(self) -> Session:
        return self.registry.open(ENDPOINT, self.options, Transport.WEB_SOCKETS, SCOPE)


@pytest.mark.statement(9)
async def test_ids_and_tokens_are_22_characters_of_base64url() -> None:
    made = Fixture()
    sessions = [made.negotiate() for _ in range(20)]
    values = {value for session in sessions for value in (session.id, session.token)}
    assert len(values) == 40
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{22}", value) for value in values)
    await made.registry.close()


async def test_a_connection_is_found_by_its_token_only() -> None:
    made = Fixture()
    session = made.negotiate()
    assert made.registry.find(ENDPOINT, session.token) is session
    assert made.registry.find(ENDPOINT, session.id) is None
    await made.registry.close()


@pytest.mark.statement(21)
async def test_in_version_0_the_id_is_the_token() -> None:
    made = Fixture()
    session = made.negotiate(version=0)
    assert session.id == session.token
    opened = made.open()
    assert opened.id == opened.token
    made.registry.remove(opened)
    await made.registry.close()


async def test_a_token_of_another_endpoint_is_unknown() -> None:
    made = Fixture()
    session = made.negotiate()
    assert made.registry.find(Hubs(), session.token) is None
    await made.registry.close()


async def test_a_negotiated_connection_expires_after_15_seconds() -> None:
    made = Fixture()
    session = made.negotiate()
    await made.clock.advance(14)
    assert made.registry.find(ENDPOINT, session.token) is session
    await made.clock.advance(1)
    assert made.registry.find(ENDPOINT, session.token) is None
    assert made.registry.statistics().waiting == 0
    await made.registry.close()


async def test_the_heartbeat_starts_with_the_first_connection_and_ends_with_the_last() -> None:
    made = Fixture()
    assert len(made.registry.tasks) == 0
    made.negotiate()
    made.negotiate()
    await settle()
    assert len(made.registry.tasks) == 1, "one for all"
    await made.clock.advance(16)
    assert len(made.registry.tasks) == 0
    made.negotiate()
    await settle()
    assert len(made.registry.tasks) == 1
    await made.registry.close()
    assert len(made.registry.tasks) == 0


async def test_too_many_waiting_and_too_many_open_are_two_limits() -> None:
    made = Fixture(maximum_waiting=1, maximum_connections=1)
    session = made.negotiate()
    with pytest.raises(NoRoom):
        made.negotiate()
    made.registry.admit(session, Transport.WEB_SOCKETS, SCOPE)
    for attempt in (made.negotiate, made.open):
        with pytest.raises(NoRoom):
            attempt()
    assert made.registry.statistics().connections == 1
    assert made.registry.statistics().refused == 3
    made.registry.remove(session)
    made.registry.remove(session)
    assert len(made.registry) == 0
    second = made.negotiate()
    made.open()
    with pytest.raises(NoRoom):
        made.registry.admit(second, Transport.WEB_SOCKETS, SCOPE)
    for each in made.registry:
        made.registry.remove(each)
    await made.registry.close()


async def test_a_flood_of_refusals_is_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    made = Fixture(maximum_connections=1, waiting_per_address=1)
    session = made.open()
    for _ in range(1000):
        with pytest.raises(NoRoom):
            made.open()
    assert caplog.messages == [
        "a connection was refused: the limit of 1 open connections is reached; "
        "1 refused since the start, others are not logged for 60 s"
    ]
    await made.clock.advance(60)
    made.registry.remove(session)
    made.negotiate()
    with pytest.raises(NoRoom):
        made.negotiate()
    assert caplog.messages[1:] == [
        "a connection was refused: the address 'unknown' is at the limit of 1 waiting connections; "
        "1001 refused since the start, others are not logged for 60 s"
    ]
    made.registry.draining = True
    await made.clock.advance(60)
    with pytest.raises(NoRoom):
        made.open()
    assert len(caplog.messages) == 2, "that a server which stops takes nobody is no news"
    await made.registry.close()


async def test_caps_are_given_back_in_every_phase_of_thousands_of_connections(sites: Sites) -> None:
    async def identify(scope: ConnectionScope) -> Identity:
        return Identity(scope.query["user"])

    options = TransportOptions(connections_per_user=6, connections_per_address=20, maximum_waiting=10_000)
    site: Site = sites(options=options, authenticate=identify)
    caps = site.registry.caps
    for turn in range(250):
        who = {"address": f"2001:db8:0:{turn % 50}::{turn}"}
        query = f"negotiateVersion=1&user=u{turn % 40}"
        refused = await site.negotiation("negotiateVersion=x&user=u", **who).answered()
        assert refused.status == 200, "answered with an error in the body, and never a connection"
        await site.negotiation(query, **who).answered()  # never opened
        tokens = [str(json.loads((await site.negotiation(query, **who).answered()).body)["connectionToken"])]
        tokens.append(str(json.loads((await site.negotiation(query, **who).answered()).body)["connectionToken"]))
        tokens.append(str(json.loads((await site.negotiation(query, **who).answered()).body)["connectionToken"]))
        user = f"&user=u{turn % 40}"
        direct = site.socket(f"user=u{turn % 40}", **who)
        negotiated = site.socket(f"id={tokens[0]}{user}", **who)
        events = site.events(tokens[1] + user, **who)
        await site.get(tokens[2] + user, **who).answered()
        poll = site.get(tokens[2] + user, **who)
        await settle()
        assert site.registry.statistics().connections == 4
        for socket in (direct, negotiated):
            socket.leave(1006)
        events.vanish()
        if turn % 2:
            poll.vanish()
            assert (await site.delete(tokens[2] + user).answered()).status == 202
        else:
            poll.vanish()
            await site.clock.advance(16)
        await settle()
    await site.clock.advance(16)
    assert site.registry.statistics().connections == site.registry.statistics().waiting == 0
    assert len(caps) == 0


async def test_20000_connections_are_open_and_the_next_is_answered_503(sites: Sites) -> None:
    site: Site = sites()
    bystander = site.socket()
    token = await site.token()
    await settle()
    registry = site.registry
    sessions = [registry.open(site.endpoint, site.options, Transport.WEB_SOCKETS, SCOPE) for _ in range(19_998)]
    last = site.socket()
    await settle()
    assert last.sent == [{"type": "websocket.accept"}]
    assert registry.statistics().connections == 20_000
    assert (await site.negotiation().answered()).status == 503
    assert (await site.socket().ended()).sent[0]["status"] == 503
    assert (await site.get(token).answered()).status == 503
    for socket in (bystander, last):
        socket.say("hello")
    await settle()
    assert bystander.messages == last.messages == ["hello"]
    for session in sessions:
        registry.remove(session)
    assert (await site.negotiation().answered()).status == 200
    for socket in (bystander, last):
        socket.leave()


async def test_20000_negotiations_wait_and_the_next_is_answered_503_until_they_expire(sites: Sites) -> None:
    site: Site = sites()
    bystander = site.socket()
    token = await site.token()
    for _ in range(19_999):
        site.registry.negotiate(site.endpoint, site.options, SCOPE, version=1)
    refused = await site.negotiation(address="198.51.100.1").answered()
    assert (refused.status, refused.headers["retry-after"]) == (503, "5")
    bystander.say("hello")
    await settle()
    assert bystander.messages == ["hello"]
    opened = site.socket(f"id={token}")
    await settle()
    assert (await site.negotiation(address="198.51.100.1").answered()).status == 200
    await site.clock.advance(15)
    assert site.registry.statistics().waiting == 0
    for socket in (bystander, opened):
        socket.leave()


async def test_statistics_tell_what_waits_in_both_directions() -> None:
    made = Fixture()
    sessions = [made.open(), made.open()]
    for session in sessions:
        session.write(Packet(b"to the peer"))
    await sessions[0].inbox.feed(b"unread")
    made.negotiate()
    assert made.registry.statistics() == RegistryStatistics(
        connections=2, waiting=1, refused=0, queued_bytes=22, unread_bytes=6, peak_bytes=11, dropped_messages=0
    )
    for session in sessions:
        made.registry.remove(session)
    gone = made.registry.statistics()
    assert (gone.queued_bytes, gone.peak_bytes, gone.dropped_messages) == (0, 11, 2)
    await made.registry.close()


async def test_others_have_their_turn_while_many_connections_are_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hubline.transports.registry.BEAT_STRIDE", 2)
    made = Fixture()
    seen: list[str] = []

    def tick(now: float) -> None:
        seen.append("tick")
        if seen == ["tick"]:
            asyncio.get_running_loop().call_soon(seen.append, "another")

    sessions = [made.open() for _ in range(5)]
    for session in sessions:
        session.on_heartbeat(tick)
    await made.clock.advance(1)
    assert seen == ["tick", "tick", "another", "tick", "tick", "tick"]
    for session in sessions:
        made.registry.remove(session)
    await made.registry.close()


async def test_one_heartbeat_that_fails_takes_nobody_with_it(caplog: pytest.LogCaptureFixture) -> None:
    made = Fixture()
    bad, good = made.open(), made.open()
    ticks: list[float] = []

    def fail(now: float) -> None:
        raise ValueError("bad tick")

    bad.on_heartbeat(fail)
    good.on_heartbeat(ticks.append)
    await made.clock.advance(2)
    assert ticks == [1.0, 2.0]
    assert "bad tick" in caplog.text
    made.registry.remove(bad)
    made.registry.remove(good)
    await made.registry.close()


async def test_draining_waits_until_everybody_has_left() -> None:
    made = Fixture()
    waiting, session = made.negotiate(), made.open()
    draining = asyncio.ensure_future(made.registry.drain(30))
    await made.clock.advance(5)
    assert not draining.done()
    assert made.registry.find(ENDPOINT, waiting.token) is None
    with pytest.raises(NoRoom):
        made.negotiate()
    made.registry.remove(session)
    await settle()
    assert draining.done()
    await made.registry.close()


async def test_draining_gives_up_after_its_limit() -> None:
    made = Fixture()
    session = made.open()
    draining = asyncio.ensure_future(made.registry.drain(30))
    await made.clock.advance(30)
    assert draining.done()
    made.registry.remove(session)
    await made.registry.close()


async def test_cancelling_a_drain_leaves_no_task() -> None:
    made = Fixture()
    session = made.open()
    draining = asyncio.ensure_future(made.registry.drain(30))
    await settle()
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    made.registry.remove(session)
    await made.registry.close()
    assert len(made.registry.tasks) == 0


async def test_close_ends_every_connection_and_tells_the_application_to_expect_it_back(sites: Sites) -> None:
    seen: list[ConnectionClosed] = []

    async def serve(connection: TransportConnection) -> None:
        try:
            await connection.receive()
        except ConnectionClosed as error:
            seen.append(error)
            raise

    site: Site = sites(serve)
    sockets = [site.socket(), site.socket()]
    await site.polling()
    await settle()
    await site.close()
    assert [error.allow_reconnect for error in seen] == [True] * 3
    assert [socket.close_code for socket in sockets] == [1000, 1000]
    assert len(site.registry) == 0


async def test_close_does_not_wait_for_an_application_that_never_ends(sites: Sites) -> None:
    async def serve(connection: TransportConnection) -> None:
        await asyncio.Event().wait()

    site: Site = sites(serve)
    await site.polling()
    closing = asyncio.ensure_future(site.registry.close())
    await site.clock.advance(4)
    assert not closing.done()
    await site.clock.advance(1)
    assert closing.done()
