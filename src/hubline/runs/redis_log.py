"""Runs in Redis or Valkey, so that several servers have them. Needs the extra `redis`."""

import asyncio
import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from datetime import datetime
from typing import Any

from redis.asyncio import Redis

from hubline import HubError
from hubline._clock import Clock, MonotonicClock
from hubline._tasks import TaskOwner
from hubline.backplanes.lines import pause
from hubline.backplanes.redis_commands import Commands
from hubline.backplanes.redis_connections import Connections
from hubline.backplanes.redis_hearing import Hearing
from hubline.errors import BackplaneError
from hubline.runs.info import NO_RUN
from hubline.runs.log import About, RunServer
from hubline.runs.parts import Body
from hubline.runs.redis_keys import (
    APPEND,
    CLAIM,
    CREATE,
    DESCRIBE,
    FOLD,
    LOAD,
    REMOVE,
    RENEW,
    checked,
    keys_of,
    list_channel,
    list_key,
    node_channel,
    owned_key,
    run_channel,
)
from hubline.runs.redis_nodes import Calls, Leases
from hubline.runs.redis_tapes import Followed, Following, Tapes
from hubline.runs.tape import Tape

__all__ = ["RedisRunLog"]

LIFE = 60
"""Leases that what Redis holds of a living run outlasts without being renewed. Ours: an outage of ten minutes."""


class RedisRunLog:
    """A `RunLog` that all servers have: any of them attaches to, stops, answers, steers and lists any run.

    `redis` is an address or a client, as `hubline.backplanes.redis.RedisBackplane` takes it. Of each run `entries` are
    kept. A server renews its lease of `lease` seconds while it lives; when it lapses, other servers take its runs over.
    An object is for one `Runs`. It has one connection to ask and one to hear, whatever the number of runs and viewers.

    Raises:
        ConfigurationError: the address is none, or the client is of another kind.
    """

    def __init__(
        self,
        redis: str | Redis = "redis://localhost:6379",
        *,
        entries: int = 4_096,
        lease: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        self._connections, self._entries, self._lease = Connections(redis), max(2, entries), lease
        self._clock = clock or MonotonicClock()
        self._server: RunServer | None = None
        self._keep = 300.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self.node = secrets.token_urlsafe(9)
        self._tasks = TaskOwner("hubline.runs in Redis")
        self._commands = Commands(self._connections, self._clock)
        self._hearing = Hearing(self._connections, self, "", self._clock)
        self._tapes = Tapes(
            self._entries, self._load, self._subscribe, self._hearing_unsubscribe, self._tasks, self._clock
        )
        self._owned: dict[str, tuple[int, Followed]] = {}
        """The runs that this server writes: its fence, and the tape."""
        self._finished: set[str] = set()
        """Those of them whose ends this server has written."""
        self._groups: Counter[str] = Counter()
        self._leases = Leases(self.node, self._commands, self._lease, self._clock)
        self._calls = Calls(self.node, self._tell, self._server, self._tasks) if self._server is not None else None
        self._starting = asyncio.Lock()
        self._open = False

    @property
    def shared(self) -> bool:
        """Yes."""
        return True

    def join(self, server: RunServer, *, keep: float) -> None:
        """This is the server. Its runs stay for `keep` seconds after their ends, also when it has gone."""
        self._server, self._keep = server, keep
        self._begin_anew()

    async def create(self, run_id: str, *, fence: int = 1) -> None:
        """Begin a log. Raises ValueError when the run has one, BackplaneError without Redis."""
        await self._connect()
        epoch = secrets.token_urlsafe(6)
        await self._commands.call("SADD", owned_key(self.node), run_id)
        if not await self._commands.run(CREATE, keys_of(run_id)[:1], epoch, fence, self.node, self._life):
            raise ValueError(f"run {run_id} has a log already")
        await self._own(run_id, fence)

    async def claim(self, run_id: str, *, fence: int) -> None:
        """Become the owner. Raises FencedError, LogGoneError, BackplaneError."""
        await self._connect()
        checked(run_id, fence, await self._commands.run(CLAIM, keys_of(run_id)[:1], fence, self.node))
        await self._commands.call("SADD", owned_key(self.node), run_id)
        await self._own(run_id, fence)

    async def append(self, run_id: str, bodies: Sequence[Body], *, fence: int = 1) -> None:
        """Add entries. Without Redis it waits. Raises FencedError, LogGoneError."""
        await self._connect()
        owned = self._owned.get(run_id)
        if owned is None:
            await self._append(run_id, bodies, fence)
            return
        followed = owned[1]
        async with followed.writing:
            last = await self._append(run_id, bodies, fence)
            if any(body["kind"] == "end" for body in bodies):
                self._finished.add(run_id)
            tape = followed.tape
            assert tape is not None
            if not followed.feed(last - len(bodies), bodies):
                await self._tapes.complete(followed)
            if tape.base > followed.folded:
                await self._fold(run_id, fence, followed)

    def follow(self, run_id: str) -> AbstractAsyncContextManager[Tape]:
        """The entries as a tape. Raises LogGoneError, BackplaneError."""
        return Following(self._tapes_at_hand, run_id)

    async def remove(self, run_id: str) -> None:
        """Forget the log. Idempotent. Without Redis it expires by itself."""
        await self._disown(run_id)
        with suppress(BackplaneError):
            await self._connect()
            await self._commands.run(REMOVE, keys_of(run_id), run_channel(run_id))
            await self._commands.call("SREM", owned_key(self.node), run_id)
        await self._tapes.forget(run_id)

    async def describe(self, about: About, *, fence: int = 1) -> None:
        """Tell all servers what is known of a run. Raises FencedError, LogGoneError, BackplaneError."""
        await self._connect()
        run_id, text = about["id"], json.dumps(about)
        life = round(self._keep * 1000) + 1 if about["ended"] else self._life
        checked(
            run_id, fence, await self._commands.run(DESCRIBE, keys_of(run_id), fence, text, life, run_channel(run_id))
        )
        if about["ended"]:
            await self._commands.call("SREM", owned_key(self.node), run_id)
        started = datetime.fromisoformat(about["startedAt"]).timestamp() if about.get("startedAt") else 0
        for group in about["groups"]:
            await self._commands.call("ZADD", list_key(group), started, run_id)
            await self._commands.call("PEXPIRE", list_key(group), max(life, self._life, round(self._keep * 1000)))
            await self._commands.call("PUBLISH", list_channel(group), text)

    async def about(self, run_id: str) -> About | None:
        """What is known of a run. Raises BackplaneError."""
        await self._connect()
        return await self._about(run_id)

    async def listed(self, group: str) -> Sequence[About]:
        """The runs of a room or of a starter, the oldest first. Raises BackplaneError."""
        await self._connect()
        found = []
        for name in await self._commands.call("ZRANGE", list_key(group), 0, -1):
            about = await self._about(name.decode())
            if about is None:
                await self._commands.call("ZREM", list_key(group), name)
            else:
                found.append(about)
        return found

    @asynccontextmanager
    async def hear(self, group: str) -> AsyncIterator[None]:
        """While the block runs, the server hears what changes among these. Raises BackplaneError."""
        await self._connect()
        self._groups[group] += 1
        try:
            await self._subscribe(list_channel(group))
            yield
        finally:
            self._groups[group] -= 1
            if not self._groups[group]:
                del self._groups[group]
                await self._hearing_unsubscribe(list_channel(group))

    async def call(self, run_id: str, request: Mapping[str, Any]) -> Any:
        """Ask the server that owns a run. Raises HubError."""
        await self._connect()
        (node,) = await self._commands.call("HMGET", keys_of(run_id)[0], "node")
        if node is None or self._calls is None:
            raise HubError(NO_RUN)
        return await self._calls.call(node.decode(), run_id, request)

    async def close(self) -> None:
        """Close the connections; runs that have not ended are for other servers. Used again, it opens them again."""
        if self._open:
            self._open = False
            with suppress(BackplaneError):
                await self._leases.give_up()
            await self._tasks.cancel()
            await self._commands.close()
            await self._hearing.close()
            self._begin_anew()

    def received(self, channel: str, payload: bytes) -> bool:
        """Redis has published something that is heard here."""
        if channel == node_channel(self.node):
            if self._calls is not None:
                self._calls.received(json.loads(payload))
        elif channel.startswith("hubline:runs:"):
            kind, _, rest = payload.partition(b" ")
            run_id = channel[len("hubline:runs:{") : -len("}:news")]
            if kind == b"entries":
                before, _, text = rest.partition(b" ")
                self._tapes.told(run_id, int(before), json.loads(text))
            elif kind == b"about" and self._server is not None:
                self._server.changed(json.loads(rest), None)
        elif self._server is not None:
            _, group, name = channel.split(":", 2)
            self._server.changed(json.loads(payload), f"{group}:{name[1 : -len('}:news')]}")
        return False

    def interrupted(self, since: datetime, until: datetime) -> None:
        """Something may have been missed: Redis is asked for it."""
        self._tapes.interrupted()

    @property
    def _life(self) -> int:
        """Milliseconds."""
        return round(self._lease * LIFE * 1000)

    async def _connect(self) -> None:
        """Raises BackplaneError: Redis cannot be reached, and was not yet."""
        loop = asyncio.get_running_loop()
        if self._open and self._loop is loop:
            return
        if self._open:
            self._begin_anew()
        async with self._starting:
            if self._open:
                return
            await self._commands.start()
            try:
                await self._hearing.start()
                await self._subscribe(node_channel(self.node))
                await self._leases.take()
            except BaseException:
                await self._commands.close()
                await self._hearing.close()
                self._begin_anew()
                raise
            self._open, self._loop = True, loop
            self._tasks.start(self._leases.keep(self._renew, self._adopt), name="hubline.runs leases")

    async def _tapes_at_hand(self) -> Tapes:
        await self._connect()
        return self._tapes

    async def _append(self, run_id: str, bodies: Sequence[Body], fence: int) -> int:
        """The number of the last of them. It is sent until Redis has answered, and added once."""
        batch, text, attempt = secrets.token_urlsafe(9), json.dumps(bodies), 0
        while True:
            try:
                found = await self._commands.run(
                    APPEND, keys_of(run_id)[:2], fence, batch, len(bodies), text, run_channel(run_id)
                )
                return checked(run_id, fence, found)
            except BackplaneError:
                await self._clock.sleep(pause(attempt))
                attempt += 1

    async def _fold(self, run_id: str, fence: int, followed: Followed) -> None:
        kept = followed.everything()
        with suppress(BackplaneError):  # the next one does it
            await self._commands.run(FOLD, keys_of(run_id), fence, kept["base"], json.dumps(kept))
            followed.folded = kept["base"]

    async def _about(self, run_id: str) -> About | None:
        text, epoch, seq = await self._commands.call("HMGET", keys_of(run_id)[0], "about", "epoch", "seq")
        if text is None:
            return None
        position = f"{epoch.decode()}-{seq.decode()}" if seq != b"0" else None
        return {**json.loads(text), "position": position}

    async def _load(self, run_id: str, after: int) -> Any:
        return await self._commands.run(LOAD, keys_of(run_id), after)

    async def _subscribe(self, channel: str) -> None:
        await self._hearing.subscribe([channel])

    async def _hearing_unsubscribe(self, channel: str) -> None:
        with suppress(BackplaneError):  # a connection that comes back hears only what is wanted then
            await self._hearing.unsubscribe([channel])

    async def _tell(self, node: str, message: Mapping[str, Any]) -> int:
        heard: int = await self._commands.call("PUBLISH", node_channel(node), json.dumps(message))
        return heard

    async def _own(self, run_id: str, fence: int) -> None:
        owned = self._owned.get(run_id)
        followed = owned[1] if owned is not None else await self._tapes.hold(run_id)
        followed.owned = True
        self._owned[run_id] = fence, followed

    async def _disown(self, run_id: str) -> None:
        owned = self._owned.pop(run_id, None)
        self._finished.discard(run_id)
        if owned is not None:
            owned[1].owned = False
            await self._tapes.release(owned[1])

    async def _renew(self) -> None:
        """What Redis holds of living runs stays; those that somebody took over are told of."""
        for run_id, (fence, _) in list(self._owned.items()):
            if run_id in self._finished:
                continue
            status, _number = await self._commands.run(RENEW, keys_of(run_id), fence, self._life)
            if status == b"fenced":
                await self._disown(run_id)
                if self._server is not None:
                    self._server.lost(run_id)
            else:
                about = await self._about(run_id)
                for group in about["groups"] if about is not None else ():
                    await self._commands.call("PEXPIRE", list_key(group), max(self._life, round(self._keep * 1000)))

    async def _adopt(self, run_id: str, fence: int) -> None:
        about = await self._about(run_id)
        if about is None or about["ended"] or self._server is None:
            return
        await self._own(run_id, fence)
        await self._server.adopt(about, fence)
