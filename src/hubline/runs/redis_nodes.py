"""The servers that share a log in Redis: asking each other, and who takes over when one has gone."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hubline import HubError
from hubline._clock import Clock
from hubline._tasks import TaskOwner
from hubline.backplanes.redis_commands import Commands
from hubline.errors import BackplaneError
from hubline.runs.info import NO_RUN, UNREACHABLE
from hubline.runs.log import RunServer
from hubline.runs.redis_keys import ADOPT, NODES, keys_of, lease_key, owned_key

logger = logging.getLogger("hubline.runs")

ANSWER = 15.0
"""Seconds for another server to answer: a function that is stopped has 5 to clean up. Ours."""

Tell = Callable[[str, Mapping[str, Any]], Awaitable[int]]
"""Publish something for a server; how many have got it."""


class Calls:
    """Requests to other servers, and theirs to this one."""

    def __init__(self, node: str, tell: Tell, server: RunServer, tasks: TaskOwner) -> None:
        self._node, self._tell, self._server, self._tasks = node, tell, server, tasks
        self._asked: dict[str, asyncio.Future[Mapping[str, Any]]] = {}

    async def call(self, node: str, run_id: str, request: Mapping[str, Any]) -> Any:
        """What another server answers. Raises HubError."""
        number = secrets.token_urlsafe(9)
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            heard = await self._tell(node, {"ask": number, "from": self._node, "run": run_id, "request": request})
            if not heard:
                raise HubError(UNREACHABLE)
            async with asyncio.timeout(ANSWER):
                found = await answer
        except (TimeoutError, BackplaneError) as error:
            raise HubError(UNREACHABLE) from error
        finally:
            del self._asked[number]
        if "error" in found:
            raise HubError(found["error"])
        return found["value"]

    def received(self, message: Mapping[str, Any]) -> None:
        if "ask" in message:
            self._tasks.start(self._serve(message), name="hubline.runs: a request of another server")
        else:
            answer = self._asked.get(message["to"])
            if answer is not None and not answer.done():
                answer.set_result(message)

    async def _serve(self, message: Mapping[str, Any]) -> None:
        answer: dict[str, Any] = {"to": message["ask"]}
        try:
            answer["value"] = await self._server.called(message["run"], message["request"])
        except HubError as error:
            answer["error"] = str(error)
        except Exception:
            logger.exception("a request of another server for run %s failed", message["run"])
            answer["error"] = NO_RUN
        try:
            await self._tell(message["from"], answer)
        except BackplaneError as error:
            logger.warning("an answer to another server was lost: %s", error)


class Leases:
    """This server's lease, and what becomes of the runs of servers whose leases have lapsed."""

    def __init__(self, node: str, commands: Commands, lease: float, clock: Clock) -> None:
        self._node, self._commands, self._lease, self._clock = node, commands, lease, clock
        self._judges_at = 0.0
        """Until then others may have had no chance to renew theirs either: Redis was away, or this server frozen."""

    async def take(self) -> None:
        """Raises BackplaneError."""
        if not await self._commands.call("EXISTS", lease_key(self._node)):
            self._judges_at = self._clock.now() + self._lease
        await self._commands.call("SET", lease_key(self._node), "1", "PX", round(self._lease * 1000))
        await self._commands.call("SADD", NODES, self._node)

    async def keep(self, renew: Callable[[], Awaitable[None]], adopt: Callable[[str, int], Awaitable[None]]) -> None:
        """Renew the lease, and with `renew` what lives by it; look after the others. Never returns."""
        while True:
            await self._clock.sleep(self._lease * 0.3)
            try:
                await self.take()
                await renew()
                if self._clock.now() >= self._judges_at:
                    await self._look_after(adopt)
            except BackplaneError as error:
                logger.warning("the lease of this server could not be renewed: %s", error)
            except Exception:
                logger.exception("looking after the runs of other servers failed")

    async def give_up(self) -> None:
        """Let others take over at once what is left."""
        await self._commands.call("DEL", lease_key(self._node))

    async def _look_after(self, adopt: Callable[[str, int], Awaitable[None]]) -> None:
        for name in await self._commands.call("SMEMBERS", NODES):
            node = name.decode()
            if node == self._node or await self._commands.call("EXISTS", lease_key(node)):
                continue
            for run in await self._commands.call("SMEMBERS", owned_key(node)):
                run_id = run.decode()
                await self._commands.call("SADD", owned_key(self._node), run_id)
                fence = await self._commands.run(ADOPT, keys_of(run_id)[:1], node, self._node)
                if fence:
                    await adopt(run_id, fence)
                await self._commands.call("SREM", owned_key(node), run_id)
            if not await self._commands.call("EXISTS", lease_key(node)):
                await self._commands.call("SREM", NODES, node)
