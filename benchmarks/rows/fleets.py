"""More and more servers behind one Redis, and what happens to all connections when it is restarted."""

import asyncio
import contextlib
import re
import time
from collections.abc import Sequence

from benchmarks.broker import Broker
from benchmarks.joined import Joined
from benchmarks.rows.backplane import counted, joined, spread
from benchmarks.rows.broadcasts import calling
from benchmarks.rows.growth import MEMBERS
from benchmarks.rows.measuring import PATIENCE, Bench, Figures, Warm
from hubline.cli.load import Connection, LoadError

GROUP = "growing"
SENDERS = 8
PAUSE = 0.05
"""Seconds between two messages to a group with a member that has not received one."""
_NUMBER = re.compile(rb"#(\d+)#")


async def growth(bench: Bench, warm: Warm) -> Figures:
    """µs of all servers and Redis for each delivered message: to a hundred, on more and more servers."""
    return {count: figures["user_us"] + figures["kernel_us"] for count, figures, _ in await _by_servers(bench, warm)}


async def redis_growth(bench: Bench, warm: Warm) -> Figures:
    """µs of Redis for each published message, whoever gets it."""
    return {count: figures["redis_us"] * members for count, figures, members in await _by_servers(bench, warm)}


async def _by_servers(bench: Bench, warm: Warm) -> list[tuple[str, Figures, int]]:
    """Number of servers, what was measured, and how many recipients there were.

    All servers are warmed before the first point. A server unsubscribes from a group with its last member there, so
    servers without members receive nothing.
    """
    points = bench.settings.growth_servers
    await _point(bench, max(points), warm)
    return [(str(count), *await _point(bench, count, None)) for count in points]


async def _point(bench: Bench, count: int, warm: Warm | None) -> tuple[Figures, int]:
    recipients = max(min(bench.settings.recipients, MEMBERS), count)
    counts = [recipients // count + (number < recipients % count) for number in range(count)]
    async with spread(bench, [min(SENDERS, bench.settings.callers)]) as (senders,), spread(bench, counts) as members:
        everybody = [connection for each in members for connection in each]
        for connection in everybody:
            await connection.call("Join", GROUP)
        run = counted(bench, calling(bench, senders, everybody, "ToGroup", GROUP))
        if warm is not None:
            await warm(run)
            return {}, recipients
        await run(bench.settings.again)
        return await run(bench.settings.seconds), recipients


class Audience:
    """A group, and its members that have received a message that was sent after `since`."""

    def __init__(self, name: str, members: Sequence[Connection]) -> None:
        self.name, self.members = name, members
        self.complete = asyncio.Event()
        self._left: set[Connection] = set()
        self._since = self._sent = 0

    async def join(self) -> None:
        for connection in self.members:
            await connection.call("Join", self.name)
            self._listen(connection)

    def begin(self) -> None:
        """From now on only new messages count."""
        self._since, self._left = self._sent, set(self.members)
        self.complete.clear()

    async def send_until_complete(self, sender: Connection) -> None:
        """One message after the other, until every member has received one of them."""
        while not self.complete.is_set():
            self._sent += 1
            with contextlib.suppress(LoadError):  # Redis is away
                await sender.call("ToGroup", self.name, f"#{self._sent}#")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE):
                    await self.complete.wait()

    def _listen(self, connection: Connection) -> None:
        tail = b""

        def receive(data: bytes, final: bool) -> None:
            nonlocal tail
            whole, separator, tail = (tail + data).rpartition(b"\x1e")
            if separator and any(int(number) > self._since for number in _NUMBER.findall(whole)):
                self._left.discard(connection)
                if not self._left:
                    self.complete.set()

        connection.receive = receive


async def recovery(bench: Bench, warm: Warm) -> Figures:
    """All clients connect to two servers and join a group; then Redis is killed and started again.

    The servers are not warmed: those of an application have not repeated a recovery either.
    """
    half, groups = bench.settings.recovering // 2, bench.settings.recovering_groups
    servers = joined(bench)
    await servers.at_least(2)
    before = await _state(servers)
    async with spread(bench, (bench.settings.recovering - half, half)) as both:
        members = [connection for connections in both for connection in connections]
        audiences = [Audience(f"group-{number}", members[number::groups]) for number in range(groups)]
        await asyncio.gather(*(audience.join() for audience in audiences))
        after = await _state(servers)
        figures = {name: (after[name] - before[name]) / len(members) for name in after}
        async with spread(bench, (groups, groups)) as senders:
            by = [senders[number % 2][number] for number in range(groups)]
            figures |= await _restarted(servers.broker, audiences, by, bench.settings.redis_away)
            return figures | await _told(bench, [connections[-1] for connections in senders])


async def _state(servers: Joined) -> Figures:
    """What a connection adds to, in bytes and in µs of CPU."""
    redis = servers.broker.on_cpu() * 1e6
    return {
        "server_bytes": servers.resident(),
        "redis_bytes": await servers.broker.memory(),
        "connect_us": servers.usage().total * 1e6 - redis,
        "connect_redis_us": redis,
    }


async def _restarted(broker: Broker, audiences: Sequence[Audience], by: Sequence[Connection], away: float) -> Figures:
    """Kill Redis and start it again. The time of that, and the time from then until all clients receive again."""
    await _all_hear(audiences, by)
    died = time.perf_counter()
    await broker.stop()
    hearing = asyncio.create_task(_all_hear(audiences, by))
    try:
        await asyncio.sleep(away)
        await broker.start()
        back = time.perf_counter()
        await hearing
    finally:
        hearing.cancel()
    return {"after_s": time.perf_counter() - back, "away_s": back - died}


async def _all_hear(audiences: Sequence[Audience], senders: Sequence[Connection]) -> None:
    """Return when every client has received a message that was sent after this call.

    Raises:
        LoadError: a client has not within the time limit.
    """
    for audience in audiences:
        audience.begin()
    pairs = zip(audiences, senders, strict=True)
    try:
        async with asyncio.timeout(PATIENCE):
            await asyncio.gather(*(audience.send_until_complete(sender) for audience, sender in pairs))
    except TimeoutError:
        missing = sum(not audience.complete.is_set() for audience in audiences)
        raise LoadError(f"after {PATIENCE:g} s {missing} groups had not recovered") from None


async def _told(bench: Bench, connections: Sequence[Connection]) -> Figures:
    """The number of servers that report a gap, and the seconds of the longest gap."""
    if not bench.server.peer.tells_gaps:
        return {"gaps": 0.0, "gap_s": 0.0}
    told = [await connection.call("Gaps") for connection in connections]
    return {"gaps": float(sum(gaps > 0 for gaps, _ in told)), "gap_s": max(seconds for _, seconds in told)}
