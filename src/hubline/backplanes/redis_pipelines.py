"""A connection that writes the requests of one turn of the event loop together. Redis answers in their order."""

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from hubline._clock import Clock
from hubline.backplanes.lines import PATIENCE, Line
from hubline.backplanes.redis_connections import AskError, Connection, Connections, Node, ResponseError
from hubline.errors import BackplaneError


class Request(ABC):
    """Commands that are sent together, all for one slot, and the handling of their answers."""

    __slots__ = ("redirected", "slot")

    def __init__(self, slot: int) -> None:
        self.slot = slot
        self.redirected = 0
        """The number of answers that named another node for the slot."""

    @abstractmethod
    def commands(self) -> Iterable[Sequence[Any]]:
        """The commands. Each has an answer."""

    @abstractmethod
    def answered(self, found: Any, error: ResponseError | None) -> bool:
        """Handle the answer to a command, or its refusal. True when it was the last."""

    @abstractmethod
    def fail(self, error: Exception | None) -> None:
        """The connection was lost before the answer."""

    @abstractmethod
    def refuse(self, error: BackplaneError) -> None:
        """It was not executed, and will not be."""


class Fence(Request):
    """Has no command; it is done when all requests before it are answered."""

    __slots__ = ("passed",)

    def __init__(self) -> None:
        super().__init__(0)
        self.passed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def commands(self) -> Iterable[Sequence[Any]]:
        return ()

    def answered(self, found: Any, error: ResponseError | None) -> bool:
        raise NotImplementedError("there was no command")

    def fail(self, error: Exception | None) -> None:
        if not self.passed.done():
            self.passed.set_result(None)

    def refuse(self, error: BackplaneError) -> None:
        self.fail(error)


Redirect = Callable[["Pipeline", Request, AskError], None]
"""A node refused the request: another one has the slot (MovedError), or already has its key (AskError)."""


class Pipeline(Line[Connection]):
    """Writes requests to one node in the order of the calls, and hands over the answers."""

    def __init__(
        self,
        name: str,
        node: Node,
        connections: Connections,
        redirect: Redirect,
        lost: Callable[[], None],
        clock: Clock,
    ) -> None:
        super().__init__(name, lambda: connections.open(node), clock, connections.broker(node))
        self.node, self._redirect, self._lost = node, redirect, lost
        self._waiting: list[Request] = []
        self._sent: deque[Request] = deque()
        """Requests that Redis has not answered yet, the oldest first."""
        self._fences = 0
        self._writer: asyncio.Task[None] | None = None

    def add(self, request: Request) -> None:
        """Send a request. Raises BackplaneError: there is no connection."""
        connection = self.connection
        self._waiting.append(request)
        if self._writer is None:
            self._writer = self._tasks.start(self._write(connection), name=self.name)

    @property
    def unanswered(self) -> list[Request]:
        return [*self._sent, *self._waiting]

    async def passed(self) -> None:
        """Return when all added requests have been answered or lost."""
        if self._waiting or self._sent:
            fence = Fence()
            self._fences += 1
            (self._waiting if self._waiting else self._sent).append(fence)
            await fence.passed

    async def leave(self) -> None:
        """Close when all requests are answered."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.passed()
        await self.close()

    async def _write(self, connection: Connection) -> None:
        """Write all queued requests, and those that are added meanwhile."""
        try:
            while self._waiting:
                batch, self._waiting = self._waiting, []
                self._sent.extend(batch)
                commands = [command for request in batch for command in request.commands()]
                await connection.send_packed_command(connection.pack_commands(commands), check_health=False)
            self._writer = None
        except Exception as error:
            self._fail_all(error)
            self.renew()

    async def _use(self, connection: Connection) -> None:
        self._is_ready(connection)
        asked = False
        while True:
            try:
                found = await connection.read_response(disable_decoding=True, timeout=PATIENCE / 2)
            except ResponseError as error:
                self._answered(None, error)
                continue
            if found is not None:
                asked = False
                self._answered(found, None)
            elif asked:
                raise BackplaneError(f"Redis has not answered within {PATIENCE:g} s")
            else:
                asked = bool(self._sent)

    def _answered(self, found: Any, error: ResponseError | None) -> None:
        sent = self._sent
        if error is not None and isinstance(error, AskError):
            self._redirect(self, sent.popleft(), error)
        elif sent[0].answered(found, error):
            sent.popleft()
        if self._fences:
            self._pass_fences()

    def _pass_fences(self) -> None:
        while self._sent and isinstance(self._sent[0], Fence):
            self._fences -= 1
            self._sent.popleft().fail(None)

    async def _end(self, connection: Connection, error: Exception | None) -> None:
        if self._writer is not None:
            self._writer.cancel()
            self._writer = None
        self._fail_all(error)
        self._lost()
        with suppress(Exception):
            await connection.disconnect(nowait=True)

    def _fail_all(self, error: Exception | None) -> None:
        failed, self._waiting = self.unanswered, []
        self._sent.clear()
        self._fences = 0
        for request in failed:
            request.fail(error)
