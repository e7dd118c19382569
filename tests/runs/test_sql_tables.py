"""The tables of a log in SQL: their version, what they hold, and what is removed from them."""

import asyncio

import pytest

from hubline.errors import BackplaneError
from hubline.runs import Run, Runs
from tests.runs.fleet import fleet, until_holds
from tests.runs.storages import SQL, Storage, log_at

pytestmark = pytest.mark.parametrize("storage", SQL, indirect=True)

TABLES = ("", "_entries", "_listed", "_keys", "_places", "_mail")


async def left(storage: Storage) -> dict[str, int]:
    """How many rows the tables have, but for those of living servers."""
    found = {}
    for table in TABLES:
        ((count,),) = await storage.rows(f"SELECT count(*) FROM hubline_runs{table}")
        if count:
            found[table] = count
    return found


async def test_tables_of_a_newer_version_are_refused(storage: Storage) -> None:
    log = log_at(storage.url)
    await log.create("run-1")
    await log.close()
    await storage.change("UPDATE hubline_runs_version SET version = 2")
    log = log_at(storage.url)
    with pytest.raises(BackplaneError, match="of version 2, and this release knows 1: use a newer release"):
        await log.create("run-2")
    await log.close()


@pytest.mark.rule("R34")
async def test_what_has_ended_expires_and_nothing_is_left(storage: Storage) -> None:
    runs = Runs(log=log_at(storage.url, lease=0.1), keep=0.1, keep_keys=0.1, drain=0)

    async def answer(run: Run) -> None:
        await run.text("a")

    for number in range(3):
        run = await runs.start(answer, room="r", starter="alice", key=str(number))
        assert (await run.wait()).state == "completed"

    async def none() -> bool:
        return await left(storage) == {}

    await until_holds(none)
    await runs.drain()


@pytest.mark.rule("R34")
async def test_a_silent_run_outlives_the_time_for_which_its_server_is_remembered(storage: Storage) -> None:
    async with fleet(storage, 1, lease=0.05) as servers:
        (runs,) = servers.runs
        go = asyncio.Event()

        async def silent(run: Run) -> None:
            await run.text("a ")
            await go.wait()
            await run.text("b ")

        run = await runs.start(silent, room="r", starter="alice", key="k")
        before, renewed = await storage.life(run.id), 0

        async def often() -> bool:
            nonlocal before, renewed
            now = await storage.life(run.id)
            renewed += now > before
            before = now
            return renewed >= 10

        await until_holds(often)
        assert (await left(storage)).keys() >= {"", "_entries", "_listed", "_keys", "_places"}
        go.set()
        assert (await run.wait()).state == "completed"


@pytest.mark.rule("R30")
async def test_what_a_server_that_is_gone_left_expires(storage: Storage) -> None:
    gone = log_at(storage.url, lease=0.05)
    await gone.create("run-1")
    await gone.append("run-1", [{"kind": "text", "part": "1", "text": "a"}])
    await gone.close()
    runs = Runs(log=log_at(storage.url, lease=0.05), drain=0)
    assert await runs.room_runs("none") == []
    await storage.change("UPDATE hubline_runs SET until = 1")

    async def none() -> bool:
        return await left(storage) == {}

    await until_holds(none)
    await runs.drain()


LONG_NAME = "x" * 5_000
ODD = ("", "a", "A", "a'; --", "\0", "\ud800", "é", "\U0001f469", LONG_NAME, LONG_NAME + "y", "{runs}?%s")


async def test_names_of_any_characters_and_length_are_different_names(storage: Storage) -> None:
    log = log_at(storage.url)
    registry = log.registry
    assert registry is not None
    for number, name in enumerate(ODD):
        run_id = f"run-{number}"
        assert (await registry.take_key(name, "k", run_id, "request")).run_id == run_id
        assert (await registry.take_key("account", name, run_id, "request")).run_id == run_id
        assert list(await registry.enter(name, run_id, "reject", 0)) == [(run_id, "active")]
    await log.close()
