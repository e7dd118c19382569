"""The calls of the server to the handlers of a client."""

import asyncio
import inspect
import logging
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from msgspec.structs import replace

from hubline._tasks import TaskOwner, ends_its_task
from hubline.client.events import Called, Handler, Unfit
from hubline.client.link import Link
from hubline.client.pacing import Pacing, Queue

logger = logging.getLogger("hubline.client")


class Listener(Protocol):
    """Hears calls when they arrive, before those that wait for handlers."""

    def heard(self, target: str, arguments: list[Any]) -> bool:
        """A call that wants no answer. True if no handler should get it."""

    def lost(self) -> None:
        """The connection has ended. What it has carried was heard."""


class Calls:
    """Runs handlers: one after another, in the order of the calls; those that must answer each in a task of its own.

    So a handler that must answer may take its time, as in the .NET client (spec §11.6).
    """

    def __init__(self, pacing: Pacing, limit: int) -> None:
        self.handlers: dict[str, Handler] = {}
        self.unhandled: Callable[..., Any] | None = None
        """Gets the target and the arguments of calls that no handler takes."""
        self.listeners: list[Listener] = []
        self._waiting = Queue[Called](pacing, limit)
        self._tasks = TaskOwner("hubline client")

    def start(self) -> None:
        self._tasks.start(self._work(), name="hubline client: handlers")

    async def stop(self) -> None:
        """Cancel handlers that run, and forget the calls that wait."""
        await self._tasks.cancel()
        self._waiting.end()

    def on(self, target: str, function: Callable[..., Any]) -> None:
        self.handlers[target] = Handler(function)

    def lost(self) -> None:
        """The connection has ended."""
        for listener in list(self.listeners):
            listener.lost()

    def take(self, link: Link, called: Called | Unfit) -> None:
        """A call has arrived."""
        if isinstance(called, Unfit):
            logger.warning("the arguments of a call of %s cannot be read: %s", called.target, called.error)
        elif not called.id and self._is_heard(called):
            pass
        elif called.handler is None and self.unhandled is not None:
            self._waiting.put(replace(called, handler=Handler(partial(self.unhandled, called.target))))
        elif called.handler is None:
            logger.warning("the server calls %s, for which there is no handler", called.target)
        elif called.id:
            self._tasks.start(self._answer(link, called, called.handler))
        else:
            self._waiting.put(called)

    def _is_heard(self, called: Called) -> bool:
        return any([each.heard(called.target, called.arguments) for each in self.listeners])  # all of them hear it

    async def _work(self) -> None:
        while True:
            called = await self._waiting.get()
            if called.handler is not None:
                try:
                    await _run(called.handler, called.arguments)
                except (Exception, asyncio.CancelledError) as error:
                    if ends_its_task(error):
                        raise
                    logger.exception("the handler of %s failed", called.target)

    async def _answer(self, link: Link, called: Called, handler: Handler) -> None:
        try:
            result = await _run(handler, called.arguments)
        except (Exception, asyncio.CancelledError) as error:
            if ends_its_task(error):
                raise
            logger.exception("the handler of %s failed", called.target)
            await link.answer(called, None, error)
        else:
            await link.answer(called, result, None)


async def _run(handler: Handler, arguments: list[Any]) -> Any:
    result = handler.function(*arguments)
    return await result if inspect.isawaitable(result) else result
