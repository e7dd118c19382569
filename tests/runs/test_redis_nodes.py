"""Who judges that a server has gone, and what becomes of a takeover whose answer is lost."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis.asyncio import Redis

from hubline.backplanes.lines import LONGEST_PAUSE
from hubline.backplanes.redis_commands import Commands
from hubline.backplanes.redis_connections import Connections
from hubline.errors import BackplaneError
from hubline.runs.leases import TRIES, UNSURE, Leases
from hubline.runs.redis_keys import ADOPT, NODES, keys_of, lease_key, owned_key
from hubline.runs.redis_nodes import RedisMembers
from hubline.testing import ManualClock
from tests.valkey import Valkey, valkey

pytestmark = pytest.mark.valkey

LEASE = 1.0
"""Seconds."""


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey() as started:
        yield started


class Asking:
    """Commands of which some answers are lost: those that `fails` says."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands
        self.fails: Any = lambda what: False

    async def call(self, *command: Any) -> Any:
        return self._checked(command[0], await self._commands.call(*command))

    async def run(self, script: Any, *rest: Any) -> Any:
        return self._checked(script, await self._commands.run(script, *rest))

    def _checked(self, what: Any, found: Any) -> Any:
        if self.fails(what):
            raise BackplaneError("the connection to Redis was lost")
        return found


class Looking:
    """The leases of one server, which looks when it is told to."""

    def __init__(self, commands: Commands) -> None:
        self.asking, self.clock = Asking(commands), ManualClock()
        self.adopted: list[tuple[str, int]] = []
        self.owned: set[str] = set()
        self.spared: list[str] = []
        self.refuses = 0
        """How many times a run cannot be continued."""
        # the lease in Redis lapses when a test removes it, and not by the time that the machine takes
        members = RedisMembers(self.asking, 3_600_000, 60_000)  # type: ignore[arg-type]
        self.leases = Leases("here", members, None, LEASE, self.clock)

    async def look(self) -> None:
        """As `watch` does once."""
        await self._once(self.leases.watch(self.owned, self._adopt))

    async def renew(self) -> None:
        """As `renew` does once."""
        await self._once(self.leases.renew(self._renew_own, self._spare))

    async def _once(self, again_and_again: Any) -> None:
        looks: list[Any] = []

        async def once(what: Any, *_: Any) -> None:
            looks.append(what)

        self.leases._again_and_again = once  # type: ignore[assignment, method-assign]
        await again_and_again
        await looks[0]()

    async def _renew_own(self) -> None:
        """Nothing is owned."""

    async def _spare(self, node: str) -> None:
        self.spared.append(node)

    async def look_first(self) -> None:
        """For the first time; the next look is a lease later."""
        await self.look()
        self.clock._now += LEASE

    async def look_starved(self, redis: Any) -> None:
        """Once more, so late that the own lease has lapsed."""
        self.clock._now += 2 * LEASE
        await redis.delete(lease_key("here"))
        await self.look()

    async def _adopt(self, run_id: str, fence: int) -> None:
        if self.refuses > 0:
            self.refuses -= 1
            raise ValueError("no")
        self.adopted.append((run_id, fence))
        self.owned.add(run_id)


async def gone_with(redis: Any, run_id: str) -> None:
    """A server has gone, which owned this run."""
    await redis.flushall()
    await redis.hset(keys_of(run_id)[0], mapping={"epoch": "e", "fence": 1, "node": "gone", "seq": 0})
    await redis.sadd(owned_key("gone"), run_id)
    await redis.sadd(NODES, "gone")


@asynccontextmanager
async def beside(server: Valkey, run_id: str | None) -> AsyncIterator[tuple[Any, Looking]]:
    """A server beside one that has gone with this run, if there is one."""
    commands = Commands(Connections(server.url), ManualClock())
    await commands.start()
    async with Redis.from_url(server.url) as redis:
        await (redis.flushall() if run_id is None else gone_with(redis, run_id))
        yield redis, Looking(commands)
    await commands.close()


@pytest.mark.rule("R30")
async def test_a_takeover_whose_answer_was_lost_is_not_forgotten_when_the_former_owner_returns(server: Valkey) -> None:
    """Otherwise nobody goes on with the run: its owner is fenced off, and this server does not know that it owns it."""
    async with beside(server, "r") as (redis, looking):
        await looking.look_first()
        looking.asking.fails = lambda what: what is ADOPT
        with pytest.raises(BackplaneError):
            await looking.look()
        looking.asking.fails = lambda what: False
        await redis.set(lease_key("gone"), "1")
        await looking.look()
        assert looking.adopted == [("r", 2)]
        assert await redis.smembers(owned_key("here")) == {b"r"}


@pytest.mark.rule("R30")
async def test_what_was_asked_for_and_not_taken_stays_with_its_owner(server: Valkey) -> None:
    async with beside(server, "r") as (redis, looking):
        await looking.look_first()
        run = looking.asking._commands.run

        async def lost(script: Any, *rest: Any) -> Any:
            if script is ADOPT:
                raise BackplaneError("the connection to Redis was lost")
            return await run(script, *rest)

        looking.asking.run = lost  # type: ignore[method-assign]
        with pytest.raises(BackplaneError):
            await looking.look()
        del looking.asking.run
        await redis.set(lease_key("gone"), "1")
        await looking.look()
        looking.clock._now += UNSURE
        await looking.look()
        assert looking.adopted == []
        assert await redis.smembers(owned_key("here")) == set()
        assert await redis.hget(keys_of("r")[0], "node") == b"gone"


@pytest.mark.rule("R30")
async def test_a_server_for_which_redis_was_away_waits_for_the_others(server: Valkey) -> None:
    """For less than a lease: its own has not lapsed, but others may take longer to connect again."""
    async with beside(server, None) as (redis, looking):
        await looking.look_first()
        looking.asking.fails = lambda what: what == "SET"
        with pytest.raises(BackplaneError):
            await looking.look()
        looking.asking.fails = lambda what: False
        await gone_with(redis, "r")
        await redis.set(lease_key("here"), "1")
        await looking.look()
        assert looking.adopted == []
        looking.clock._now += LEASE + LONGEST_PAUSE
        await redis.set(lease_key("here"), "1")
        await looking.look()
        assert looking.adopted == [("r", 2)]


@pytest.mark.rule("R30", "R34")
async def test_the_runs_of_a_server_are_kept_until_they_are_taken_over(server: Valkey) -> None:
    async with beside(server, "r") as (redis, looking):
        await looking.renew()
        assert looking.spared == []
        await looking.look_first()  # it may not judge yet
        await looking.renew()
        assert looking.spared == ["gone"]
        await redis.set(lease_key("gone"), "1")
        await looking.look()
        await looking.renew()
        await redis.delete(lease_key("gone"))
        looking.clock._now += LEASE
        await looking.look()
        await looking.renew()
        assert (looking.adopted, looking.spared) == ([("r", 2)], ["gone"])


WAITS = round((LEASE + LONGEST_PAUSE) / LEASE)
"""Looks of a starved server, after the first, until it judges."""


@pytest.mark.rule("R30")
async def test_a_server_whose_lease_lapses_again_and_again_takes_over_in_the_end(server: Valkey) -> None:
    async with beside(server, "r") as (redis, looking):
        for _ in range(WAITS + 1):
            assert looking.adopted == []
            await looking.look_starved(redis)
        assert looking.adopted == [("r", 2)]


@pytest.mark.rule("R30")
@pytest.mark.parametrize("seen", ["returned", "outage"])
async def test_what_a_starved_server_has_seen_counts_from_the_last_sign_of_life_or_outage(
    server: Valkey, seen: str
) -> None:
    async with beside(server, "r") as (redis, looking):
        for _ in range(WAITS):
            await looking.look_starved(redis)
        if seen == "returned":
            await redis.set(lease_key("gone"), "1")
            await looking.look_starved(redis)
            await redis.delete(lease_key("gone"))
        else:
            looking.asking.fails = lambda what: what == "SET"
            with pytest.raises(BackplaneError):
                await looking.look()
            looking.asking.fails = lambda what: False
        for _ in range(WAITS + 1):
            assert looking.adopted == []
            await looking.look_starved(redis)
        assert looking.adopted == [("r", 2)]


@pytest.mark.rule("R30")
@pytest.mark.parametrize(("refuses", "adopted"), [(TRIES - 1, [("r", 2)]), (TRIES, [])])
async def test_a_takeover_that_fails_is_tried_again_some_times(
    server: Valkey, refuses: int, adopted: list[Any]
) -> None:
    async with beside(server, "r") as (redis, looking):
        looking.refuses = refuses
        await looking.look()
        for _ in range(TRIES + 1):
            looking.clock._now += LEASE
            await redis.set(lease_key("here"), "1")
            await looking.look()
        assert looking.adopted == adopted
