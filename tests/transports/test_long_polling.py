"""Long polling: behaviour §2.4; bytes from `long-polling.json` of ASP.NET Core 10.0.12, and from asking it."""

import asyncio
from contextlib import suppress

import pytest

from hubline.connection import TransportConnection
from hubline.errors import ConnectionClosed, SendTimeout, SlowConsumerError
from hubline.testing import settle
from hubline.transports.options import TransportOptions
from hubline.wire.codec import TransferFormat
from hubline.wire.packet import Packet
from tests.transports.conftest import Sites
from tests.transports.driver import Request, Site

NO_CACHE = {
    "cache-control": "no-cache, no-store",
    "pragma": "no-cache",
    "expires": "Thu, 01 Jan 1970 00:00:00 GMT",
}
OUTPUT = {"content-type": "application/octet-stream"} | NO_CACHE
PLAIN = {"content-type": "text/plain"} | NO_CACHE


@pytest.fixture(params=[False, True], ids=["asked", "told"], autouse=True)
def tells(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A poll learns that its client has gone from ASGI's `receive`, or from a server that says so."""
    monkeypatch.setattr(Site, "tells", request.param)


class Log:
    """An echo that notes how it ended, and ends when it reads `stop`."""

    def __init__(self) -> None:
        self.connection: TransportConnection
        self.read: list[bytes] = []
        self.error: Exception | None = None
        self.ends: list[type[Exception]] = []
        self.runs = 0

    async def serve(self, connection: TransportConnection) -> None:
        self.connection = connection
        self.runs += 1
        try:
            while (data := await connection.receive()) != b"stop":
                self.read.append(data)
                connection.write(Packet(data))
        except ConnectionClosed as error:
            self.error = error
            self.ends.append(type(error))


async def waiting(site: Site, token: str) -> Request:
    request = site.get(token)
    await settle()
    return request


@pytest.mark.statement(62, 67)
async def test_the_first_poll_starts_the_application_and_is_answered_at_once(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    answer = await site.get(await site.token()).answered()
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers == OUTPUT | {"content-length": "0"}
    await settle()
    assert log.runs == 1


@pytest.mark.statement(71)
async def test_it_carries_both_formats_and_shows_by_itself_that_the_peer_lives(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    await site.polling()
    await settle()
    assert log.connection.transfer_formats == frozenset(TransferFormat)
    assert log.connection.has_inherent_keep_alive


@pytest.mark.statement(34, 63, 67)
async def test_a_poll_is_answered_with_everything_that_waits(site: Site) -> None:
    token = await site.polling()
    for payload in (b"a\x1e", b"b\x1e"):
        assert (await site.post(token, payload).answered()).status == 200
    await settle()
    answer = await site.get(token).answered()
    assert (answer.status, answer.body) == (200, b"a\x1eb\x1e")
    assert answer.headers == OUTPUT | {"content-length": "4"}


@pytest.mark.statement(72)
async def test_a_waiting_poll_is_answered_as_soon_as_there_is_output_whatever_bytes_it_is(site: Site) -> None:
    token = await site.polling()
    poll = await waiting(site, token)
    assert not poll.task.done()
    await site.post(token, b"\x02\x91\x06\xff\n").answered()
    answer = await poll.answered()
    assert (answer.status, answer.body) == (200, b"\x02\x91\x06\xff\n")


async def test_one_answer_may_be_as_large_as_the_outbox(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    await settle()
    for _ in range(10):
        log.connection.write(Packet(b"x" * 100_000))
    assert len((await site.get(token).answered()).body) == 1_000_000


@pytest.mark.statement(64, 67)
async def test_a_poll_without_output_is_answered_empty_after_90_seconds(site: Site) -> None:
    token = await site.polling()
    poll = await waiting(site, token)
    await site.clock.advance(89)
    assert not poll.task.done()
    await site.clock.advance(1)
    answer = await poll.answered()
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers == PLAIN | {"content-length": "0"}
    await site.post(token, b"x").answered()
    assert (await site.get(token).answered()).body == b"x"


@pytest.mark.statement(65, 67)
async def test_a_newer_poll_ends_an_older_one_and_waits_in_its_place(site: Site) -> None:
    token = await site.polling()
    first = await waiting(site, token)
    second = await waiting(site, token)
    answer = await first.answered()
    assert (answer.status, answer.body, answer.headers) == (204, b"", PLAIN)
    assert not second.task.done()
    await site.post(token, b"hello").answered()
    assert (await second.answered()).body == b"hello"


async def test_of_many_polls_at_once_the_newest_waits_and_the_others_end(site: Site) -> None:
    token = await site.polling()
    polls = [site.get(token) for _ in range(5)]
    await settle()
    assert [poll.task.done() for poll in polls] == [True] * 4 + [False]
    assert [poll.status for poll in polls[:4]] == [204] * 4
    await site.post(token, b"x").answered()
    assert (await polls[4].answered()).body == b"x"


async def test_a_superseded_poll_does_not_take_what_the_newer_one_should_have(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    first = await waiting(site, token)
    second = site.get(token)
    await asyncio.sleep(0)  # the newer one has ended the older one, which has not run yet
    log.connection.write(Packet(b"for the newer one"))
    assert (await first.answered()).status == 204
    assert (await second.answered()).body == b"for the newer one"


async def test_a_second_poll_waits_for_the_answer_of_the_first_to_be_written(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.token()
    first = site.get(token)
    first.reads.clear()
    second = await waiting(site, token)
    assert second.sent == []
    first.reads.set()
    assert (await first.answered()).status == 200
    await settle()
    log.connection.write(Packet(b"x"))
    assert (await second.answered()).body == b"x"
    assert log.runs == 1


async def test_a_poll_that_waits_its_turn_when_the_connection_ends_is_answered_204(site: Site) -> None:
    token = await site.token()
    first = site.get(token)
    first.reads.clear()
    second = await waiting(site, token)
    assert (await site.delete(token).answered()).status == 202
    first.reads.set()
    assert (await first.answered()).status == 200
    assert (await second.answered()).status == 204


@pytest.mark.statement(66, 67)
async def test_after_the_application_ended_the_rest_is_delivered_then_204_then_404(site: Site, sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    await site.post(token, b"a").answered()
    await settle()
    await site.post(token, b"stop").answered()
    await settle()
    answers = [await site.get(token).answered() for _ in range(3)]
    assert [(each.status, each.body) for each in answers] == [
        (200, b"a"),
        (204, b""),
        (404, b"No Connection with that ID"),
    ]
    assert answers[1].headers == PLAIN
    assert len(site.registry) == 0


async def test_a_poll_that_waits_when_the_application_ends_is_answered_204(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    poll = await waiting(site, token)
    await site.post(token, b"stop").answered()
    assert (await poll.answered()).status == 204
    assert len(site.registry) == 0


async def test_an_application_that_fails_ends_as_any_other(sites: Sites, caplog: pytest.LogCaptureFixture) -> None:
    async def serve(connection: TransportConnection) -> None:
        await connection.receive()
        raise ValueError("secret detail")

    site = sites(serve)
    token = await site.polling()
    poll = await waiting(site, token)
    await site.post(token, b"x").answered()
    answer = await poll.answered()
    assert (answer.status, answer.body) == (204, b"")
    assert "secret detail" in caplog.text


@pytest.mark.statement(68)
async def test_a_client_that_does_not_poll_for_15_seconds_is_gone(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    await site.clock.advance(14)
    assert log.ends == []
    await site.post(token, b"unread till the end").answered()
    await site.clock.advance(1)
    assert log.ends == [ConnectionClosed]
    assert log.read == [b"unread till the end"]
    assert (await site.get(token).answered()).status == 404
    assert len(site.registry) == 0


async def test_a_poll_starts_the_15_seconds_anew(site: Site) -> None:
    token = await site.polling()
    for _ in range(3):
        await site.clock.advance(14)
        await site.post(token, b"x").answered()
        assert (await site.get(token).answered()).status == 200


async def test_a_client_that_goes_away_during_a_poll_may_come_back_and_has_lost_nothing(site: Site) -> None:
    token = await site.polling()
    poll = await waiting(site, token)
    poll.vanish()
    await poll.answered()
    assert poll.sent == []
    await site.post(token, b"kept").answered()
    await site.clock.advance(14)
    assert (await site.get(token).answered()).body == b"kept"


async def test_a_client_that_goes_away_during_a_poll_and_stays_away_is_gone_after_15_seconds(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    poll = await waiting(site, await site.polling())
    poll.vanish()
    await site.clock.advance(15)
    assert type(log.error) is ConnectionClosed


@pytest.mark.statement(69, 70)
async def test_delete_ends_the_connection(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    poll = await waiting(site, token)
    answer = await site.delete(token).answered()
    assert (answer.status, answer.body) == (202, b"")
    assert answer.headers == {"content-type": "text/plain", "content-length": "0"}
    ended = await poll.answered()
    assert (ended.status, ended.body, ended.headers) == (204, b"", PLAIN)
    await settle()
    assert type(log.error) is ConnectionClosed
    for request in (site.get(token), site.post(token, b"x"), site.delete(token)):
        answer = await request.answered()
        assert (answer.status, answer.body) == (404, b"No Connection with that ID")
    assert len(site.registry) == 0


async def test_what_was_posted_before_delete_is_still_read(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    post, delete = site.post(token, b"last words"), site.delete(token)
    assert (await post.answered()).status == 200
    assert (await delete.answered()).status == 202
    await settle()
    assert log.read == [b"last words"]


async def test_a_poll_that_waits_brings_the_last_words_of_the_application_after_delete(sites: Sites) -> None:
    """As wire/long-polling.json has it: a hub says `Close`, then the connection is unknown."""

    async def serve(connection: TransportConnection) -> None:
        with pytest.raises(ConnectionClosed):
            await connection.receive()
        connection.write(Packet(b"good-bye"))

    site = sites(serve)
    token = await site.polling()
    poll = await waiting(site, token)
    assert (await site.delete(token).answered()).status == 202
    last = await poll.answered()
    assert (last.status, last.body) == (200, b"good-bye")
    assert (await site.get(token).answered()).status == 404
    assert len(site.registry) == 0


async def test_delete_does_not_cut_off_an_application_that_is_still_finishing(sites: Sites) -> None:
    end = asyncio.Event()

    async def serve(connection: TransportConnection) -> None:
        with pytest.raises(ConnectionClosed):
            await connection.receive()
        await end.wait()

    site = sites(serve)
    token = await site.polling()
    assert (await site.delete(token).answered()).status == 202
    await settle()
    assert len(site.registry) == 1
    end.set()
    await settle()
    assert len(site.registry) == 0


@pytest.mark.statement(73)
async def test_the_scope_is_that_of_the_first_poll(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.token()
    await site.get(f"{token}&page=first", headers={"x-mark": "first"}).answered()
    await settle()
    poll = site.get(f"{token}&page=second", headers={"x-mark": "second"})
    await settle()
    assert log.connection.scope.query["page"] == "first"
    assert log.connection.scope.headers["x-mark"] == "first"
    log.connection.end_input()
    await poll.answered()


async def test_abort_ends_a_waiting_poll_with_204(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    poll = await waiting(site, token)
    log.connection.abort()
    assert (await poll.answered()).status == 204
    assert (await site.get(token).answered()).status == 404


async def test_a_poll_whose_client_does_not_read_is_given_up_after_the_send_timeout(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    await settle()
    poll = site.get(token)
    poll.reads.clear()
    log.connection.write(Packet(b"data"))
    await site.clock.advance(10)
    assert log.error is None
    await site.clock.advance(1)
    assert isinstance(log.error, SendTimeout)
    await poll.answered()
    assert poll.sent == []
    assert len(site.registry) == 0


async def test_a_poll_whose_client_is_gone_when_it_is_answered_loses_its_output(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    poll = await waiting(site, token)
    poll.gone = True
    log.connection.write(Packet(b"lost"))
    await poll.answered()
    log.connection.write(Packet(b"next"))
    assert (await site.get(token).answered()).body == b"next"
    await site.clock.advance(14)
    assert log.error is None, "the lost answer does not count as a slow write"


async def says_good_bye(connection: TransportConnection) -> None:
    with suppress(ConnectionClosed):
        await connection.receive()
    connection.write(Packet(b"bye"))


async def test_draining_waits_for_whoever_may_poll_again_and_not_for_who_broke_a_poll_off(sites: Sites) -> None:
    site = sites(says_good_bye)
    gone, between, came_back = [await site.polling() for _ in "123"]
    for token in (gone, came_back):
        (await waiting(site, token)).vanish()
        await settle()
    again = await waiting(site, came_back)
    for session in site.registry:
        session.end_input()
    draining = asyncio.ensure_future(site.registry.drain(10))
    assert (await again.answered()).body == b"bye"
    assert (await site.get(came_back).answered()).status == 204
    assert len(site.registry) == 1
    assert not draining.done()
    assert (await site.get(between).answered()).body == b"bye"
    assert (await site.get(between).answered()).status == 204
    await settle()
    assert draining.done()


async def test_who_broke_a_poll_off_may_say_that_it_is_done(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    (await waiting(site, token)).vanish()
    await settle()
    log.connection.end_input()
    await settle()
    assert (await site.delete(token).answered()).status == 202
    assert len(site.registry) == 0


async def test_output_that_nobody_fetches_is_bounded(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve, options=TransportOptions(outbox_capacity=10_000))
    token = await site.polling()
    await settle()
    for _ in range(11):
        log.connection.write(Packet(b"x" * 1000))
        await asyncio.sleep(0)
    await settle()
    assert isinstance(log.error, SlowConsumerError)
    assert (await site.get(token).answered()).status == 404
    assert len(site.registry) == 0


async def test_a_burst_waits_for_the_next_poll_whatever_its_size(sites: Sites) -> None:
    log = Log()
    site = sites(log.serve, options=TransportOptions(outbox_capacity=10_000, outbox_messages=100))
    token = await site.polling()
    poll = await waiting(site, token)
    assert not log.connection.unoffered
    log.connection.write(Packet(b"f" * 65_537))
    assert log.connection.unoffered
    assert (await poll.answered()).body == b"f" * 65_537
    for _ in range(900):
        log.connection.write(Packet(b"x" * 1000))
    assert not log.connection.unoffered, "between two polls a turn of the loop is of no use"
    await settle()
    assert (await site.get(token).answered()).body == b"x" * 900_000
    assert log.error is None


@pytest.mark.parametrize("blocked", [None, 0, 3])
@pytest.mark.parametrize("output", [b"", b"x"])
async def test_cancelling_a_poll_at_each_await_leaves_the_connection_usable(
    sites: Sites, output: bytes, blocked: int | None
) -> None:
    log = Log()
    site = sites(log.serve)
    token = await site.polling()
    await settle()
    for steps in range(8):
        if output:
            log.connection.write(Packet(output))
        poll = site.get(token)
        for step in range(steps):
            if step == blocked:
                poll.reads.clear()
            await asyncio.sleep(0)
        finished = poll.task.done()
        poll.task.cancel()
        await asyncio.wait([poll.task])
        assert poll.task.cancelled() or finished
    await settle()
    log.connection.write(Packet(b"end"))
    assert (await site.get(token).answered()).body.endswith(b"end")
    await site.clock.advance(14)
    assert log.error is None
