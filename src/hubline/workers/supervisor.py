"""The parent of the workers: starts them and their hub, replaces those that end, and reloads them one by one."""

import logging
import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from hubline.workers.children import CHANGED, HAND_OVER, WHERE, Child, Main, fork

logger = logging.getLogger("hubline.workers")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 15.0
"""Seconds before a worker that ended before it was ready is started again; doubled each time. Ours."""

STEADY = 5.0
"""Seconds after which a worker that was ready counts as one that works. Ours: one that soon ends again and again would
else take a core for nothing but its starts."""

START_TIME = 120.0
"""Seconds that a worker has to become ready before a reload fails. Ours: some applications load a model."""

LEAVE_TIME = 20.0
"""Seconds beyond the drain time after which a worker that was told to stop is killed. Ours: a server ends 10 seconds
after its drain time, whatever user code does."""

LAST_WORDS = 1.0
"""Seconds in which a child that hangs writes where it is. Then it is killed."""


@dataclass(slots=True, eq=False)
class Place:
    """One task of a child, and the children that do it: one, or two while one replaces the other."""

    name: str
    main: Main
    child: Child | None = None
    successor: Child | None = None
    """Replaces `child` as soon as it is ready."""
    due: float = 0.0
    """When a missing child is started."""
    pause: float = 0.0
    """Seconds before the next one is started."""

    def children(self) -> list[Child]:
        return [child for child in (self.child, self.successor) if child is not None]


class Supervisor:
    """Keeps the hub and the workers running until a signal comes.

    - SIGTERM or SIGINT: every worker drains and ends. A second one ends them at once.
    - SIGHUP: every worker is replaced by a new one, one after the other. A new one is ready before the old one drains,
      and both have the same listening socket, so no client is refused. It waits until all have been ready once.
    - SIGHUP because the terminal was closed: as SIGTERM; nothing with `nohup`.
    - A worker or hub that ends by itself is replaced at once; after a growing pause if it was never ready, or if it was
      ready only for moments, and the one before it too.
    - One that was ready and is silent for `hang_timeout` seconds is killed, and replaced as any that ends.
    """

    def __init__(
        self,
        hub: Main,
        workers: list[Main],
        *,
        drain_timeout: float,
        hang_timeout: float = 0.0,
        announce: Callable[[], None] = lambda: None,
    ) -> None:
        """`hang_timeout` of 0: whoever is silent stays. `announce` is called when all are ready for the first time."""
        self._hang_timeout = hang_timeout or float("inf")
        self._hub = Place("the hub of the workers", hub)
        self._workers = [Place(f"worker {number}", main, due=float("inf")) for number, main in enumerate(workers)]
        self._patience, self._announce = drain_timeout + LEAVE_TIME, announce
        self._leaving: list[Child] = []
        self._to_reload: list[Place] = []
        self._heard: list[int] = []
        """Signals that were not handled yet. A signal handler only appends, since it may run between any two steps."""
        self._stops, self._announced, self._status = 0, False, 0
        self._selector, self._life = selectors.DefaultSelector(), (-1, -1)
        self._in_terminal, self._ignores_its_end = _has_terminal(), signal.getsignal(signal.SIGHUP) == signal.SIG_IGN

    def run(self) -> int:
        """Run until a signal comes, or a worker cannot start at the beginning. Returns the status for the process."""
        with self._signals() as woken:
            while not self._stops or self._leaving or any(place.children() for place in self._places()):
                for key, _ in self._selector.select(self._pause()):
                    if key.fileobj is woken:
                        with suppress(BlockingIOError):
                            woken.recv(4096)
                    else:
                        self._look(key.data)
                while self._heard:
                    self._handle(self._heard.pop(0))
                self._collect()
                if not self._stops:
                    self._start_missing()
                    self._reload_next()
                self._end_late()
                self._end_hung()
        return self._status

    @contextmanager
    def _signals(self) -> Iterator[socket.socket]:
        self._life = os.pipe()
        woken, wakes = socket.socketpair()
        for each in (woken, wakes):
            each.setblocking(False)
        former = {number: signal.signal(number, self._hear) for number in CHANGED}
        former_wakeup = signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
        self._selector.register(woken, selectors.EVENT_READ)
        try:
            yield woken
        finally:
            signal.set_wakeup_fd(former_wakeup)
            for number, handler in former.items():
                signal.signal(number, handler)
            self._selector.close()
            for each in (woken, wakes):
                each.close()
            for descriptor in self._life:
                os.close(descriptor)

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self._heard.append(number)

    def _handle(self, number: int) -> None:
        if number == signal.SIGHUP and self._in_terminal and not _has_terminal():
            if not self._ignores_its_end and not self._stops:
                self._stop()
        elif number == signal.SIGHUP and not self._stops:
            logger.info("replacing all workers, one after the other")
            self._to_reload = list(self._workers)
        elif number in (signal.SIGTERM, signal.SIGINT):
            self._stop()

    def _stop(self) -> None:
        """The first time ask all workers to leave, the second time end them at once."""
        self._stops += 1
        for child in [child for place in self._workers for child in place.children()]:
            self._leave(child)
        for place in self._workers:
            place.child = place.successor = None
        if self._stops > 1:
            for child in self._leaving:
                child.tell(signal.SIGTERM)
        self._let_the_hub_go()

    def _let_the_hub_go(self) -> None:
        """The hub stops last, because workers that drain still exchange messages."""
        if self._stops and not self._leaving and self._hub.child is not None:
            self._leave(self._hub.child)
            self._hub.child = None

    def _leave(self, child: Child, number: int = signal.SIGTERM) -> None:
        child.told_to_leave = time.monotonic()
        child.tell(number)
        self._leaving.append(child)

    def _look(self, child: Child) -> None:
        """Its pipe can be read: it is ready, it lives, or it has ended."""
        just_ready = child.look()
        if child.ended:
            self._selector.unregister(child.pipe)
        if not just_ready:
            return
        if child is self._hub.child:
            self._workers[0].due = min(self._workers[0].due, time.monotonic())
        elif child is self._workers[0].child:  # alone at first, so that a mistake of the application is reported once
            for place in self._workers:
                place.due = min(place.due, time.monotonic())
        for place in self._workers:
            if child is place.successor:
                logger.info("%s was replaced", place.name)
                if place.child is not None:
                    self._leave(place.child, HAND_OVER)
                place.child, place.successor = child, None
        if not self._announced and all(place.child is not None and place.child.ready for place in self._workers):
            self._announced = True
            self._announce()

    def _collect(self) -> None:
        """Handle the end of children."""
        with suppress(ChildProcessError):  # there are none
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                self._ended(found[0], os.waitstatus_to_exitcode(found[1]))
        self._let_the_hub_go()

    def _ended(self, pid: int, status: int) -> None:
        for child in [child for child in self._leaving if child.pid == pid]:
            self._leaving.remove(child)
            self._forget(child)
        for place in self._places():
            for child in [child for child in place.children() if child.pid == pid]:
                self._forget(child)
                self._missing(place, child, status)

    def _missing(self, place: Place, child: Child, status: int) -> None:
        """A child has ended that was not asked to."""
        why = f"signal {-status}" if status < 0 else f"status {status}"
        if child is place.successor:
            place.successor = None
            self._to_reload.clear()
            logger.error("%s could not be replaced: the new one ended with %s; the old ones continue", place.name, why)
            return
        place.child = None
        if not self._announced and not child.ready:
            self._status = status if status > 0 else 1
            self._stop()
            return
        now, longer = time.monotonic(), min(LONGEST_PAUSE, place.pause * 2 or FIRST_PAUSE)
        if child.ready and now - child.ready_at >= STEADY:
            place.pause = longer = 0.0
        place.due = now + (place.pause if child.ready else longer)
        place.pause = longer
        logger.error("%s has ended with %s and is started again", place.name, why)

    def _start_missing(self) -> None:
        now = time.monotonic()
        for place in self._places():
            if place.child is None and place.due <= now:
                if place.successor is not None:
                    place.child, place.successor = place.successor, None
                else:
                    place.child = self._start(place)

    def _reload_next(self) -> None:
        """Start the next successor, when the last worker that was replaced has left."""
        late = [place for place in self._workers if place.successor and _age(place.successor) > START_TIME]
        for place in late:
            logger.error("%s could not be replaced: the new one was not ready within %g s", place.name, START_TIME)
            if place.successor is not None:
                self._leave(place.successor)
            place.successor = None
            self._to_reload.clear()
        if not self._announced or self._leaving:
            return
        if self._to_reload and not any(place.successor for place in self._workers):
            place = self._to_reload.pop(0)
            place.successor = self._start(place)

    def _start(self, place: Place) -> Child:
        children = [child for each in self._places() for child in each.children()] + self._leaving
        child = fork(place.name, place.main, self._life, self._patience, close=[child.pipe for child in children])
        self._selector.register(child.pipe, selectors.EVENT_READ, child)
        return child

    def _forget(self, child: Child) -> None:
        with suppress(KeyError):
            self._selector.unregister(child.pipe)
        os.close(child.pipe)

    def _end_late(self) -> None:
        for child in self._leaving:
            if child.told_to_leave is not None and time.monotonic() - child.told_to_leave > self._patience:
                logger.error("%s does not end and is killed", child.name)
                child.tell(signal.SIGKILL)
                child.told_to_leave = time.monotonic()  # one that the system holds ends later

    def _end_hung(self) -> None:
        """End who has been silent for too long. Whoever leaves has a time of its own."""
        for child in [child for place in self._places() for child in place.children()]:
            now = time.monotonic()
            if child.given_up is not None:
                if now - child.given_up > LAST_WORDS:
                    child.tell(signal.SIGKILL)
            elif child.ready and not child.ended and now - child.heard > self._hang_timeout:
                self._look(child)  # this process may have been stopped, and not that one
                if now - child.heard > self._hang_timeout and not child.ended:
                    text = "%s has not answered for %g s and is replaced; where it is, if it can say so:"
                    logger.error(text, child.name, self._hang_timeout)
                    child.given_up = now
                    child.tell(WHERE)

    def _hang_due(self, child: Child) -> float:
        if child.given_up is not None:
            return child.given_up + LAST_WORDS
        return child.heard + self._hang_timeout if child.ready and not child.ended else float("inf")

    def _pause(self) -> float | None:
        """Seconds until something is due; `None` if nothing is."""
        due = [place.due for place in self._places() if place.child is None and not self._stops]
        due += [child.told_to_leave + self._patience for child in self._leaving if child.told_to_leave is not None]
        due += [place.successor.started + START_TIME for place in self._workers if place.successor is not None]
        due += [self._hang_due(child) for place in self._places() for child in place.children()]
        first = min(due, default=float("inf"))
        return None if first == float("inf") else max(0.0, first - time.monotonic())

    def _places(self) -> list[Place]:
        return [self._hub, *self._workers]


def _age(child: Child) -> float:
    return time.monotonic() - child.started


def _has_terminal() -> bool:
    """Whether this process has a controlling terminal."""
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True
