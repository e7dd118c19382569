"""Finds the hub methods that still run when the server ends, for the log.

Nothing is recorded while calls run. The stacks are read once, when the log needs it.
"""

import asyncio
import inspect
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType, FrameType
from typing import Any

from hubline.server.hub import Hub, ends_of
from hubline.server.runtime import HubRuntime


def user_code(runtimes: Iterable[HubRuntime]) -> dict[CodeType, str]:
    """The hub methods that the user has written, each with its name."""
    functions = []
    for runtime in runtimes:
        hub = runtime.hub
        functions += [(method.function, method.where) for method in runtime.methods.all]
        functions += [(end, f"{hub.__qualname__}.{end.__name__}") for end in ends_of(hub)]
    return {inspect.unwrap(function).__code__: where for function, where in functions}


def describe_task(task: "asyncio.Task[Any]") -> str:
    """The hub method that a task runs, and its connection, found in the frames of its coroutine."""
    coroutine = task.get_coro()
    found = inspect.getcoroutinelocals(coroutine) if inspect.iscoroutine(coroutine) else {}
    of = found.get("call") or found.get("work")
    connection = found.get("connection") if of is None else of.connection
    return task.get_name() if connection is None else f"{task.get_name()} of connection {connection.id}"


def in_threads(methods: Mapping[CodeType, str]) -> Iterator[str]:
    """The hub methods that run in worker threads now, each with its connection and its present line."""
    for thread, innermost in sys._current_frames().items():
        frame: FrameType | None = innermost
        while thread != threading.get_ident() and frame is not None:
            if frame.f_code in methods:
                hub = frame.f_locals.get(frame.f_code.co_varnames[0])
                connection = f" of connection {hub.context.connection_id}" if isinstance(hub, Hub) else ""
                yield f"{methods[frame.f_code]}{connection}, at {innermost.f_code.co_filename}:{innermost.f_lineno}"
                break
            frame = frame.f_back
