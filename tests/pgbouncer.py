"""PgBouncer in transaction mode in front of a PostgreSQL of ours, reached through a socket beside the database's."""

import asyncio
import os
import pwd
import shutil
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import postgres

PORT = 6432
"""Part of the name of the socket; nothing listens on TCP."""

SETTINGS = """
[databases]
* = host={directory} user={user}
[pgbouncer]
listen_port = {port}
unix_socket_dir = {directory}
auth_type = any
pool_mode = transaction
default_pool_size = 4
"""


def program() -> str | None:
    """Debian has it where only root's PATH leads."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


class Pool:
    """A pool for the server with this directory. What waits for it, and what it has begun, ends with it."""

    def __init__(self, directory: Path, port: int = PORT) -> None:
        self.directory, self.port = directory, port
        self._settings = directory / f"pgbouncer-{port}.ini"
        self._settings.write_text(SETTINGS.format(directory=directory, user=postgres.USER, port=port))
        self._process: subprocess.Popen[str] | None = None
        self._log = ""
        self._reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Of the database that a server has from the start, reached through the pool."""
        return self.url_of(postgres.url(self.directory, "postgres"))

    def url_of(self, url: str) -> str:
        """The address, through the pool, of a database with this address."""
        return f"{url}&port={self.port}"

    def url_at(self, port: int) -> str:
        """Its address for somebody who reaches it at a port of this machine."""
        return f"postgresql://{postgres.USER}@/postgres?host=127.0.0.1&port={port}"

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.directory / f".s.PGSQL.{self.port}")

    def start(self) -> None:
        """Return when it takes connections."""
        found = program()
        assert found is not None
        who: dict[str, Any] = {}
        if os.geteuid() == 0:  # which it refuses to run as
            user = pwd.getpwnam(postgres.USER)
            who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        self._log, up = "", threading.Event()
        self._process = subprocess.Popen(
            [found, str(self._settings)],
            cwd=self.directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            **who,
        )
        self._reader = threading.Thread(target=self._read, args=(up,), daemon=True)
        self._reader.start()
        up.wait(30)
        assert "process up" in self._log, self._log

    def stop(self) -> None:
        """At once. Again does nothing."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            if self._reader is not None:
                self._reader.join()
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def freeze(self) -> None:
        """It stays there, and does nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _read(self, up: threading.Event) -> None:
        """Or else it would wait, one day, for somebody to read."""
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._log += line
            if "process up" in line:
                up.set()
        up.set()


@contextmanager
def pool(directory: Path, port: int = PORT) -> Iterator[Pool]:
    """One that runs while the block does."""
    made = Pool(directory, port)
    made.start()
    try:
        yield made
    finally:
        made.stop()
