"""A log of runs in Redis or Valkey, for several servers. Needs the extra `redis`."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from redis.asyncio import Redis, RedisCluster

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline.backplanes.redis_commands import Commands, check_prefix
from hubline.backplanes.redis_connections import Connections
from hubline.backplanes.redis_hearing import Hearing
from hubline.runs.log import About
from hubline.runs.names import node_channel, run_channel
from hubline.runs.redis_appends import RedisAppends
from hubline.runs.redis_checks import Checks
from hubline.runs.redis_keys import (
    CLAIM,
    CREATE,
    DESCRIBE,
    LOAD,
    OWN,
    REMOVE,
    about_of,
    checked,
    keys_of,
    owned_key,
)
from hubline.runs.redis_lists import drop, names, put
from hubline.runs.redis_nodes import RedisMembers
from hubline.runs.redis_owned import RedisOwned
from hubline.runs.redis_registry import RedisRegistry
from hubline.runs.shared_log import Parts, SharedRunLog

__all__ = ["RedisRunLog"]


class RedisRunLog(SharedRunLog):
    """A `RunLog` for several servers. Any of them attaches to, stops, answers, steers and lists any run.

    `redis` is an address or a client, as `hubline.backplanes.redis.RedisBackplane` takes it. Of each run `entries` are
    kept. A server renews its lease of `lease` seconds while it lives; when it lapses, other servers take its runs over.
    An object is for one `Runs`. It has one connection to ask and one to hear, whatever the number of runs and viewers.
    `prefix` precedes the names of all keys and channels: applications with different ones share a Redis.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    _registry: RedisRegistry

    def __init__(
        self,
        redis: str | Redis | RedisCluster = "redis://localhost:6379",
        *,
        prefix: str = "",
        entries: int = 4_096,
        lease: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        mistakes = Mistakes("RedisRunLog")
        check_prefix(mistakes, prefix)
        mistakes.whole("entries", entries, above=0)
        mistakes.number("lease", lease, above=0)
        mistakes.has("clock", clock, "a clock", "now", "sleep", optional=True)
        mistakes.tell()
        self._prefix = prefix
        super().__init__("Redis", entries=entries, lease=lease, clock=clock)
        self._connections = Connections(redis)
        self._registry = RedisRegistry(self._at_hand, lease=lease, life=self._life)
        self._begin_anew()

    def received(self, channel: str, payload: bytes) -> bool:
        """A message on a subscribed channel."""
        if not self._checks.received(channel, payload):
            self._news.received(channel, payload)
        return False

    def interrupted(self, since: datetime, until: datetime) -> None:
        """Messages may have been missed: ask Redis for the entries."""
        self._tapes.interrupted()
        self._checks.interrupted()
        self._missed.tell()

    def _parts(self) -> Parts:
        self._commands = Commands(self._connections, self._clock, self._prefix)
        self._hearing = Hearing(self._connections, self, self._prefix, self._clock)
        members = RedisMembers(self._commands, round(self._lease * 1000), self._life)
        owned = RedisOwned(self._commands, self._registry, self.node, life=self._life, keep=self._kept)
        self._writing = RedisAppends(self._commands, self._tapes, self._server)
        return Parts(members, owned, self._writing)

    def _begin_anew(self) -> None:
        super()._begin_anew()
        write_again = self._writing.write_again
        self._checks = Checks(
            self.node, self._commands, self._hearing, self._tapes, self._owned, write_again, self._clock
        )

    async def _reach(self) -> None:
        await self._commands.start()

    async def _start(self) -> None:
        await self._hearing.start()
        await self._subscribe(node_channel(self.node))

    def _start_tasks(self) -> None:
        self._checks.start(self._tasks)

    async def _close(self) -> None:
        await self._commands.close()
        await self._hearing.close()

    async def _at_hand(self) -> tuple[Commands, str]:
        await self._connect()
        return self._commands, self.node

    async def _create(self, run_id: str, epoch: str, fence: int) -> bool:
        await self._commands.run(OWN, [owned_key(self.node)], run_id, self._life)
        return bool(await self._commands.run(CREATE, keys_of(run_id)[:1], epoch, fence, self.node, self._life))

    async def _claim(self, run_id: str, fence: int) -> None:
        checked(run_id, fence, await self._commands.run(CLAIM, keys_of(run_id)[:1], fence, self.node))
        await self._commands.run(OWN, [owned_key(self.node)], run_id, self._life)

    async def _remove(self, run_id: str) -> None:
        await self._commands.run(REMOVE, keys_of(run_id), self._commands.channel(run_channel(run_id)))
        await self._commands.call("SREM", owned_key(self.node), run_id)

    async def _describe(self, about: About, text: str, fence: int, life: int) -> None:
        run_id = about["id"]
        figures = fence, text, life, self._commands.channel(run_channel(run_id)), int(about["ended"])
        checked(run_id, fence, await self._commands.run(DESCRIBE, keys_of(run_id), *figures))

    async def _list(self, about: About, text: str, life: int) -> None:
        await put(self._commands, about["groups"], about["id"], life, text)

    async def _fence(self, run_id: str) -> int | None:
        (newest,) = await self._commands.call("HMGET", keys_of(run_id)[0], "fence")
        return None if newest is None else int(newest)

    async def _owner(self, run_id: str) -> str | None:
        (node,) = await self._commands.call("HMGET", keys_of(run_id)[0], "node")
        return None if node is None else node.decode()

    async def _about(self, run_id: str) -> About | None:
        return await about_of(self._commands, run_id)

    async def _listed(self, group: str) -> Sequence[About]:
        found = []
        for run_id in await names(self._commands, group):
            about = await about_of(self._commands, run_id)
            if about is None:
                await drop(self._commands, group, run_id)
            else:
                found.append(about)
        return found

    async def _load(self, run_id: str, after: int) -> Any:
        return await self._commands.run(LOAD, keys_of(run_id), after)

    async def _subscribe(self, channel: str) -> None:
        await self._hearing.subscribe([channel])

    async def _unsubscribe(self, channel: str) -> None:
        await self._hearing.leave([channel])

    async def _tell(self, node: str, message: Mapping[str, Any]) -> int:
        heard: int = await self._commands.call("PUBLISH", node_channel(node), json.dumps(message))
        return heard
