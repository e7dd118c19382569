"""Commands: those of one turn of the event loop are sent together, and the answers have the same order."""

import asyncio
import hashlib
import logging
from collections.abc import Iterable, Sequence
from typing import Any

from hubline._clock import Clock
from hubline._mistakes import Mistakes
from hubline._tasks import TaskOwner
from hubline.backplanes.lines import PATIENCE, Pauses, pause
from hubline.backplanes.redis_buffered import encoded
from hubline.backplanes.redis_connections import (
    HOME,
    Connections,
    NoScriptError,
    ResponseError,
    TryAgainError,
    refusal,
)
from hubline.backplanes.redis_pipelines import Request
from hubline.backplanes.redis_routing import Router
from hubline.backplanes.redis_slots import Slots
from hubline.errors import BackplaneError

logger = logging.getLogger("hubline.backplane")

SILENCE = 60.0
"""Seconds until the same refusal is logged again. Ours."""


def check_prefix(mistakes: Mistakes, prefix: Any) -> None:
    """What precedes the names of everything that somebody has in Redis."""
    right = isinstance(prefix, str) and not {"{", "}"} & set(prefix)
    mistakes.fits("prefix", prefix, right, "text without braces, since these choose the node of a key in a cluster")


class Script:
    """A program that Redis runs as one step. Each of its keys has the same hash tag."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Command(Request):
    """A command, and the future for its answer."""

    __slots__ = ("answer", "command")

    def __init__(self, slot: int, command: Sequence[Any]) -> None:
        super().__init__(slot)
        self.command = command
        self.answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def commands(self) -> Iterable[Sequence[Any]]:
        return (self.command,)

    def answered(self, found: Any, error: ResponseError | None) -> bool:
        if not self.answer.done():
            if error is not None:
                self.answer.set_exception(error)
            else:
                self.answer.set_result(found)
        return True

    def fail(self, error: Exception | None) -> None:
        self.refuse(BackplaneError(f"the connection to Redis was lost: {error}"))

    def refuse(self, error: BackplaneError) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Refusals:
    """Logs what Redis refuses. Who has asked may ask again until it is allowed, and only the log says why it waits."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._logged: dict[str, float] = {}
        """When each kind of refusal was logged: a missing right, or the code of the error."""

    def refused(self, what: str, reason: str, error: ResponseError) -> BackplaneError:
        """The error for who has asked."""
        text = f"Redis has refused {what}: {reason}"
        right, now = reason.partition(" right +")[2], self._clock.now()
        kind = right or f"{what} {str(error).partition(' ')[0]}"
        if now - self._logged.get(kind, -SILENCE) >= SILENCE:
            self._logged[kind] = now
            logger.error("%s", text)
        return BackplaneError(text)


class Commands:
    """Sends commands to Redis in the order of the calls; in a cluster, to the node that has the key.

    The first argument of a command is its key. PUBLISH has a channel there, and is sent to the node where `Hearing`
    subscribes. `prefix` precedes both, and the keys of scripts.
    """

    def __init__(self, connections: Connections, clock: Clock, prefix: str = "") -> None:
        self._connections, self._clock, self.prefix = connections, clock, prefix
        self._tasks = TaskOwner("hubline: pauses")
        self._refusals = Refusals(clock)
        self._slots = Slots(connections, clock, sharded=True)
        self._router = Router("asking Redis", connections, self._slots, clock)

    async def start(self) -> None:
        """Raises BackplaneError: Redis cannot be reached, or refuses the request for the map of the slots."""
        await self._slots.start()
        try:
            await self._router.start()
        except BaseException:
            await self._slots.close()
            raise

    async def close(self) -> None:
        await self._slots.close()
        await self._router.close()

    def pauses(self, key: str) -> Pauses:
        """Those between attempts to change a key while its node is away."""
        node = self._slots.owner(self._slots.of(self.prefix + key))
        return Pauses(self._connections.broker(node or HOME), self._tasks, self._clock)

    def channel(self, name: str) -> str:
        """A channel on which a script publishes, as Redis knows it."""
        return self.prefix + name

    async def call(self, *command: Any) -> Any:
        """The answer to a command, in bytes. It must never be nil, which redis-py also returns for silence.

        Raises:
            BackplaneError: it was not sent, or its outcome is unknown, or Redis refused it.
        """
        name, key = command[0], self.prefix + command[1]
        parts = _bytes((name, key, *command[2:]))
        try:
            return await self._call(0 if name == "PUBLISH" else self._slots.of(parts[1]), parts)
        except ResponseError as error:
            raise self._refusals.refused(name, refusal(error, name, key), error) from error

    async def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """The answer of a script. Raises BackplaneError as `call`."""
        keys = [self.prefix + key for key in keys]
        rest = _bytes((len(keys), *keys, *arguments))
        slot = self._slots.of(rest[1])
        try:
            try:
                return await self._call(slot, ("EVALSHA", script.digest, *rest))
            except NoScriptError:
                return await self._call(slot, ("EVAL", script.text, *rest))
        except ResponseError as error:
            raise self._refusals.refused("a script", refusal(error, "evalsha", *keys), error) from error

    async def _call(self, slot: int, command: Sequence[Any]) -> Any:
        until, attempt = self._clock.now() + PATIENCE, 0
        while True:
            request = Command(slot, command)
            self._router.send(request)
            try:
                return await request.answer
            except TryAgainError:  # its slot moves, and some of its keys have moved already
                if self._clock.now() > until:
                    raise
            await self._clock.sleep(pause(attempt))
            attempt += 1


def _bytes(parts: Sequence[Any]) -> list[bytes]:
    """Encoded now: what nobody can send must not reach the connection, where it would end what others have sent."""
    try:
        return [encoded(part) for part in parts]
    except UnicodeEncodeError as error:
        raise BackplaneError(f"Redis cannot be sent {error.object[:100]!r}: {error.reason}") from error
