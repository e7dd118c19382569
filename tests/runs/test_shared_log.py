"""What a shared log does with the lease of its server, in each storage."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from hubline import BackplaneError
from hubline.runs import Run, RunLog, Runs
from hubline.runs.log import About, FencedError
from hubline.runs.shared_log import SharedRunLog
from hubline.testing import ManualClock
from tests.runs.fleet import fleet, say
from tests.runs.storages import SQL, Storage, log_at
from tests.valkey import LIMIT

LEASE = 10.0
"""Seconds."""

Owning = Callable[[RunLog], Awaitable[None]]


async def creating(log: RunLog) -> None:
    await log.create("second")


async def claiming(log: RunLog) -> None:
    await log.claim("first", fence=2)


@pytest.mark.rule("R30")
@pytest.mark.parametrize("owning", [creating, claiming])
async def test_a_server_that_was_forgotten_has_a_lease_before_it_owns_a_run(storage: Storage, owning: Owning) -> None:
    """It was cut off, and renews its lease only after a while: if it is killed before, its runs need another server."""
    clock = ManualClock()
    log = log_at(storage.url, lease=LEASE, clock=clock)
    try:
        await log.create("first")
        servers = await storage.servers()
        assert len(servers) == 1
        await storage.forget(*servers)
        clock._now += LEASE
        await owning(log)
        assert await storage.servers() == servers
    finally:
        await log.close()


@pytest.mark.rule("R30")
async def test_a_lease_that_cannot_have_lapsed_is_not_asked_for(storage: Storage) -> None:
    clock = ManualClock()
    log = log_at(storage.url, lease=LEASE, clock=clock)
    try:
        await log.create("first")
        await storage.forget(*await storage.servers())
        clock._now += LEASE / 2
        await log.create("second")
        assert await storage.servers() == set()
    finally:
        await log.close()


@pytest.mark.rule("R30")
async def test_a_run_that_its_server_loses_while_it_is_made_is_refused_as_when_the_storage_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had no lease for so long, because it got too little of the processor: a client may ask again."""
    log = log_at(f"sqlite:{tmp_path / 'runs.sqlite'}")
    runs = Runs(log=log, drain=0)

    async def nothing(run: Run) -> None: ...

    async def taken_over(about: About, *, fence: int = 1) -> None:
        raise FencedError(about["id"], fence, fence + 1)

    try:
        with monkeypatch.context() as patched:
            patched.setattr(log, "describe", taken_over)
            with pytest.raises(BackplaneError, match="was lost while it was made"):
                await runs.start(nothing, key="k")
        run = await runs.start(nothing, key="k")
        assert (await run.wait()).state == "completed"
    finally:
        await runs.drain()


@pytest.mark.rule("R30", "R34")
async def test_what_a_server_has_left_is_kept_while_it_waits_for_a_takeover(storage: Storage) -> None:
    gone, here = (log_at(storage.url, lease=LEASE, clock=ManualClock()) for _ in range(2))
    assert isinstance(here, SharedRunLog)
    try:
        await gone.create("run")
        (server,) = await storage.servers()
        await here.create("another")
        await storage.shorten("run", 5_000)
        assert await storage.life("run") <= 5_000
        await here._owned.spare(server)
        assert await storage.life("run") > 100_000
        assert await storage.unsettled("run") == 1
    finally:
        await gone.close()
        await here.close()


@pytest.mark.rule("R24", "R33")
@pytest.mark.parametrize("storage", SQL, indirect=True)
async def test_who_gives_up_watching_a_room_takes_its_news_from_nobody(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is heard is asked for again when the server was forgotten."""
    async with fleet(storage) as servers, asyncio.timeout(LIMIT):
        (first, second), log = servers.runs, servers.logs[1]
        watching: Any = second.watch("r")
        assert (await anext(watching))["runs"] == []
        with monkeypatch.context() as patched:
            asked = asyncio.Event()

            async def never(*_: object) -> None:
                asked.set()
                await asyncio.Event().wait()

            patched.setattr(log._database, "run", never)
            other: Any = second.watch("r")
            giving_up = asyncio.ensure_future(anext(other))
            await asked.wait()
            giving_up.cancel()
            await asyncio.wait([giving_up])
        await storage.forget(log.node)
        assert await log._leases.take()
        run = await first.start(say, asyncio.Queue(), room="r")
        assert (await anext(watching))["info"]["id"] == run.id
        await watching.aclose()
