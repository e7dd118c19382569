"""The connection for commands: what is asked in one turn of the loop leaves together, answers come in that order."""

import asyncio
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from hubline._clock import Clock
from hubline.backplanes.redis_connections import Connections, NoScriptError, ResponseError
from hubline.backplanes.redis_pipelines import Pipeline
from hubline.errors import BackplaneError


class Script:
    """A program that Redis runs as one step. Each of its keys has the same hash tag."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


class Request(NamedTuple):
    """A command, and who waits for its answer."""

    command: Sequence[Any]
    answer: "asyncio.Future[Any]"


class Commands(Pipeline[Request]):
    """Asks Redis, in the order in which it is asked to."""

    def __init__(self, connections: Connections, clock: Clock) -> None:
        super().__init__("asking Redis", connections, clock)

    async def call(self, *command: Any) -> Any:
        """The answer to a command, in bytes. It must be one whose answer is never nil: redis-py gives that for silence.

        Raises:
            BackplaneError: it was not sent, or nobody knows whether it was done, or Redis refuses it.
        """
        try:
            return await self._call(command)
        except ResponseError as error:
            raise BackplaneError(f"Redis has refused {command[0]}: {error}") from error

    async def run(self, script: Script, keys: Sequence[str], *arguments: Any) -> Any:
        """What a script answers. Raises BackplaneError as `call`."""
        try:
            return await self._call(("EVALSHA", script.digest, len(keys), *keys, *arguments))
        except NoScriptError:
            return await self.call("EVAL", script.text, len(keys), *keys, *arguments)
        except ResponseError as error:
            raise BackplaneError(f"Redis has refused a script: {error}") from error

    async def _call(self, command: Sequence[Any]) -> Any:
        request = Request(command, asyncio.get_running_loop().create_future())
        self._add(self.connection, request)
        return await request.answer

    def _commands(self, request: Request) -> Iterable[Sequence[Any]]:
        return (request.command,)

    def _answered(self, found: Any, error: ResponseError | None) -> None:
        answer = self._sent.popleft().answer
        if answer.done():
            return
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(found)

    def _fail(self, request: Request, error: Exception | None) -> None:
        if not request.answer.done():
            request.answer.set_exception(BackplaneError(f"the connection to Redis was lost: {error}"))
