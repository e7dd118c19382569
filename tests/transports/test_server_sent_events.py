"""Server-Sent Events: behaviour §2.3; bytes from `sse.json` of ASP.NET Core 10.0.12."""

import asyncio

import pytest

from hubline.connection import TransportConnection
from hubline.errors import ConnectionClosed, SendTimeout, SlowConsumerError
from hubline.testing import settle
from hubline.transports.options import TransportOptions
from hubline.wire.codec import TransferFormat
from hubline.wire.event_stream import event
from hubline.wire.packet import Packet
from tests.transports.conftest import Sites
from tests.transports.driver import Request, Site


async def opened(site: Site) -> tuple[str, Request]:
    token = await site.token()
    request = site.events(token)
    await settle()
    return token, request


class Log:
    """An echo that notes how it ended, and ends when it reads `stop`."""

    def __init__(self) -> None:
        self.connection: TransportConnection
        self.read: list[bytes] = []
        self.error: Exception | None = None

    async def serve(self, connection: TransportConnection) -> None:
        self.connection = connection
        try:
            while (data := await connection.receive()) != b"stop":
                self.read.append(data)
                connection.write(Packet(data))
        except ConnectionClosed as error:
            self.error = error
        connection.write(Packet(b"bye"))
        if b"fail" in self.read:
            raise ValueError("secret detail")


@pytest.mark.statement(55)
def test_an_event_is_data_lines_and_a_blank_line() -> None:
    assert event(b"{}\x1e") == b"data: {}\x1e\r\n\r\n"
    assert event(b'{"type":6}\x1e{"type":7}\x1e') == b'data: {"type":6}\x1e{"type":7}\x1e\r\n\r\n'


@pytest.mark.statement(56)
@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (b"a\nb", b"data: a\r\ndata: b\r\n\r\n"),
        (b"a\r\nb", b"data: a\r\ndata: b\r\n\r\n"),
        (b"\n", b"data: \r\ndata: \r\n\r\n"),
        (b"a\rb", b"data: a\rb\r\n\r\n"),
    ],
)
def test_a_line_feed_in_a_payload_makes_another_data_line(payload: bytes, expected: bytes) -> None:
    assert event(payload) == expected


@pytest.mark.statement(53, 54)
async def test_the_response_starts_with_its_headers_and_a_comment(site: Site) -> None:
    _, request = await opened(site)
    assert request.status == 200
    assert request.headers == {
        "content-type": "text/event-stream",
        "cache-control": "no-cache,no-store",
        "pragma": "no-cache",
        "content-encoding": "identity",
        "x-accel-buffering": "no",
    }
    assert request.chunks == [b":\r\n"]
    assert not request.complete
    request.vanish()
    await request.answered()


@pytest.mark.statement(34, 55)
async def test_what_is_posted_comes_back_as_events(site: Site) -> None:
    token, request = await opened(site)
    answer = await site.post(token, b"hello").answered()
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers == {"content-type": "text/plain", "content-length": "0"}
    await settle()
    assert request.chunks == [b":\r\n", b"data: hello\r\n\r\n"]
    request.vanish()
    await request.answered()


async def test_an_event_is_everything_that_waits(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    _, request = await opened(site)
    for payload in (b"a\x1e", b"b\x1e", b"c\x1e"):
        log.connection.write(Packet(payload))
    await settle()
    assert request.chunks[1:] == [b"data: a\x1eb\x1ec\x1e\r\n\r\n"]
    request.vanish()
    await request.answered()


@pytest.mark.statement(59)
async def test_it_carries_text_only_and_does_not_show_that_the_peer_lives(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    _, request = await opened(site)
    assert log.connection.transfer_formats == {TransferFormat.TEXT}
    assert not log.connection.has_inherent_keep_alive
    request.vanish()
    await request.answered()


@pytest.mark.statement(58)
async def test_a_second_request_for_events_is_409(site: Site) -> None:
    token, request = await opened(site)
    second = await site.events(token).answered()
    assert (second.status, second.body) == (409, b"")
    assert second.headers == {"content-type": "text/plain", "content-length": "0"}
    await site.post(token, b"hello").answered()
    await settle()
    assert request.chunks[1:] == [b"data: hello\r\n\r\n"]
    request.vanish()
    await request.answered()


@pytest.mark.statement(60)
async def test_a_client_that_goes_away_ends_the_input_after_what_it_had_sent(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token, request = await opened(site)
    await site.post(token, b"last words").answered()
    request.vanish()
    await request.answered()
    await settle()
    assert log.read == [b"last words"]
    assert type(log.error) is ConnectionClosed
    assert len(site.registry) == 0
    assert (await site.post(token, b"x").answered()).status == 404


@pytest.mark.parametrize("last", [b"stop", b"fail"])
async def test_the_end_of_the_application_ends_the_response_after_what_is_left(
    sites: Sites, caplog: pytest.LogCaptureFixture, last: bytes
) -> None:
    log = Log()
    site = sites(log.serve)
    token, request = await opened(site)
    await site.post(token, last).answered()
    if last == b"fail":
        await settle()
        log.connection.end_input()
    await request.answered()
    assert request.complete
    assert request.chunks[-2].endswith(b"data: bye\r\n\r\n")
    assert request.chunks[-1] == b""
    assert ("secret detail" in caplog.text) == (last == b"fail")
    assert len(site.registry) == 0
    assert (await site.post(token, b"x").answered()).status == 404


async def test_abort_ends_the_response_at_once(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    _, request = await opened(site)
    log.connection.write(Packet(b"lost"))
    log.connection.abort()
    await request.answered()
    assert request.chunks == [b":\r\n", b""]
    assert type(log.error) is ConnectionClosed


async def test_a_client_that_does_not_read_is_given_up_after_the_send_timeout(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    _, request = await opened(site)
    request.reads.clear()
    log.connection.write(Packet(b"data"))
    await site.clock.advance(11)
    assert isinstance(log.error, SendTimeout)
    await site.clock.advance(4)
    assert not request.task.done(), "the end of the response has its own limit"
    await site.clock.advance(1)
    await request.answered()
    assert len(site.registry) == 0


async def test_a_client_that_does_not_read_costs_a_bounded_amount(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve, options=TransportOptions(outbox_capacity=100_000))
    _, request = await opened(site)
    request.reads.clear()
    for _ in range(300):
        log.connection.write(Packet(b"x" * 1000))
        await asyncio.sleep(0)
    await settle()
    assert isinstance(log.error, SlowConsumerError)
    assert log.error.queued <= 100_000
    await site.clock.advance(5)
    await request.answered()


async def test_a_send_that_fails_means_the_client_is_gone(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    _, request = await opened(site)
    request.gone = True
    log.connection.write(Packet(b"data"))
    await request.answered()
    await settle()
    assert type(log.error) is ConnectionClosed
    assert len(site.registry) == 0


async def test_a_client_that_has_gone_leaves_no_writer(site: Site) -> None:
    token, request = await opened(site)
    await site.post(token, b"hello").answered()
    await settle()
    assert len(site.registry.tasks) == 3, "the heartbeat, the application and the writer"
    request.vanish()
    await request.answered()
    await site.clock.advance(2)
    assert len(site.registry.tasks) == 0


async def test_a_client_that_is_gone_before_the_response_starts(site: Site) -> None:
    request = site.events(await site.token())
    request.gone = True
    await request.answered()
    assert len(site.registry) == 0


async def test_an_application_that_takes_its_time_keeps_its_place_until_it_has_ended(sites: Sites) -> None:
    end = asyncio.Event()

    async def serve(connection: TransportConnection) -> None:
        await end.wait()

    site = sites(serve)
    token, request = await opened(site)
    request.vanish()
    await request.answered()
    assert len(site.registry) == 1
    assert (await site.post(token, b"x").answered()).status == 404
    end.set()
    await settle()
    assert len(site.registry) == 0


async def test_an_open_connection_that_is_idle_has_a_task_for_the_application_and_no_writer(site: Site) -> None:
    _, request = await opened(site)
    await site.clock.advance(120)
    assert request.chunks == [b":\r\n"]
    assert len(site.registry.tasks) == 2, "the application and the heartbeat"
    request.vanish()
    await request.answered()


@pytest.mark.parametrize("blocked", [None, 0, 4])
async def test_cancelling_the_request_at_each_await_leaves_nothing(sites: Sites, blocked: int | None) -> None:
    log = Log()
    site = sites(log.serve)
    for steps in range(12):
        request = site.events(await site.token())
        for step in range(steps):
            if step == blocked:
                request.reads.clear()
            if step == 6 and log.__dict__.get("connection"):
                log.connection.write(Packet(b"x"))
                log.connection.end_input()
            await asyncio.sleep(0)
        finished = request.task.done()
        request.task.cancel()
        await asyncio.wait([request.task])
        assert request.task.cancelled() or finished
        await settle()
        assert len(site.registry) == 0
