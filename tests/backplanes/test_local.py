"""The backplane of the workers of one machine, against the suite for all of them, and what happens to its hub."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import cast

import pytest

from hubline import BackplaneError
from hubline.backplanes.lines import LONGEST_PAUSE, PATIENCE
from hubline.backplanes.local import LocalBackplane
from hubline.backplanes.local_frames import HEAD, UNREAD, Done, Subscribe, frame
from hubline.backplanes.local_hub import LocalHub
from hubline.testing import BackplaneSuite, ManualClock
from hubline.testing.backplane import Heard, MakeBackplane
from tests.valkey import until


@asynccontextmanager
async def hub_at(path: str) -> AsyncIterator[LocalHub]:
    hub = LocalHub()
    await hub.start(path)
    try:
        yield hub
    finally:
        await hub.close()


async def until_empty(hub: LocalHub) -> None:
    """Return when it has read of the end of all connections, and nothing is left of them."""

    async def is_empty() -> bool:
        return not hub._workers

    await until(is_empty)
    assert hub._channels == {}


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "hub")


class TestLocalBackplane(BackplaneSuite):
    @pytest.fixture(autouse=True)
    def own_path(self, path: str) -> None:
        self.path = path

    @asynccontextmanager
    async def backplanes(self) -> AsyncIterator[MakeBackplane]:
        async with hub_at(self.path) as hub:
            yield lambda: LocalBackplane(self.path)
            await until_empty(hub)


async def test_without_a_hub_there_is_no_link(path: str) -> None:
    with pytest.raises(BackplaneError, match="cannot be reached"):
        await LocalBackplane(path).connect(Heard())


async def test_a_hub_that_starts_again_has_its_subscriptions_back_and_the_gap_is_told(path: str) -> None:
    told = asyncio.Event()
    backplane = LocalBackplane(path, clock=(clock := ManualClock()))

    class Told(Heard):
        def interrupted(self, since: datetime, until: datetime) -> None:
            super().interrupted(since, until)
            told.set()

    heard = Told()
    async with hub_at(path):
        link = await backplane.connect(heard)
        await link.subscribe(["a", "b"])
        await link.unsubscribe(["b"])
    with pytest.raises(BackplaneError):
        await link.publish(["a"], b"lost")
    async with hub_at(path) as hub:
        while not told.is_set():
            await clock.advance(LONGEST_PAUSE)
        assert await link.publish(["a", "b"], b"again") == 1
        assert await heard.take(1) == [("a", b"again")]
        [(since, until)] = heard.gaps
        assert since <= until
        await link.close()
        await until_empty(hub)


async def test_a_hub_that_does_not_answer_is_left(path: str) -> None:
    asked = asyncio.Event()

    class Dumb(asyncio.Protocol):
        """Answers the first subscription, then nothing."""

        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.Transport", transport)
            self.answered = False

        def data_received(self, data: bytes) -> None:
            if self.answered:
                asked.set()
            else:
                self.answered = True
                self.transport.write(frame(Done(0, 0)))

    server = await asyncio.get_running_loop().create_unix_server(Dumb, path)
    clock = ManualClock()
    link = await LocalBackplane(path, clock=clock).connect(Heard())
    publishing = asyncio.ensure_future(link.publish(["a"], b"x"))
    await asked.wait()
    while not publishing.done():
        await clock.advance(PATIENCE)
    with pytest.raises(BackplaneError, match="lost"):
        await publishing
    await link.close()
    server.close()


async def test_who_does_not_read_loses_the_connection_and_holds_nobody_up(path: str) -> None:
    async with hub_at(path):
        slow = await asyncio.open_unix_connection(path)
        slow[1].write(frame(Subscribe(0, ["a"])))
        assert (await slow[0].readexactly(HEAD))[-1] > 0
        slow[1].transport.pause_reading()  # type: ignore[attr-defined]
        heard = Heard()
        link = await LocalBackplane(path).connect(heard)
        await link.subscribe(["a"])
        payload = bytes(4 * 1024 * 1024)
        receivers: int | None = 2
        for _ in range(40):
            receivers = await link.publish(["a"], payload)
            if receivers == 1:
                break
        assert receivers == 1
        assert (await heard.take(1))[0][1] == payload
        await link.close()
        slow[1].close()


async def test_a_message_to_many_users_of_a_worker_does_not_cut_it_off(
    path: str, caplog: pytest.LogCaptureFixture
) -> None:
    users = [f"user {number}" for number in range(1_000)]
    async with hub_at(path) as hub:
        heard = Heard()
        link = await LocalBackplane(path).connect(heard)
        await link.subscribe(users)
        payload = bytes(UNREAD // 500)
        assert await link.publish(users, payload) == len(users)
        assert await heard.take(len(users)) == [(user, payload) for user in users]
        assert heard.gaps == []
        assert len(hub._workers) == 1
        await link.close()
    assert caplog.messages == []


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", frame(Done(1, 1))])
async def test_who_sends_nonsense_is_thrown_out(path: str, data: bytes) -> None:
    async with hub_at(path) as hub:
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(data)
        assert await reader.read() == b""
        assert hub._workers == set()
        writer.close()


async def test_a_listener_that_asks_for_a_turn_gets_one_between_two_messages(path: str) -> None:
    turns: list[str] = []

    class Full(Heard):
        def received(self, channel: str, payload: bytes) -> bool:
            turns.append(payload.decode())
            asyncio.get_running_loop().call_soon(turns.append, "a turn")
            super().received(channel, payload)
            return True

    async with hub_at(path):
        heard = Full()
        link = await LocalBackplane(path).connect(heard)
        await link.subscribe(["a"])
        await asyncio.gather(*(link.publish(["a"], each) for each in (b"1", b"2")))
        await heard.take(2)
        assert turns[:3] == ["1", "a turn", "2"]
        await link.close()


class Scripted(asyncio.Protocol):
    """A hub that answers its first `answered` connections, and of the later ones ends each that asks for something."""

    def __init__(self, ends: asyncio.Event, made: list["Scripted"], answered: int) -> None:
        self.ends, self.made, self.answered = ends, made, answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.made.append(self)

    def data_received(self, data: bytes) -> None:
        if len(self.made) <= self.answered or self.ends.is_set():
            self.transport.write(frame(Done(0, 0)))
        else:
            self.transport.abort()
            self.ends.set()


async def test_a_gap_begins_where_something_was_heard_last_however_often_the_hub_is_lost_meanwhile(
    path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, made, ends, told = 1000.0, list[Scripted](), asyncio.Event(), asyncio.Event()
    monkeypatch.setattr("hubline.backplanes.local.time.time", lambda: now)

    class Told(Heard):
        def interrupted(self, since: datetime, until: datetime) -> None:
            super().interrupted(since, until)
            told.set()

    loop, clock, heard = asyncio.get_running_loop(), ManualClock(), Told()
    server = await loop.create_unix_server(lambda: Scripted(ends, made, 1), path)
    link = await LocalBackplane(path, clock=clock).connect(heard)
    now = 2000.0
    made[0].transport.abort()
    while not told.is_set():  # the second connection is accepted, and lost before it hears anything
        await clock.advance(LONGEST_PAUSE)
    assert len(made) == 3
    assert [since.timestamp() for since, _ in heard.gaps] == [1000.0]
    await link.close()
    server.close()


async def test_who_subscribes_again_while_it_is_given_up_hears_it(path: str) -> None:
    async with hub_at(path):
        heard = Heard()
        link = await LocalBackplane(path).connect(heard)
        await link.subscribe(["a"])
        await asyncio.gather(link.unsubscribe(["a"]), link.subscribe(["a"]))
        assert await link.publish(["a"], b"news") == 1
        assert await heard.take(1) == [("a", b"news")]
        await link.close()


async def test_who_is_cancelled_while_giving_up_can_subscribe_again(path: str) -> None:
    async with hub_at(path):
        link = await LocalBackplane(path).connect(Heard())
        await link.subscribe(["a"])
        leaving = asyncio.ensure_future(link.unsubscribe(["a"]))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        await link.subscribe(["a"])
        assert await link.publish(["a"], b"news") == 1
        await link.close()


async def test_a_name_that_nobody_can_send_is_an_error_and_no_request_that_waits_for_ever(path: str) -> None:
    clock = ManualClock()
    async with hub_at(path):
        link = await LocalBackplane(path, clock=clock).connect(heard := Heard())
        for ask in (link.subscribe(["\ud800"]), link.publish(["\ud800"], b"x")):
            with pytest.raises(BackplaneError, match="no name of a channel"):
                await ask
        for _ in range(3):
            await clock.advance(PATIENCE)
        await link.subscribe(["a"])
        assert await link.publish(["a"], b"x") == 1
        assert heard.gaps == []
        await link.close()
