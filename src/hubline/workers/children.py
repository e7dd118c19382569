"""Child processes, made by `fork`. Each says that it is ready, then that it lives, and ends when its parent does."""

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeAlias

logger = logging.getLogger("hubline.workers")

CHANGED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
"""The signals that the parent handles. A child begins with their default effects."""

HAND_OVER = signal.SIGUSR2
"""Tells a worker to stop, and to accept nothing more meanwhile, because its successor does."""

WHERE = signal.SIGUSR1
"""Makes a child write where each of its threads is, to standard error."""


class Parent:
    """The parent, as a child sees it."""

    def __init__(self, pipe: int) -> None:
        self._pipe, self._pid = pipe, os.getppid()

    def hear(self) -> None:
        """Tell it that this process is ready; and again and again, that it goes on."""
        with suppress(OSError):  # it has ended, or has not read for hours
            os.write(self._pipe, b"!")

    @property
    def gone(self) -> bool:
        """Whether it has ended."""
        return os.getppid() != self._pid


Main: TypeAlias = Callable[[Parent], None]
"""The function that a child runs; it calls `Parent.hear` when it is ready, and from then on each second."""


@dataclass(slots=True, eq=False)
class Child:
    """One child process."""

    name: str
    pid: int
    pipe: int
    """The end of a pipe that can be read when the child has said something, or has ended."""
    started: float = field(default_factory=time.monotonic)
    """By `time.monotonic`, as all times here."""
    heard: float = 0.0
    """When it last said something."""
    ready: bool = False
    ready_at: float = 0.0
    """When it said something first."""
    ended: bool = False
    """It says nothing more."""
    told_to_leave: float | None = None
    given_up: float | None = None
    """When it was found to hang."""

    def tell(self, number: int) -> None:
        """Send it a signal."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def look(self) -> bool:
        """Read the pipe. Whether the child has just become ready."""
        try:
            said = os.read(self.pipe, 65536)
        except BlockingIOError:
            return False
        if not said:
            self.ended = True
            return False
        before, self.ready, self.heard = self.ready, True, time.monotonic()
        if not before:
            self.ready_at = self.heard
        return not before


def fork(name: str, main: Main, life: tuple[int, int], patience: float, close: Iterable[int] = ()) -> Child:
    """Start a child that runs `main` and exits.

    `life` is a pipe whose writing end only the parent keeps: when that is closed, the child is sent SIGTERM, and
    SIGKILL `patience` seconds later. `close` are descriptors of the parent that the child does not need. There must be
    no other thread.
    """
    reading, writing = os.pipe()
    for descriptor in (reading, writing):
        os.set_blocking(descriptor, False)
    sys.stdout.flush()
    sys.stderr.flush()
    former = signal.pthread_sigmask(signal.SIG_BLOCK, CHANGED)  # one that came now would go to a copy of the parent
    pid = os.fork()
    if pid:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
        os.close(writing)
        return Child(name, pid, reading)
    status = 1
    try:
        for number in (*CHANGED, HAND_OVER):
            signal.signal(number, signal.SIG_DFL)
        signal.set_wakeup_fd(-1)
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
        os.setpgid(0, 0)  # Ctrl+C reaches every process of the terminal's group; the parent passes it on
        for descriptor in (reading, life[1], *close):
            os.close(descriptor)
        with suppress(Exception):  # no file that could be written to in a signal handler
            faulthandler.register(WHERE, all_threads=True)
        ending = threading.Thread(target=_end_with_the_parent, args=[life[0], patience], name="hubline parent")
        ending.daemon = True
        ending.start()
        main(Parent(writing))
        status = 0
    except SystemExit as exit:
        status = exit.code if isinstance(exit.code, int) else 0 if exit.code is None else 1
    except BaseException:
        logger.exception("%s failed", name)
    finally:
        logging.shutdown()
        with suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _end_with_the_parent(pipe: int, patience: float) -> None:
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(patience)
    os.kill(os.getpid(), signal.SIGKILL)
