"""Rooms in SQL: what a database has lost, what expires, and the devices of servers that have gone."""

import asyncio
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from hubline import ConfigurationError
from hubline.rooms.postgres_store import PostgresRoomStore
from hubline.rooms.sql_store import SqlRoomStore
from hubline.rooms.sqlite_store import SQLiteRoomStore
from hubline.testing.room_stores import ROOM, Heard, ada
from tests.runs.storages import SQL, Storage
from tests.valkey import LIMIT, until


@pytest.fixture(params=SQL)
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    if request.param == "sqlite":
        return Storage(f"sqlite:{tmp_path / 'rooms.sqlite'}")
    return Storage(request.getfixturevalue("postgres_url"))


class Returning(Heard):
    """Counts what else a listener is told."""

    def __init__(self) -> None:
        super().__init__()
        self.returns = 0

    def returned(self) -> None:
        self.returns += 1


def store_at(storage: Storage, **settings: Any) -> SqlRoomStore:
    if storage.url.startswith("sqlite:"):
        return SQLiteRoomStore(storage.url.removeprefix("sqlite:"), **settings)
    return PostgresRoomStore(storage.url, **settings)


@asynccontextmanager
async def watching(storage: Storage, **settings: Any) -> AsyncIterator[tuple[SqlRoomStore, Returning]]:
    store = store_at(storage, **{"lease": 3_600, **settings})  # so long that nothing is renewed but by a test
    heard = Returning()
    await store.open(heard)
    await store.watch(ROOM, heard)
    try:
        yield store, heard
    finally:
        await store.close()


async def devices(store: SqlRoomStore) -> dict[str, list[str]]:
    found = (await store.load(ROOM, after=None, limit=0, version=None)).members or {}
    return {key: [each.id for each in member.devices] for key, member in found.items()}


async def test_a_database_that_has_lost_what_it_had_confirmed_begins_another_epoch(storage: Storage) -> None:
    async with watching(storage) as (store, heard):
        for number in range(5):
            last = await store.append(ROOM, "1", key=str(number))
        await store.enter(ROOM, "u:ada", ada("d1"), state=True)
        await heard.until(lambda: (len(heard.messages), len(heard.members)) == (5, 1))
        await storage.change("UPDATE hubline_rooms SET seq = 3")
        await storage.change("DELETE FROM hubline_rooms_messages WHERE seq > 3")
        page = (await store.load(ROOM, after=(last.epoch, 5), limit=10, version=None)).page
        assert (page.epoch != last.epoch, page.end, len(page.messages)) == (True, 3, 3)
        added = await store.append(ROOM, "2", key="new", known=(last.epoch, 5))
        assert (added.epoch, added.seq) == (page.epoch, 4)
        await storage.change("UPDATE hubline_rooms SET version = 0")
        assert (await store.load(ROOM, after=None, limit=0, version=1)).page.epoch != page.epoch
        await storage.change("UPDATE hubline_rooms SET seq = 3")
        await storage.change("DELETE FROM hubline_rooms_messages WHERE seq > 3")
        known = (added.epoch, 4)  # of an epoch before: it says nothing of this one
        other = await store.append(ROOM, "3", key="newer", known=known)
        lost = await store.append(ROOM, "4", key="newest", known=(other.epoch, 9))
        assert (other.seq, lost.seq, lost.epoch != other.epoch) == (4, 5, True)


async def test_old_messages_are_dropped_and_a_silent_room_goes(storage: Storage) -> None:
    async with watching(storage, keep=3_600) as (store, heard):
        for number in range(3):
            last = await store.append(ROOM, str(number), key=str(number))
        await storage.change("UPDATE hubline_rooms_messages SET at = 1 WHERE seq < 3")
        page = (await store.load(ROOM, after=None, limit=10, version=None)).page
        assert (page.messages, page.first) == ([(3, "2")], 3)
        await store._renew()
        assert await storage.rows("SELECT seq FROM hubline_rooms_messages") == [(3,)]
        await store.enter(ROOM, "u:ada", ada("d1"), state=True)
        for statement in ("UPDATE hubline_rooms SET until = 1", "UPDATE hubline_rooms_sent SET until = 1"):
            await storage.change(statement)
        await store._database.clean()  # somebody is there
        assert (await store.load(ROOM, after=None, limit=10, version=None)).page.epoch == last.epoch
        assert await storage.rows("SELECT name FROM hubline_rooms_sent") == []
        await store.leave(ROOM, "u:ada", "d1")
        await storage.change("UPDATE hubline_rooms SET until = 1")
        await store._renew()  # it is watched
        assert (await store.load(ROOM, after=None, limit=10, version=None)).page.epoch == last.epoch
        await store.unwatch(ROOM, heard)
        await storage.change("UPDATE hubline_rooms SET until = 1")
        await store._renew()
        assert await storage.rows("SELECT seq FROM hubline_rooms_messages") == []
        assert (await store.load(ROOM, after=None, limit=10, version=None)).page.epoch != last.epoch


async def test_members_of_a_server_that_has_gone_leave_with_its_lease_and_others_stay(storage: Storage) -> None:
    async with watching(storage, lease=1.0) as (other, heard):
        gone = store_at(storage, lease=1.0)
        await gone.open(Heard())
        await gone.enter(ROOM, "u:eve", ada("d1"), state=True)
        await gone.enter(ROOM, "u:ada", ada("d2"), state=True)
        await other.enter(ROOM, "u:ada", ada("d3"), state=False)
        await gone.close()  # it does not renew its lease any more
        async with asyncio.timeout(LIMIT):
            await heard.until(lambda: any(key == "u:eve" and member is None for *_, key, member in heard.members))

        async def is_swept() -> bool:
            return await devices(other) == {"u:ada": ["d3"]}

        async def is_forgotten() -> bool:
            return await storage.rows("SELECT name FROM hubline_rooms_nodes") == [(other.node,)]

        await until(is_swept)
        await until(is_forgotten)
        assert [key for *_, key, member in heard.members if member is None] == ["u:eve"]


async def test_a_server_that_was_given_up_hears_the_news_again_and_is_told(storage: Storage) -> None:
    async with watching(storage) as (store, heard):
        assert heard.returns == 0
        await store.enter(ROOM, "u:ada", ada("d1"), state=True)
        await heard.until(lambda: len(heard.members) == 1)
        for table in ("nodes", "topics", "mail"):  # as `forget`
            await storage.change(f"DELETE FROM hubline_rooms_{table}")
        assert await store._leases.take()
        assert heard.returns == 1
        await store.append(ROOM, "1", key="a")
        await heard.until(lambda: bool(heard.messages))
        assert not await store._leases.take()
        assert heard.returns == 1


async def test_a_server_that_is_back_keeps_its_devices(storage: Storage) -> None:
    async with watching(storage) as (store, _):
        await store.enter(ROOM, "u:ada", ada("d1"), state=True)
        await store._leases._members.adopt(ROOM, store.node, "another")
        await store._leases._members.forget(store.node)
        assert await devices(store) == {"u:ada": ["d1"]}
        await storage.change("UPDATE hubline_rooms_nodes SET until = 1")
        await store._leases._members.forget(store.node)  # it has come back with devices meanwhile
        assert await storage.rows("SELECT name FROM hubline_rooms_nodes") == [(store.node,)]
        await store._leases._members.adopt(ROOM, store.node, "another")
        assert await devices(store) == {}
        await store._leases._members.forget(store.node)
        assert await storage.rows("SELECT name FROM hubline_rooms_nodes") == []


async def test_names_and_values_of_any_characters_are_kept(storage: Storage) -> None:
    strange = "\x00\n{} ä🙂" * 60
    async with watching(storage) as (store, heard):
        await store.watch(strange, heard)
        await store.append(strange, '"\\u0000 ä🙂"', key=strange)
        assert (await store.append(strange, "1", key=strange)).repeated
        assert not (await store.append(strange + "x", "1", key=strange)).repeated
        await store.enter(strange, strange, ada(strange, name=strange), state=True)
        await heard.until(lambda: (len(heard.messages), len(heard.members)) == (1, 1))
        assert (heard.messages[0][0], heard.messages[0][3]) == (strange, '"\\u0000 ä🙂"')
        [(room, _, key, member)] = heard.members
        assert (room, key) == (strange, strange)
        assert member is not None
        assert (member.devices[0].id, member.devices[0].name) == (strange, strange)
        found = await store.load(strange, after=None, limit=1, version=None)
        assert found.members == {strange: member}


async def test_news_that_cannot_be_read_are_logged_and_the_next_are_heard(
    storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    async with watching(storage) as (store, heard):
        bad = f"INSERT INTO hubline_rooms_mail (node, channel, body) VALUES ('{store.node}', '\"{ROOM}\"', 'p x y z')"
        await storage.change(bad)
        await store.append(ROOM, "1", key="k")
        await heard.until(lambda: bool(heard.messages))
        assert "could not be read" in caplog.text


@pytest.mark.postgres
async def test_a_role_with_the_documented_rights_and_no_others_is_enough(postgres_url: str) -> None:
    await PostgresRoomStore(postgres_url).make_tables()
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "rooms.md").read_text("utf-8")
    grants = "\n".join(re.findall(r"^GRANT .* TO hubline;$", guide, re.M))
    role = f"role_{secrets.token_hex(4)}"
    storage = Storage(postgres_url)
    await storage.change("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    await storage.change(f"CREATE ROLE {role} LOGIN; {grants.replace('TO hubline', f'TO {role}')}")
    async with watching(Storage(postgres_url.replace("postgres@", f"{role}@"))) as (store, heard):
        await store.enter(ROOM, "u:ada", ada("d1"), state=True)
        await store.set_state(ROOM, "u:ada", "1")
        await store.append(ROOM, "1", key="a")
        await store.signal(ROOM, "1")
        await store.away(ROOM, "u:ada", "d1")
        await store.leave(ROOM, "u:ada", "d1", if_away=True)
        assert len((await store.earlier(ROOM, 2, 10)).messages) == 1
        await store._leases._members.adopt(ROOM, "gone", store.node)
        await store._leases._members.forget("gone")
        await store._renew()
        await heard.until(lambda: (len(heard.messages), len(heard.signals), len(heard.members)) == (1, 1, 3))
        await store.unwatch(ROOM, heard)


@pytest.mark.parametrize("make", [SQLiteRoomStore, PostgresRoomStore])
def test_all_mistakes_are_told(make: Any) -> None:
    where = "" if make is SQLiteRoomStore else "postgresql://host/db"
    with pytest.raises(ConfigurationError) as told:
        make(where, history=0, keep=-1, lease=0, clock=3)
    for name in ("history", "keep", "lease", "clock", *(["path"] if make is SQLiteRoomStore else [])):
        assert name in str(told.value)
