"""The entries of a run that a shared log does not have yet (runs.md R32)."""

import asyncio
from collections.abc import Callable, Sequence

from hubline._tasks import wake_up
from hubline.runs.log import FencedError
from hubline.runs.parts import TEXTS, Body, Parts
from hubline.runs.settings import Settings
from hubline.runs.tape import Tape
from hubline.runs.values import text_size, value_size

ROOM = 1_048_576
"""Bytes of entries that a run keeps in memory while its log cannot be reached (runs.md R32)."""


class Backlog:
    """Appends entries in order. A writer waits for the log; while that is away, only for room.

    `lost` is called when another server owns the run.
    """

    def __init__(self, run_id: str, fence: int, tape: Tape, settings: Settings, lost: Callable[[], None]) -> None:
        self._run_id, self._fence, self._tape, self._settings, self._lost = run_id, fence, tape, settings, lost
        self._begins = tape.end
        self._bodies: list[Body] = []
        """Entries whose append has not been answered, the oldest first."""
        self._added = self._written = self._size = 0
        self._waiting: list[asyncio.Future[None]] = []
        self._writer: asyncio.Task[None] | None = None
        self._draft: Parts | None = None
        self._error: Exception | None = None
        self._away = False

    @property
    def is_away(self) -> bool:
        """Whether the log cannot be reached at present."""
        return self._away

    @property
    def parts(self) -> Parts:
        """The parts of the run, with the entries that the log does not have yet."""
        return self._draft if self._draft is not None else self._tape.parts

    @property
    def left(self) -> Sequence[Body]:
        """The entries that the tape does not have."""
        return self._bodies[max(0, self._tape.end - self._begins - self._written) :]

    async def write(self, body: Body, *, last: bool = False) -> None:
        """Add an entry. With `last`, return only when the log has it.

        Raises:
            FencedError: another server owns the run.
            LogGoneError: the log was lost. `left` has the entries that it lacks.
        """
        number = self._add(body)
        if self._writer is None and self._error is None:
            self._writer = self._settings.tasks.start(self._write(), name=f"run {self._run_id}: appending")
        elif self._away:
            await asyncio.sleep(0)  # a function that waits for nothing else gives other tasks a turn
        while self._written < number and self._error is None and (last or not self._away or self._size > ROOM):
            progress = asyncio.get_running_loop().create_future()
            self._waiting.append(progress)
            await progress
        if self._written < number and self._error is not None:
            raise self._error

    def away(self) -> None:
        """The log cannot be reached: send the entries again until it can."""
        if not self._away and self._bodies:
            self._away, self._draft = True, Parts()
            for body in (*self._tape.parts.items(), *self.left):
                self._draft.apply(body)
            self._tell()

    def _add(self, body: Body) -> int:
        self._bodies.append(body)
        self._added += 1
        self._size += _size(body)
        if self._draft is not None:
            self._draft.apply(body)
        return self._added

    async def _write(self) -> None:
        log = self._settings.log
        try:
            while self._bodies:
                batch = self._bodies[:]
                await log.append(self._run_id, batch, fence=self._fence)
                del self._bodies[: len(batch)]
                self._written += len(batch)
                self._size -= sum(map(_size, batch))
                self._away = False
                if not self._bodies:
                    self._draft = None
                self._tell()
        except FencedError as error:
            self._bodies.clear()
            self._fail(error)
            self._lost()
        except Exception as error:
            self._fail(error)
        finally:
            self._writer = None

    def _fail(self, error: Exception) -> None:
        self._error, self._away = error, False
        self._tell()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for progress in waiting:
            wake_up(progress)


def _size(body: Body) -> int:
    return text_size(body["text"]) if body["kind"] in TEXTS else value_size(body)
