"""The directory of the workers' Unix sockets. It does not outlive them, whichever of them is killed.

Each process that uses it holds a shared lock on a file in it, which the system gives back at its end. So whoever gets
the exclusive lock knows that nobody uses the directory any more: the last process, or the next start.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hubline.errors import ConfigurationError

PREFIX = "hubline-"
LOCK = "workers.lock"

LONGEST = 85
"""Bytes. The name of a Unix socket has at most 103 on every system, and ours has 17 after the directory."""

NONE = "no directory can be made for the sockets of the workers (TMPDIR says where)"


class Stay:
    """The use of a directory by this process. A forked child begins its own, with `enter`."""

    def __init__(self, path: str, lock: int) -> None:
        self.path, self._lock = path, lock

    @classmethod
    def new(cls) -> "Stay":
        """Make a directory that only its owner may enter.

        Raises:
            ConfigurationError: that is not possible, or its name is too long for sockets in it.
        """
        try:
            path = tempfile.mkdtemp(prefix=PREFIX)
        except OSError as error:
            raise ConfigurationError([f"{NONE}: {error.strerror or error}"]) from None
        if len(os.fsencode(path)) > LONGEST:
            os.rmdir(path)
            raise ConfigurationError([f"{NONE}: the name {path} is too long"])
        unlocked, final = os.path.join(path, "new"), os.path.join(path, LOCK)
        lock = _open(unlocked, os.O_CREAT)
        fcntl.flock(lock, fcntl.LOCK_SH)
        os.rename(unlocked, final)  # under its name it is always locked, as long as somebody is there
        return cls(path, lock)

    def enter(self) -> "Stay":
        """In a forked child: hold the lock for itself, and let go of what it has of its parent's."""
        lock = _open(os.path.join(self.path, LOCK))
        fcntl.flock(lock, fcntl.LOCK_SH)
        os.close(self._lock)
        return Stay(self.path, lock)

    def leave(self) -> None:
        """End the use, and remove the directory if nobody else uses it."""
        if _is_mine(self._lock):
            shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)

    def remove(self) -> None:
        """Remove it, whoever uses it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


@contextmanager
def directory() -> Iterator[Stay]:
    """A directory for the block. Those that killed processes have left behind are removed first."""
    sweep()
    stay = Stay.new()
    try:
        yield stay
    finally:
        stay.remove()


def sweep() -> None:
    """Remove the directories of this user that nobody uses any more."""
    for lock in Path(tempfile.gettempdir()).glob(f"{PREFIX}*/{LOCK}"):
        with suppress(OSError):  # another user's, or another start was faster
            descriptor = _open(str(lock))
            try:
                if os.fstat(descriptor).st_uid == os.geteuid() and _is_mine(descriptor):
                    shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(descriptor)


def _open(path: str, more: int = 0) -> int:
    return os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | more, 0o600)


def _is_mine(lock: int) -> bool:
    """Whether nobody else holds it. A shared lock becomes an exclusive one, or is lost."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
