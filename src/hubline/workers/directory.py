"""The directory of the workers' Unix sockets. It does not outlive them, whichever of them is killed.

Each process that uses it holds a shared lock on it, which the system gives back at its end. So whoever gets the
exclusive lock knows that nobody uses the directory any more: the last process, or the next start. It is a lock of the
directory and of no file in it because systemd, which removes what is old in /tmp, spares what is in a locked one.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hubline.errors import ConfigurationError

PREFIX, UNLOCKED = "hubline-workers-", "hubline-unlocked-"
"""Of the names of directories. One that has the first is always locked, as long as somebody is there."""

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
            unlocked = tempfile.mkdtemp(prefix=UNLOCKED)
        except OSError as error:
            raise ConfigurationError([f"{NONE}: {error.strerror or error}"]) from None
        parent, name = os.path.split(unlocked)
        path = os.path.join(parent, PREFIX + name.removeprefix(UNLOCKED))
        if len(os.fsencode(path)) > LONGEST:
            os.rmdir(unlocked)
            raise ConfigurationError([f"{NONE}: the name {path} is too long"])
        lock = _open(unlocked)
        fcntl.flock(lock, fcntl.LOCK_SH)
        os.rename(unlocked, path)
        return cls(path, lock)

    def enter(self) -> "Stay":
        """In a forked child: hold the lock for itself, and let go of what it has of its parent's."""
        lock = _open(self.path)
        fcntl.flock(lock, fcntl.LOCK_SH)
        os.close(self._lock)
        return Stay(self.path, lock)

    def touch(self) -> None:
        """Make all files new, for programs that remove what is old in /tmp whether it is locked or not."""
        for each in (Path(self.path), *Path(self.path).glob("*")):
            with suppress(OSError):  # it has gone meanwhile
                os.utime(each)

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
    for path in Path(tempfile.gettempdir()).glob(f"{PREFIX}????????"):
        with suppress(OSError):  # another user's, or another start was faster
            descriptor = _open(str(path))
            try:
                if os.fstat(descriptor).st_uid == os.geteuid() and _is_mine(descriptor):
                    shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)


def _open(path: str) -> int:
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)


def _is_mine(lock: int) -> bool:
    """Whether nobody else holds it. A shared lock becomes an exclusive one, or is lost."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
