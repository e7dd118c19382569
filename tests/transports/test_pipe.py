import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from hubline.connection import ConnectionScope, Identity, Transport, TransportConnection
from hubline.errors import ConnectionClosed, SendTimeout, SendTooLarge, SlowConsumerError
from hubline.transports.options import TransportOptions
from hubline.transports.pipe import Pipe, State
from hubline.wire.codec import TransferFormat
from hubline.wire.packet import Packet
from tests.transports.conftest import Sites
from tests.transports.driver import ManualClock, settle


def carried(identity: Identity | None = None, **options: Any) -> Pipe:
    pipe = Pipe(connection_id="id", token="token", options=TransportOptions(**options), clock=ManualClock())
    pipe.carry(Transport.LONG_POLLING, ConnectionScope({"type": "http", "path": "/hub"}, identity))
    return pipe


def test_it_is_what_hubs_ask_for() -> None:
    connection: TransportConnection = carried()
    assert connection.id == "id"
    assert connection.scope.path == "/hub"
    assert connection.transfer_formats == frozenset(TransferFormat)


async def test_a_deadline_acts_once_at_the_first_heartbeat_after_it() -> None:
    pipe = carried()
    acted: list[str] = []
    pipe.set_deadline(2, lambda: acted.append("first"))
    pipe.set_deadline(3, lambda: acted.append("second"))
    for now in (1001.0, 1002.0, 1002.9):
        pipe.tick(now)
    assert acted == []
    pipe.tick(1003.5)
    pipe.tick(1010.0)
    assert acted == ["second"]


async def test_heartbeats_go_on_after_the_end_so_that_an_application_that_does_not_read_can_notice() -> None:
    pipe = carried()
    noticed: list[bool] = []
    pipe.on_heartbeat(lambda now: noticed.append(pipe.lost))
    pipe.tick(1001.0)
    pipe.abort()
    pipe.tick(1002.0)
    assert noticed == [False, True]
    assert pipe.state is State.ENDED


async def test_a_new_write_at_every_heartbeat_is_no_slow_write() -> None:
    pipe = carried()
    for second in range(30):
        pipe.write(Packet(b"x"))
        pipe.outbox.take()
        pipe.tick(1000.0 + second)
        pipe.outbox.sent()
    assert pipe.state is State.ACTIVE


@pytest.mark.statement(186)
async def test_an_expired_identity_ends_the_input_with_an_invitation_to_reconnect() -> None:
    pipe = carried(Identity("ada", expires_at=time.time() + 3600), close_on_token_expiry=True)
    pipe.tick(1001.0)
    await pipe.inbox.feed(b"x")
    assert await pipe.receive() == b"x"
    assert not pipe.expired
    pipe.scope.identity = Identity("ada", expires_at=time.time() - 1)
    pipe.tick(1002.0)
    assert pipe.expired
    with pytest.raises(ConnectionClosed) as caught:
        await pipe.receive()
    assert caught.value.allow_reconnect


@pytest.mark.parametrize("identity", [None, Identity("ada"), Identity("ada", expires_at=0)])
async def test_without_the_option_or_an_expiry_nothing_ends(identity: Identity | None) -> None:
    pipe = carried(identity, close_on_token_expiry=identity is None or identity.expires_at is None)
    pipe.tick(1001.0)
    await pipe.inbox.feed(b"x")
    assert await pipe.receive() == b"x"


@pytest.mark.parametrize("end", [Pipe.abort, Pipe.leave])
async def test_a_negotiated_connection_can_end_before_anything_carries_it(end: Callable[[Pipe], None]) -> None:
    pipe = Pipe(connection_id="id", token="token", options=TransportOptions(), clock=ManualClock())
    assert pipe.transfer_formats == frozenset()
    pipe.between_polls()
    assert pipe.state is State.WAITING
    end(pipe)
    assert pipe.lost
    assert not await pipe.inbox.feed(b"x")


async def test_a_full_outbox_ends_the_connection_with_the_reason() -> None:
    pipe = carried()
    chunk = Packet(b"x" * 300_000)
    for _ in range(4):
        assert not pipe.write(chunk), "each is above the high-water mark"
        await settle()
    with pytest.raises(SlowConsumerError, match="900000 bytes queued, capacity is 1048576"):
        await pipe.receive()


async def test_a_write_that_takes_too_long_ends_the_connection_with_the_reason() -> None:
    pipe = carried()
    pipe.write(Packet(b"x"))
    pipe.outbox.take()
    for now in (1001.0, 1010.9):
        pipe.tick(now)
        assert not pipe.lost
    pipe.tick(1011.0)
    with pytest.raises(SendTimeout):
        await pipe.receive()


async def test_a_large_write_has_more_time_where_nobody_can_see_whether_it_goes_on() -> None:
    pipe = carried()
    pipe.write(Packet(b"x" * 3 * 1_048_576))
    pipe.outbox.take()
    for now in (1001.0, 1030.9):
        pipe.tick(now)
        assert not pipe.lost
    pipe.tick(1031.0)
    with pytest.raises(SendTimeout, match="30 s"):
        await pipe.receive()


async def test_a_message_may_be_as_large_as_the_hub_says_and_a_larger_one_ends_nothing() -> None:
    pipe = carried(outbox_capacity=1000)
    pipe.use(TransferFormat.TEXT, maximum_message=2000)
    pipe.write(Packet(b"x" * 2000))
    with pytest.raises(SendTooLarge) as caught:
        pipe.write(Packet(b"x" * 2001))
    assert (caught.value.size, caught.value.limit) == (2001, 2000)
    assert not pipe.lost
    assert len(pipe.outbox) == 1


async def test_what_aborts_is_what_receive_raises_as_the_end_of_a_connection() -> None:
    pipe = carried()
    pipe.abort(ValueError("boom"))
    with pytest.raises(ConnectionClosed, match="boom") as caught:
        await pipe.receive()
    assert isinstance(caught.value.__cause__, ValueError)


async def test_an_application_that_reads_on_after_the_end_leaves_the_loop_to_others() -> None:
    pipe, turns = carried(), 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    pipe.abort()
    for _ in range(10):
        with pytest.raises(ConnectionClosed):
            await pipe.receive()
    counting.cancel()
    assert turns >= 10


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

    pipe = carried()
    assert await pipe.serve(serve) is well
    assert ("connection id: the application failed" in caplog.text) is not well
    assert pipe.transfer_format is TransferFormat.BINARY


async def test_leaving_and_aborting_twice_is_once() -> None:
    pipe = carried()
    await pipe.inbox.feed(b"x")
    pipe.leave()
    pipe.abort(ValueError("late"))
    pipe.leave()
    assert await pipe.receive() == b"x"
    with pytest.raises(ConnectionClosed, match="the connection was closed"):
        await pipe.receive()
    assert not pipe.write(Packet(b"x"))
    await pipe.drain()


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
