"""The time limits of one session. The heartbeat of the registry checks them, so a session has no timers of its own."""

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable

from hubline._clock import Clock
from hubline.connection import ConnectionScope, Heartbeat
from hubline.errors import SendTimeout
from hubline.transports.options import TransportOptions
from hubline.transports.outbox import Outbox

_MIB = 1_048_576


class TimeLimits(ABC):
    """A deadline, the time limit of a write, the expiry of the identity, and the heartbeat of the application."""

    __slots__ = (
        *("_deadline", "_heartbeats", "_scope", "_write_seen"),
        *("clock", "id", "options", "outbox", "quiet_until", "timed_out"),
    )

    id: str
    clock: Clock
    options: TransportOptions
    outbox: Outbox
    _scope: ConnectionScope | None

    def __init__(self) -> None:
        self.quiet_until = 0.0
        """Heartbeats before this time are skipped, unless something is being written."""
        self.timed_out = False
        """Whether it ended because no request carried it in time."""
        self._heartbeats: list[Heartbeat] = []
        self._deadline: tuple[float, Callable[[], None]] | None = None
        self._write_seen = (0, 0, 0.0)

    def on_heartbeat(self, callback: Heartbeat) -> None:
        self._heartbeats.append(callback)
        self.stir()

    def stir(self) -> None:
        self.quiet_until = 0.0

    def set_deadline(self, seconds: float, action: Callable[[], None]) -> None:
        """Call `action` at the first heartbeat after `seconds`, unless another deadline replaces it."""
        at = self.clock.now() + seconds
        self._deadline = (at, action)
        self.quiet_until = min(self.quiet_until, at)

    def time_out(self) -> None:
        """End the session, because no request carries it."""
        self.timed_out = True
        self.peer_left()

    @abstractmethod
    def peer_left(self) -> None:
        """What the peer sent is still read, but nothing reaches it any more."""

    @property
    @abstractmethod
    def lost(self) -> bool:
        """Whether the session has ended."""

    @abstractmethod
    def expire(self) -> None:
        """The identity has expired, and the options end such connections."""

    @abstractmethod
    def write_timed_out(self, error: SendTimeout) -> None:
        """End the session, because a write makes no progress."""

    def tick(self, now: float) -> None:
        """One heartbeat: deadlines, the time a write takes, the expiry of the identity, then the hub's own."""
        self.quiet_until = math.inf
        if self._deadline is not None and now >= self._deadline[0]:
            action = self._deadline[1]
            self._deadline = None
            action()
        if self.outbox.in_flight:
            self._check_write(now)
        if self.options.close_on_token_expiry:
            self._check_expiry()
            self.stir()
        for callback in self._heartbeats:  # also after the end of the connection, until the application has ended
            until = callback(now)
            if until is None or self.lost:
                self.stir()
            elif until < self.quiet_until:
                self.quiet_until = until
        if self._deadline is not None and self._deadline[0] < self.quiet_until:
            self.quiet_until = self._deadline[0]

    def _check_write(self, now: float) -> None:
        """A write that makes progress is not slow. If progress is unknown, each MiB gets the time of one write."""
        outbox = self.outbox
        number, written, since = self._write_seen
        timeout = self.options.send_timeout
        if not outbox.shows_progress:
            timeout *= max(outbox.in_flight / _MIB, 1.0)
        if number != outbox.taken or written != outbox.written:
            self._write_seen = (outbox.taken, outbox.written, now)
        elif now - since >= timeout:
            self.write_timed_out(SendTimeout(self.id, timeout=timeout))

    def _check_expiry(self) -> None:
        identity = self._scope.identity if self._scope is not None else None
        if identity is not None and identity.expires_at is not None and identity.expires_at <= time.time():
            self.expire()
