"""Rooms in Redis keep what every storage of rooms must, on a real Valkey, also when it loses what it had confirmed."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from hubline.rooms import RoomStore
from hubline.rooms.redis_store import RedisRoomStore
from hubline.testing import RoomStoreSuite
from hubline.testing.room_stores import ROOM, Heard, ada
from tests.valkey import LIMIT, Valkey, until, valkey

pytestmark = pytest.mark.valkey


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


@asynccontextmanager
async def several(
    server: Valkey, count: int, history: int = 100, **settings: Any
) -> AsyncIterator[list[RedisRoomStore]]:
    async with Redis.from_url(server.url) as redis:
        await redis.flushall()
    stores = [RedisRoomStore(server.url, history=history, **settings) for _ in range(count)]
    try:
        yield stores
    finally:
        for store in stores:
            await store.close()


class TestRedisRoomStore(RoomStoreSuite):
    @pytest.fixture(autouse=True)
    def _server(self, server: Valkey) -> None:
        self.server = server

    @asynccontextmanager
    async def stores(self, history: int, count: int) -> AsyncIterator[Sequence[RoomStore]]:
        async with several(self.server, count, history) as stores:
            yield stores


async def test_a_redis_that_has_lost_messages_begins_another_epoch(server: Valkey) -> None:
    async with several(server, 1) as (store,):
        heard = Heard()
        await store.open(heard)
        await store.watch(ROOM, heard)
        for number in range(5):
            last = await store.append(ROOM, "1", key=str(number))
        await heard.until(lambda: len(heard.messages) == 5)
        async with Redis.from_url(server.url) as redis:  # as after a failover to a copy that was behind
            await redis.hset(f"hubline:history:{{{ROOM}}}:state", "seq", 3)
            await redis.delete(f"hubline:history:{{{ROOM}}}:log")
        page = (await store.load(ROOM, after=(last.epoch, 5), limit=10, version=None)).page
        assert (page.epoch != last.epoch, page.end) == (True, 3)
        added = await store.append(ROOM, "2", key="new", known=(last.epoch, 5))
        assert (added.epoch, added.seq) == (page.epoch, 4)


async def test_a_redis_that_has_lost_changes_of_members_begins_another_epoch(server: Valkey) -> None:
    async with several(server, 1) as (store,):
        heard = Heard()
        await store.open(heard)
        await store.watch(ROOM, heard)
        first = await store.append(ROOM, "1", key="a")
        await store.enter(ROOM, "u:ada", ada("d1"), state=True)
        await store.enter(ROOM, "u:eve", ada("d2"), state=True)
        await heard.until(lambda: len(heard.members) == 2)
        async with Redis.from_url(server.url) as redis:
            await redis.hset(f"hubline:history:{{{ROOM}}}:state", "version", 1)
            await redis.hdel(f"hubline:history:{{{ROOM}}}:members", "u:eve")
        found = await store.load(ROOM, after=(first.epoch, 1), limit=10, version=2)
        assert (found.page.epoch != first.epoch, list(found.members or {})) == (True, ["u:ada"])
        again = await store.load(ROOM, after=(found.page.epoch, 1), limit=10, version=1)
        assert again.page.epoch == found.page.epoch


async def test_a_log_that_does_not_fit_its_state_is_begun_anew(server: Valkey) -> None:
    async with several(server, 1) as (store,):
        await store.open(Heard())
        for number in range(3):
            last = await store.append(ROOM, "1", key=str(number))
        async with Redis.from_url(server.url) as redis:
            await redis.hset(f"hubline:history:{{{ROOM}}}:state", "seq", 1)
        added = await store.append(ROOM, "2", key="new")
        assert (added.epoch != last.epoch, added.seq) == (True, 2)
        page = (await store.load(ROOM, after=None, limit=10, version=None)).page
        assert [text for _, text in page.messages] == ["2"]


async def test_a_redis_that_has_lost_everything_begins_another_epoch(server: Valkey) -> None:
    async with several(server, 1) as (store,):
        await store.open(Heard())
        first = await store.append(ROOM, "1", key="a")
        async with Redis.from_url(server.url) as redis:
            await redis.delete(f"hubline:history:{{{ROOM}}}:state")
        again = await store.append(ROOM, "2", key="b")
        assert (again.seq, again.epoch != first.epoch) == (1, True)
        page = (await store.load(ROOM, after=None, limit=10, version=None)).page
        assert [text for _, text in page.messages] == ["2"]


async def test_old_messages_are_dropped_and_a_silent_room_goes(server: Valkey) -> None:
    async with several(server, 1, keep=3_600) as (store,):
        await store.open(Heard())
        await store.append(ROOM, "1", key="a")
        state, log = f"hubline:history:{{{ROOM}}}:state", f"hubline:history:{{{ROOM}}}:log"
        async with Redis.from_url(server.url) as redis:
            assert 0 < await redis.pttl(log) <= 3_600_000
            assert 0 < await redis.pttl(state) <= 3_600_000
            await redis.delete(log)
            await redis.xadd(log, {"m": "old", "t": 1}, id="1-0")
        await store.append(ROOM, "2", key="b")
        page = (await store.load(ROOM, after=None, limit=10, version=None)).page
        assert ([text for _, text in page.messages], page.first) == (["2"], 2)


async def test_members_of_a_killed_server_leave_with_its_lease_and_others_stay(server: Valkey) -> None:
    async with several(server, 2, lease=1.0) as (killed, other):
        heard = Heard()
        await killed.open(Heard())
        await other.open(heard)
        await other.watch(ROOM, heard)
        await killed.enter(ROOM, "u:eve", ada("d1"), state=True)
        await killed.enter(ROOM, "u:ada", ada("d2"), state=True)
        await other.enter(ROOM, "u:ada", ada("d3"), state=False)
        await killed._tasks.cancel()  # it does not renew its lease any more
        async with asyncio.timeout(LIMIT):
            await heard.until(lambda: any(key == "u:eve" and member is None for _, _, key, member in heard.members))

        async def is_swept() -> bool:
            found = (await other.load(ROOM, after=None, limit=0, version=None)).members or {}
            return {key: [each.id for each in member.devices] for key, member in found.items()} == {"u:ada": ["d3"]}

        await until(is_swept)
        assert [key for _, _, key, member in heard.members if member is None] == ["u:eve"]
        async with Redis.from_url(server.url, decode_responses=True) as redis:

            async def is_forgotten() -> bool:
                return bool(await redis.smembers("hubline:history:nodes") == {other.node})

            await until(is_forgotten)


async def test_a_server_forgets_the_rooms_in_which_it_has_nobody(server: Valkey) -> None:
    async with several(server, 1) as (store,):
        await store.open(Heard())
        await store.enter(ROOM, "u:ada", ada("d1"), state=True)
        await store.enter(ROOM, "u:eve", ada("d2"), state=True)
        async with Redis.from_url(server.url, decode_responses=True) as redis:
            rooms = f"hubline:history:nodes:{{{store.node}}}:rooms"
            await store.leave(ROOM, "u:ada", "d1")
            assert await redis.smembers(rooms) == {ROOM}
            await store.leave(ROOM, "u:eve", "d2")
            assert await redis.smembers(rooms) == set()


async def test_a_user_with_the_rights_of_the_guide_needs_no_others(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "rooms.md").read_text("utf-8")
    rights = next(line for line in guide.splitlines() if line.startswith("ACL SETUSER")).split()
    async with Redis.from_url(server.url) as redis:
        await redis.flushall()
        await redis.execute_command(*rights)  # type: ignore[no-untyped-call]
    store = RedisRoomStore(server.url.replace("redis://", "redis://hubline:secret@"), lease=3.0)
    heard = Heard()
    try:
        await store.open(heard)
        await store.watch(ROOM, heard)
        await store.enter(ROOM, "u:ada", ada("d1"), state=True)
        await store.set_state(ROOM, "u:ada", "1")
        await store.append(ROOM, "1", key="a")
        await store.signal(ROOM, "1")
        await store.away(ROOM, "u:ada", "d1")
        await store.leave(ROOM, "u:ada", "d1", if_away=True)
        assert len((await store.earlier(ROOM, 2, 10)).messages) == 1
        await store._members.adopt(ROOM, "gone", store.node)
        await store._members.forget("gone")
        await heard.until(lambda: (len(heard.messages), len(heard.signals), len(heard.members)) == (1, 1, 3))
        await store.unwatch(ROOM, heard)
        assert "refused" not in caplog.text
    finally:
        await store.close()


async def test_news_that_cannot_be_read_are_logged_and_the_next_are_heard(
    server: Valkey, caplog: pytest.LogCaptureFixture
) -> None:
    async with several(server, 1) as (store,):
        heard = Heard()
        await store.open(heard)
        await store.watch(ROOM, heard)
        async with Redis.from_url(server.url) as redis:
            await redis.publish(f"hubline:history:{{{ROOM}}}:news", b"p x y z")
        await store.append(ROOM, json.dumps("a"), key="k")
        await heard.until(lambda: bool(heard.messages))
        assert "could not be read" in caplog.text
