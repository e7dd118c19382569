"""The database: its tables, its ways to be opened wrongly, and what is said when it fails."""

import asyncio
import sqlite3
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from hubline import ConfigurationError
from hubline_chat.store import Store, StoreError
from hubline_chat.store.database import database_url
from hubline_chat.store.tables import METADATA, is_compared

DAY = date(2026, 11, 25)


@pytest.fixture
def new_url(new_empty_url: Callable[[], str]) -> Callable[[], str]:
    """Here, what makes the tables is tested too."""
    return new_empty_url


async def test_the_migrations_lead_to_the_tables_of_this_version(store: Store) -> None:
    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "include_object": is_compared})
        return list(compare_metadata(context, METADATA))

    async with store.database.reading() as connection:
        assert await connection.run_sync(differences) == []


async def test_several_processes_may_start_at_once(database_url: str) -> None:
    stores = [Store(database_url) for _ in range(4)]
    try:
        await asyncio.gather(*(store.open() for store in stores))
        assert [len(await store.rooms.all()) for store in stores] == [3, 3, 3, 3]
    finally:
        await asyncio.gather(*(store.close() for store in stores))


async def test_the_tables_of_a_newer_version_are_left_alone(database_url: str, store: Store) -> None:
    async with store.database.writing() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigurationError, match="belongs to a newer version of Hubline Chat"):
        await store.open()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("nothing", "is no URL"),
        ("mysql://localhost/chat", "begins with mysql: write sqlite:///path or postgresql://"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
    ],
)
def test_what_is_no_database_of_ours_is_refused_by_name(url: str, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Store(url)


def test_the_password_of_a_url_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as raised:
        database_url("postgres//ada:secret@localhost")
    assert "secret" not in str(raised.value)
    assert "secret" not in Store("postgresql://ada:secret@localhost/chat").database.name


async def test_a_server_that_is_not_there_is_told_in_one_sentence() -> None:
    store = Store("postgresql://ada:secret@127.0.0.1:1/chat")
    try:
        with pytest.raises(ConfigurationError, match=r"cannot be used: .*[Cc]onnection refused") as raised:
            await store.open()
        assert "\n" not in str(raised.value)
        assert "secret" not in str(raised.value)
    finally:
        await store.close()


async def test_a_directory_that_cannot_be_made_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(f"sqlite:///{tmp_path / 'file' / 'chat.db'}")
    try:
        with pytest.raises(ConfigurationError, match="cannot be used"):
            await store.open()
    finally:
        await store.close()


async def test_a_locked_database_is_told_to_people_and_logged_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("hubline_chat.store.database.BUSY_SECONDS", 0.05)
    store = Store(f"sqlite:///{tmp_path / 'chat.db'}")
    await store.open()
    other = sqlite3.connect(tmp_path / "chat.db", isolation_level=None)
    try:
        other.execute("BEGIN IMMEDIATE")
        for _ in range(3):
            with pytest.raises(StoreError, match="The server cannot store anything at the moment"):
                await store.users.add("Ada", "member", "free")
        assert [record.message for record in caplog.records] == ["the database could not store: database is locked"]
        assert await store.users.named("Ada") is None  # reading goes on
        other.execute("ROLLBACK")
        assert (await store.users.add("Ada", "member", "free")).name == "Ada"
    finally:
        other.close()
        await store.close()


async def test_a_full_disk_is_told_as_such(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'chat.db'}")
    await store.open()
    try:
        async with store.database.reading() as connection:
            pages = await connection.scalar(text("PRAGMA page_count"))
            await connection.execute(text(f"PRAGMA max_page_count = {pages}"))
        with pytest.raises(StoreError, match="because its disk is full"):
            await store.values.once("large", "x" * 400_000)
    finally:
        await store.close()


async def test_whoever_is_cancelled_leaves_no_lock_behind_and_nothing_half_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hubline_chat.store.database.BUSY_SECONDS", 60.0)
    store = Store(f"sqlite:///{tmp_path / 'chat.db'}")
    await store.open()
    for turns in range(1, 40):
        task = asyncio.ensure_future(store.usage.add("cancelled", DAY, 1))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert await store.usage.add("next", DAY, 1) == turns
    asyncio.ensure_future(store.usage.add("cancelled", DAY, 1)).cancel()  # before it has begun: that is nothing
    await store.close()  # waits for what goes on without anybody
    again = Store(f"sqlite:///{tmp_path / 'chat.db'}")
    assert await again.usage.used("cancelled", DAY) == 39
    await again.close()


async def test_one_process_serves_a_database_and_the_next_one_after_it(database_url: str) -> None:
    first, second = Store(database_url), Store(database_url)
    try:
        await first.open()
        async with first.database.claimed():
            with pytest.raises(ConfigurationError, match="another Hubline Chat serves the database"):
                async with second.database.claimed():
                    pass
            await second.open()  # to look at it, or to make a new password, is no harm
            assert len(await second.rooms.all()) == 3
        async with second.database.claimed():
            pass
    finally:
        await first.close()
        await second.close()


async def test_a_value_is_made_once_whoever_asks(new_url: Callable[[], str]) -> None:
    url = new_url()
    stores = [Store(url) for _ in range(2)]
    try:
        await stores[0].open()
        wanted = [store.values.once("key", f"made by {number}") for number, store in enumerate(stores)]
        assert len(set(await asyncio.gather(*wanted))) == 1
    finally:
        for store in stores:
            await store.close()
