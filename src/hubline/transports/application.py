"""Ends an application that continues although its connection has ended."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from hubline.transports.time_limits import TimeLimits


class ApplicationTask(TimeLimits):
    """The part of a session that runs the application in a task, and cancels it."""

    __slots__ = ("_application", "_cancels", "_runs", "_task")

    def __init__(self) -> None:
        super().__init__()
        self._runs = False
        self._task: asyncio.Task[Any] | None = None
        """The task of the server, if the transport is a WebSocket."""
        self._application: Any = None
        """What `_task` awaits while the application runs."""
        self._cancels = 0
        """How often Hubline has cancelled that task."""

    @property
    def running(self) -> str:
        """The coroutines in which the application waits, the outermost first; empty if it has ended."""
        names, coroutine = [], self._application
        while coroutine is not None:
            if name := getattr(coroutine, "__qualname__", ""):
                names.append(name)
            coroutine = getattr(coroutine, "cr_await", None)
        return " > ".join(names)

    def cancel_application(self) -> None:
        """Cancel an application that continues. Its task may be the server's, which must not see the cancellation."""
        if self._task is not None:
            self._cancels += 1
            self._task.cancel()

    def abandon_application(self) -> None:
        """Close its coroutine. Code that catches `CancelledError` rarely catches `GeneratorExit` too."""
        application, self._application = self._application, None
        if isinstance(application, Coroutine):
            with suppress(Exception):  # its clean-up may raise anything, or the coroutine may ignore `GeneratorExit`
                application.close()
        self.cancel_application()

    def _is_our_end(self, error: BaseException) -> bool:
        """Whether the error comes from `cancel_application`, and nobody else has cancelled the task too."""
        if not self._cancels or self._task is None or self._task.cancelling() > self._cancels:
            return False
        abandoned = self._application is None and isinstance(error, RuntimeError)  # it was awaiting what is closed now
        return abandoned or isinstance(error, asyncio.CancelledError)

    def _let_go_of_application(self) -> bool:
        """It has ended: hide our cancellation from the owner of the task. False if its event loop was closed abruptly.

        In that case the coroutine is thrown away, and its end is not reported.
        """
        task, self._task, self._application = self._task, None, None
        if task is None or task.get_loop().is_closed():
            return False
        while self._cancels:
            self._cancels -= 1
            task.uncancel()
        self._runs = False
        return True
