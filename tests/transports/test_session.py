import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from hubline.connection import ConnectionScope, Identity, Transport, TransportConnection
from hubline.errors import ConnectionClosed, SendTimeout, SendTooLarge, SlowConsumerError
from hubline.testing import ManualClock, settle
from hubline.transports.options import TransportOptions
from hubline.transports.session import Session
from hubline.transports.session_states import TRANSITIONS, SessionEvent, SessionState
from hubline.wire.codec import TransferFormat
from hubline.wire.packet import Packet
from tests.loop_turns import turns_during
from tests.transports.conftest import Sites


def carried(identity: Identity | None = None, **options: Any) -> Session:
    session = Session(connection_id="id", token="token", options=TransportOptions(**options), clock=ManualClock())
    session.open(Transport.LONG_POLLING, ConnectionScope({"type": "http", "path": "/hub"}, identity))
    return session


class FakeCarrier:
    """A request that a test plays."""

    ready = True

    def __init__(self) -> None:
        self.told: list[str] = []

    def wake(self) -> None:
        self.told.append("wake")

    def finish(self, well: bool) -> None:
        self.told.append(f"finish {well}")

    def abandon(self) -> None:
        self.told.append("abandon")

    async def make_way(self) -> None: ...


def ended_by(transport: Transport, state: SessionState) -> "tuple[Session, FakeCarrier]":
    """A session in this state, with the carrier that carries it or did so last."""
    session = Session(connection_id="id", token="token", options=TransportOptions(), clock=ManualClock())
    carrier = FakeCarrier()
    if state is SessionState.NEGOTIATED:
        return session, carrier
    session.open(transport, ConnectionScope({"type": "http", "path": "/hub"}))
    session.attach(carrier)
    if state in (SessionState.DETACHED, SessionState.BROKEN_OFF):
        session.detach(carrier, broken_off=state is SessionState.BROKEN_OFF)
    elif state is SessionState.TERMINATED:
        session.terminate()
    elif state is SessionState.ENDED:
        session.end()
    assert session.state is state
    return session, carrier


AFTER: dict[tuple[SessionState, SessionEvent], SessionState] = {
    (SessionState.NEGOTIATED, SessionEvent.ATTACH): SessionState.ATTACHED,
    (SessionState.NEGOTIATED, SessionEvent.TERMINATE): SessionState.TERMINATED,
    (SessionState.ATTACHED, SessionEvent.DETACH): SessionState.DETACHED,
    (SessionState.ATTACHED, SessionEvent.BREAK_OFF): SessionState.BROKEN_OFF,
    (SessionState.ATTACHED, SessionEvent.TERMINATE): SessionState.TERMINATED,
    (SessionState.DETACHED, SessionEvent.ATTACH): SessionState.ATTACHED,
    (SessionState.DETACHED, SessionEvent.BREAK_OFF): SessionState.BROKEN_OFF,
    (SessionState.DETACHED, SessionEvent.TERMINATE): SessionState.TERMINATED,
    (SessionState.BROKEN_OFF, SessionEvent.ATTACH): SessionState.ATTACHED,
    (SessionState.BROKEN_OFF, SessionEvent.TERMINATE): SessionState.TERMINATED,
}
"""What changes; everything ends at END, and the rest stays as it is."""


@pytest.mark.parametrize("event", SessionEvent)
@pytest.mark.parametrize("state", SessionState)
def test_every_event_in_every_state(state: SessionState, event: SessionEvent) -> None:
    expected = SessionState.ENDED if event is SessionEvent.END else AFTER.get((state, event), state)
    assert TRANSITIONS[state][event] is expected


@pytest.mark.parametrize("state", SessionState)
def test_every_state_can_be_reached_and_ends_once(state: SessionState) -> None:
    session, carrier = ended_by(Transport.LONG_POLLING, state)
    session.end()
    session.end(ValueError("late"))
    assert session.state is SessionState.ENDED
    assert carrier.told.count("abandon") == (
        state in (SessionState.ATTACHED, SessionState.TERMINATED, SessionState.ENDED)
    )


@pytest.mark.parametrize("transport", [Transport.WEB_SOCKETS, Transport.SERVER_SENT_EVENTS])
def test_without_another_request_to_come_a_session_ends_with_its_request(transport: Transport) -> None:
    session, carrier = ended_by(transport, SessionState.ATTACHED)
    session.detach(FakeCarrier())
    assert not session.lost, "that was not the one that carries it"
    session.detach(carrier)
    assert session.lost
    session.detach(carrier)


async def test_a_session_is_over_when_it_has_ended_and_nobody_works_for_it_any_more() -> None:
    over: list[Session] = []
    session = Session(
        connection_id="id", token="token", options=TransportOptions(), clock=ManualClock(), over=over.append
    )
    goes_on, carrier = asyncio.Event(), FakeCarrier()
    session.open(Transport.WEB_SOCKETS, ConnectionScope({"type": "websocket", "path": "/hub"}))
    session.attach(carrier)

    async def serve(connection: TransportConnection) -> None:
        await goes_on.wait()

    running = asyncio.create_task(session.run(serve))
    await settle()
    session.end()
    assert over == [], "a request and the application are still there"
    goes_on.set()
    await running
    assert over == [], "the request is still there"
    assert carrier.told == ["wake", "abandon", "finish True"]
    session.detach(carrier)
    assert over == [session]


def test_it_is_what_hubs_ask_for() -> None:
    connection: TransportConnection = carried()
    assert connection.id == "id"
    assert connection.scope.path == "/hub"
    assert connection.transfer_formats == frozenset(TransferFormat)


async def test_a_deadline_acts_once_at_the_first_heartbeat_after_it() -> None:
    session = carried()
    acted: list[str] = []
    session.set_deadline(2, lambda: acted.append("first"))
    session.set_deadline(3, lambda: acted.append("second"))
    for now in (1.0, 2.0, 2.9):
        session.tick(now)
    assert acted == []
    session.tick(3.5)
    session.tick(10.0)
    assert acted == ["second"]


async def test_heartbeats_go_on_after_the_end_so_that_an_application_that_does_not_read_can_notice() -> None:
    session = carried()
    noticed: list[bool] = []
    session.on_heartbeat(lambda now: noticed.append(session.lost))
    session.tick(1.0)
    session.abort()
    session.tick(2.0)
    assert noticed == [False, True]
    assert session.state is SessionState.ENDED


async def test_a_new_write_at_every_heartbeat_is_no_slow_write() -> None:
    session = carried()
    for second in range(30):
        session.write(Packet(b"x"))
        session.outbox.take()
        session.tick(0.0 + second)
        session.outbox.sent()
    assert session.state is SessionState.ATTACHED


@pytest.mark.statement(186)
async def test_an_expired_identity_ends_the_input_with_an_invitation_to_reconnect() -> None:
    session = carried(Identity("ada", expires_at=time.time() + 3600), close_on_token_expiry=True)
    session.tick(1.0)
    await session.inbox.feed(b"x")
    assert await session.receive() == b"x"
    assert not session.expired
    session.scope.identity = Identity("ada", expires_at=time.time() - 1)
    session.tick(2.0)
    assert session.expired
    with pytest.raises(ConnectionClosed) as caught:
        await session.receive()
    assert caught.value.allow_reconnect


@pytest.mark.parametrize("identity", [None, Identity("ada"), Identity("ada", expires_at=0)])
async def test_without_the_option_or_an_expiry_nothing_ends(identity: Identity | None) -> None:
    session = carried(identity, close_on_token_expiry=identity is None or identity.expires_at is None)
    session.tick(1.0)
    await session.inbox.feed(b"x")
    assert await session.receive() == b"x"


@pytest.mark.parametrize("end", [Session.abort, Session.peer_left])
async def test_a_negotiated_connection_can_end_before_anything_carries_it(end: Callable[[Session], None]) -> None:
    session = Session(connection_id="id", token="token", options=TransportOptions(), clock=ManualClock())
    assert session.transfer_formats == frozenset()
    end(session)
    assert session.lost
    assert not await session.inbox.feed(b"x")


async def test_a_full_outbox_ends_the_connection_with_the_reason() -> None:
    session = carried()
    chunk = Packet(b"x" * 300_000)
    for _ in range(4):
        assert not session.write(chunk), "each is above the high-water mark"
        await settle()
    with pytest.raises(SlowConsumerError, match="900000 bytes queued, capacity is 1048576"):
        await session.receive()


async def test_a_write_that_takes_too_long_ends_the_connection_with_the_reason() -> None:
    session = carried()
    session.write(Packet(b"x"))
    session.outbox.take()
    for now in (1.0, 10.9):
        session.tick(now)
        assert not session.lost
    session.tick(11.0)
    with pytest.raises(SendTimeout):
        await session.receive()


async def test_a_large_write_has_more_time_where_nobody_can_see_whether_it_goes_on() -> None:
    session = carried()
    session.write(Packet(b"x" * 3 * 1_048_576))
    session.outbox.take()
    for now in (1.0, 30.9):
        session.tick(now)
        assert not session.lost
    session.tick(31.0)
    with pytest.raises(SendTimeout, match="30 s"):
        await session.receive()


async def test_a_message_may_be_as_large_as_the_hub_says_and_a_larger_one_ends_nothing() -> None:
    session = carried(outbox_capacity=1000)
    session.use(TransferFormat.TEXT, maximum_message=2000)
    session.write(Packet(b"x" * 2000))
    with pytest.raises(SendTooLarge) as caught:
        session.write(Packet(b"x" * 2001))
    assert (caught.value.size, caught.value.limit) == (2001, 2000)
    assert not session.lost
    assert len(session.outbox) == 1


async def test_what_aborts_is_what_receive_raises_as_the_end_of_a_connection() -> None:
    session = carried()
    session.abort(ValueError("boom"))
    with pytest.raises(ConnectionClosed, match="boom") as caught:
        await session.receive()
    assert isinstance(caught.value.__cause__, ValueError)


async def test_an_application_that_reads_on_after_the_end_leaves_the_loop_to_others() -> None:
    session = carried()
    session.abort()
    assert await turns_during(session.receive, 10) >= 10


@pytest.mark.parametrize(
    ("error", "well"), [(None, True), (ConnectionClosed(), True), (KeyError("secret"), False)], ids=repr
)
async def test_only_an_unexpected_error_of_the_application_is_a_failure(
    error: Exception | None, well: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async def serve(connection: TransportConnection) -> None:
        connection.use(TransferFormat.BINARY)
        connection.end_input()
        if error is not None:
            raise error

    session = carried()
    assert await session.run(serve) is well
    assert ("connection id: the application failed" in caplog.text) is not well
    assert session.transfer_format is TransferFormat.BINARY


async def test_leaving_and_aborting_twice_is_once() -> None:
    session = carried()
    await session.inbox.feed(b"x")
    session.peer_left()
    session.abort(ValueError("late"))
    session.peer_left()
    assert await session.receive() == b"x"
    with pytest.raises(ConnectionClosed, match="the connection was closed"):
        await session.receive()
    assert not session.write(Packet(b"x"))
    await session.drain()


async def test_thousands_of_ends_by_the_transport_never_reach_the_bystander(sites: Sites) -> None:
    """Unknown ids, wrong verbs, refused upgrades, aborted connections: an echo next to them keeps answering."""
    site = sites()
    bystander = site.socket()
    await settle()
    for number in range(200):
        requests = [site.get("nonsense"), site.post("nonsense", b"x"), site.delete("nonsense")]
        sockets = [site.socket("id=nonsense"), site.socket()]
        sockets[1].leave(1006)
        poll = site.get(await site.token())
        for each in (*requests, poll):
            await each.answered()
        for socket in sockets:
            await socket.ended()
        bystander.say(str(number))
        await settle()
        assert "".join(str(each) for each in bystander.messages[-1:]) == str(number)
    await site.clock.advance(16)
    assert len(site.registry) == 1
    bystander.leave()
    await bystander.ended()
