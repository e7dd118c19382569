"""Requests between servers with a shared log."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from hubline import HubError
from hubline._tasks import TaskOwner
from hubline.errors import BackplaneError
from hubline.runs.info import NO_RUN, UNREACHABLE
from hubline.runs.log import RunServer

logger = logging.getLogger("hubline.runs")

ANSWER = 15.0
"""Seconds for another server to answer: a function that is stopped has 5 to clean up. Ours."""

Tell = Callable[[str, Mapping[str, Any]], Awaitable[int]]
"""Publish something for a server; how many have got it."""


class Calls:
    """Requests to other servers, and theirs to this one."""

    def __init__(self, node: str, tell: Tell, server: RunServer, tasks: TaskOwner) -> None:
        self._node, self._tell, self.server, self._tasks = node, tell, server, tasks
        self._asked: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self.callers: set[str] = set()
        """Servers that have asked this one."""
        self.left: Callable[[str], None] = _nobody_cares
        """Called with the name of another server that has said that it stops."""

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

    async def leave(self, node: str) -> None:
        """Tell another server that this one has given up its lease. Raises BackplaneError."""
        await self._tell(node, {"to": "", "left": self._node})  # `to`: servers of older versions pass it over

    def received(self, message: Mapping[str, Any]) -> None:
        if "room" in message:
            self.server.turns(message["room"])
        elif "left" in message:
            self.left(message["left"])
        elif "ask" in message:
            self._tasks.start(self._serve(message), name="hubline.runs: a request of another server")
        else:
            answer = self._asked.get(message["to"])
            if answer is not None and not answer.done():
                answer.set_result(message)

    async def _serve(self, message: Mapping[str, Any]) -> None:
        answer: dict[str, Any] = {"to": message["ask"]}
        try:
            self.callers.add(message["from"])
            answer["value"] = await self.server.called(message["run"], message["request"], message["from"])
        except HubError as error:
            answer["error"] = str(error)
        except Exception:
            logger.exception("a request of another server for run %s failed", message["run"])
            answer["error"] = NO_RUN
        try:
            await self._tell(message["from"], answer)
        except BackplaneError as error:
            logger.warning("an answer to another server was lost: %s", error)


def _nobody_cares(node: str) -> None: ...
