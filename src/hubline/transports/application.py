"""Ending the application of a connection that goes on though its connection has ended."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from hubline.transports.timers import Timers


class ApplicationTask(Timers):
    """The part of a session that knows in which task its application runs."""

    __slots__ = ("_application", "_cancels", "_runs", "_task")

    def __init__(self) -> None:
        super().__init__()
        self._runs = False
        self._task: asyncio.Task[Any] | None = None
        """The server's own, where the transport is a WebSocket."""
        self._application: Any = None
        """What `_task` awaits while the application runs."""
        self._cancels = 0
        """How often we have cancelled that task."""

    @property
    def running(self) -> str:
        """The coroutines that the application waits in, the outermost first; empty when it has ended."""
        names, coroutine = [], self._application
        while coroutine is not None:
            if name := getattr(coroutine, "__qualname__", ""):
                names.append(name)
            coroutine = getattr(coroutine, "cr_await", None)
        return " > ".join(names)

    def cancel_application(self) -> None:
        """Cancel an application that goes on. The task it runs in may be the server's, which must not notice."""
        if self._task is not None:
            self._cancels += 1
            self._task.cancel()

    def abandon_application(self) -> None:
        """Stop it where it stands. What swallows `CancelledError` lets `GeneratorExit` pass, unless it swallows all."""
        application, self._application = self._application, None
        if isinstance(application, Coroutine):
            with suppress(Exception):  # whatever its clean-up raises, or that it goes on nevertheless
                application.close()
        self.cancel_application()

    def _is_our_end(self, error: BaseException) -> bool:
        """Whether it is what `cancel_application` has asked for, and nobody else has cancelled the task as well."""
        if not self._cancels or self._task is None or self._task.cancelling() > self._cancels:
            return False
        abandoned = self._application is None and isinstance(error, RuntimeError)  # it was awaiting what is closed now
        return abandoned or isinstance(error, asyncio.CancelledError)

    def _let_go_of_application(self) -> bool:
        """It has ended, and nobody is to notice that we cancelled it. False when its loop was closed abruptly.

        Then it is thrown away, and nobody is left to hear of its end.
        """
        task, self._task, self._application = self._task, None, None
        if task is None or task.get_loop().is_closed():
            return False
        while self._cancels:
            self._cancels -= 1
            task.uncancel()
        self._runs = False
        return True
