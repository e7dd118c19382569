"""Each worker knows the figures of all: two apps in one process, as two workers with the hub between them."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from hubline import BackplaneError, Hub, HubApp, _worker, fellow_workers
from hubline._worker import Worker
from hubline.backplanes import BackplaneLink, BackplaneListener, local
from hubline.backplanes.local import LocalBackplane, LocalLink
from hubline.backplanes.local_hub import LocalHub
from hubline.fellow_workers import MISSED, FellowWorkers
from hubline.inspect import Inspect
from hubline.testing import ManualClock, connect, settle
from hubline.transports.registry_statistics import RegistryStatistics
from tests.valkey import until

LIMIT = 60.0


class Chat(Hub): ...


@pytest.fixture
def directory() -> Iterator[str]:
    with tempfile.TemporaryDirectory() as made:
        yield made


def app_of(worker: Worker, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> HubApp:
    monkeypatch.setattr(_worker, "current", worker)
    return HubApp({"/chat": Chat}, **settings)


@asynccontextmanager
async def hub_in(directory: str) -> AsyncIterator[LocalHub]:
    hub = LocalHub()
    await hub.start(f"{directory}/{_worker.HUB}")
    try:
        yield hub
    finally:
        await hub.close()


async def test_each_worker_tells_the_figures_of_all_and_forgets_who_leaves(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    apps = [app_of(Worker(number, directory, "s" * 32), monkeypatch) for number in range(2)]
    async with asyncio.timeout(LIMIT), hub_in(directory), apps[0].lifespan():
        async with apps[1].lifespan(), AsyncExitStack() as stack:
            for app in (apps[0], apps[1], apps[1]):
                await stack.enter_async_context(connect(app, "/chat"))

            async def all_three() -> bool:
                return all(app.statistics()["transports"].connections == 3 for app in apps)

            await until(all_three)
            for app in apps:
                found = app.statistics()
                assert found["hubs"][f"{__name__}.Chat"]["connections"] == 3
                assert [(each["number"], each["transports"].connections) for each in found["workers"]] == [
                    (0, 1),
                    (1, 2),
                ]
                assert app.ready

        async def alone() -> bool:
            return len(apps[0].statistics()["workers"]) == 1

        await until(alone)


async def test_a_server_alone_has_no_workers() -> None:
    assert "workers" not in HubApp({"/chat": Chat}).statistics()


FIGURES = (
    b'{"transports":{"connections":1,"waiting":0,"refused":0,"queued_bytes":0,"unread_bytes":0,"peak_bytes":0,'
    b'"dropped_messages":0},"hubs":{}}'
)


async def test_who_is_silent_is_left_out_and_whoever_reports_seldom_is_given_more_time(directory: str) -> None:
    clock = ManualClock()
    own = {"transports": RegistryStatistics(0, 0, 0, 0, 0, 0, 0), "hubs": {}}

    async def in_turns() -> dict[str, Any]:
        return own

    here = FellowWorkers(Worker(2, directory, "s" * 32), lambda: own, in_turns, lambda: True, clock)

    def present() -> list[int]:
        return [each["number"] for each in here.all()["workers"]]

    here.received("", b'["other version",1,8,true,1,{"transports":{},"hubs":{}}]')
    assert present() == [2], "what cannot be read is left out"
    here.received("", b'["soon",0,7,true,1,' + FIGURES + b"]")
    here.received("", b'["seldom",1,8,false,4,' + FIGURES + b"]")
    assert not here.ready
    await clock.advance(MISSED - 0.5)
    assert [each["age"] for each in here.all()["workers"]] == [4.5, 4.5, 0.0]
    assert here.all()["transports"].connections == 2
    await clock.advance(1)
    assert present() == [1, 2]
    await clock.advance(MISSED * 4)
    assert present() == [2]
    assert here.ready
    here.received("", b'["soon",0,7,true,1,' + FIGURES + b"]")
    assert present() == [0, 2]
    here.received("", b'["soon"]')
    assert present() == [2], "it has said that it leaves"


async def test_a_worker_that_could_not_subscribe_at_first_hears_the_others_later(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hub ended between the connection and the subscription."""
    clock, links = ManualClock(), list[LocalLink]()

    class Unlucky(LocalLink):
        async def subscribe(self, channels: Sequence[str]) -> None:
            links.append(self)
            if len(links) == 1:
                raise BackplaneError("the connection to the other workers was lost")
            await super().subscribe(channels)

    monkeypatch.setattr(local, "LocalLink", Unlucky)
    own = {"transports": RegistryStatistics(0, 0, 0, 0, 0, 0, 0), "hubs": {}}

    async def in_turns() -> dict[str, Any]:
        return own

    worker = Worker(0, directory, "s" * 32)
    fellows = FellowWorkers(worker, lambda: own, in_turns, lambda: True, clock)
    async with asyncio.timeout(LIMIT), hub_in(directory) as hub:
        fellows.start()

        async def tried() -> bool:
            await clock.advance(0)
            return len(links) > 0

        await until(tried)

        async def heard() -> bool:
            await clock.advance(fellow_workers.INTERVAL)
            return fellows._channel in hub._channels

        await until(heard)
        assert links[0]._closed
        await fellows.close()


@pytest.mark.parametrize("said", [b'["another"]', b"[]", b"{}", b"1", b'["another",7]', b"[" * 100_000, b"\xff"])
async def test_nothing_that_another_version_says_ends_the_link(directory: str, said: bytes) -> None:
    own = {"transports": RegistryStatistics(0, 0, 0, 0, 0, 0, 0), "hubs": {}}

    async def in_turns() -> dict[str, Any]:
        return own

    fellows = FellowWorkers(Worker(0, directory, "s" * 32), lambda: own, in_turns, lambda: True, ManualClock())
    for channel in (fellows._channel, fellows._asked, fellows._answered):
        assert fellows.received(channel, said) is False
    await settle()
    await fellows.close()


async def test_a_question_that_comes_while_a_worker_leaves_is_not_answered(
    directory: str, caplog: pytest.LogCaptureFixture
) -> None:
    own = {"transports": RegistryStatistics(0, 0, 0, 0, 0, 0, 0), "hubs": {}}

    async def in_turns() -> dict[str, Any]:
        return own

    fellows = FellowWorkers(Worker(0, directory, "s" * 32), lambda: own, in_turns, lambda: True, ManualClock())
    await fellows.close()
    fellows.received(fellows._asked, b'["another",1]')
    await settle()
    assert caplog.records == []


class OutOfReach(LocalBackplane):
    async def connect(self, listener: BackplaneListener) -> BackplaneLink:
        raise BackplaneError("nobody is there")


async def test_no_worker_is_ready_while_another_is_cut_off_and_one_that_leaves_does_not_count(
    directory: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    well = app_of(Worker(0, directory, "s" * 32), monkeypatch)
    cut_off = app_of(Worker(1, directory, "s" * 32), monkeypatch, backplane=OutOfReach("nowhere"), drain_timeout=0)

    async def is_ready() -> bool:
        return well.ready

    async def is_not_ready() -> bool:
        return not well.ready

    async with asyncio.timeout(LIMIT), hub_in(directory), well.lifespan(), cut_off.lifespan():
        await until(is_not_ready)
        await cut_off.drain()
        assert not cut_off.ready
        await until(is_ready)


async def test_each_worker_can_ask_the_others(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    apps = [app_of(Worker(number, directory, "s" * 32), monkeypatch) for number in range(3)]
    monkeypatch.setattr(_worker, "current", None)
    inspects = [Inspect(app, allow="admin") for app in apps[:2]]  # the last one has none, as an older version has not
    async with asyncio.timeout(LIMIT), hub_in(directory), AsyncExitStack() as stack:
        for app in apps:
            await stack.enter_async_context(app.lifespan())
        for app in (apps[0], apps[1], apps[1]):
            await stack.enter_async_context(connect(app, "/chat"))

        async def known() -> bool:
            return all(len(app.statistics()["workers"]) == 3 for app in apps)

        await until(known)
        for inspect in inspects:
            found = await inspect.state()
            assert found["connections"]["count"] == 3
            assert len(found["processes"]) == 2
            assert found["hubs"][0]["connections"] == 3


async def test_who_does_not_answer_is_left_out(directory: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fellow_workers, "ANSWERED_WITHIN", 0.05)
    app = app_of(Worker(0, directory, "s" * 32), monkeypatch)
    fellows = app._fellows
    assert fellows is not None
    assert await fellows.ask() == [], "it has not begun"
    async with asyncio.timeout(LIMIT), hub_in(directory), app.lifespan():
        fellows.received("", b'["hangs",1,8,true,1000,' + FIGURES + b"]")

        async def linked() -> bool:
            return fellows._link is not None

        await until(linked)
        assert await fellows.ask() == []
        fellows.received(fellows._answered, f'["{fellows._id}",1,{{}}]'.encode())  # too late for its question
