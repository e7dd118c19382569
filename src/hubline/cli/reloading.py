"""`hubline run --reload`: uvicorn's supervisor, which starts the server again when a source file changes."""

from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

from uvicorn.supervisors import ChangeReload


class StopFlag:
    """A `threading.Event` that a signal handler may set at any moment.

    An event has a lock. A signal handler that interrupts `wait` while `wait` holds the lock would wait for ever. Python
    guarantees that `put` of a `SimpleQueue` may interrupt any of its methods.
    """

    def __init__(self) -> None:
        self._set = False
        self._told: SimpleQueue[None] = SimpleQueue()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        self._told.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is set by then. For one thread."""
        with suppress(Empty):
            if not self._set:
                self._told.get(timeout=timeout)
        return self._set


class Reload(ChangeReload):  # type: ignore[misc, valid-type]  # one of two classes, by what is installed
    """uvicorn's supervisor, which starts the server again when a source file changes.

    uvicorn begins to watch a quarter of a second after it has started the server. It would never notice a change in
    between, when the server may already have read the file. So this class records the files before the start.

    The first signal stops the server in good order; the second one ends it at once.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self._stop = StopFlag()
        super().__init__(*arguments, **settings)
        self._heard: list[int] = []
        self._noted: dict[Path, tuple[int, int]] | None = None

    @property
    def should_exit(self) -> Any:
        """uvicorn's attribute. Assignments are ignored, so that it stays the event above."""
        return self._stop

    @should_exit.setter
    def should_exit(self, event: Any) -> None: ...

    def startup(self) -> None:
        self._noted = self._files()
        super().startup()
        self._end_at_once_if_told()

    def restart(self) -> None:
        self._noted = self._files()
        super().restart()
        self._end_at_once_if_told()

    def should_restart(self) -> list[Path] | None:
        """The files that changed, once uvicorn's own watch has begun: those that changed before it began as well."""
        changed: list[Path] | None = super().should_restart()
        if self._noted is not None:
            changed = changed or [path for path, _ in self._files().items() - self._noted.items()]
            self._noted = None
        return changed

    def _files(self) -> dict[Path, tuple[int, int]]:
        """The source files, each with the time of its last change and its size."""
        found = {}
        for directory in self.config.reload_dirs:
            for path in directory.rglob("*.py"):
                with suppress(OSError):  # it is gone
                    state = path.stat()
                    found[path] = state.st_mtime_ns, state.st_size
        return found

    def signal_handler(self, sig: int, frame: FrameType | None) -> None:
        self._heard.append(sig)
        super().signal_handler(sig, frame)
        self._end_at_once_if_told()

    def _end_at_once_if_told(self) -> None:
        process = getattr(self, "process", None)  # the second signal may come before there is one
        if len(self._heard) > 1 and process is not None and process.pid is not None:
            process.kill()
