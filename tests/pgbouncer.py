"""PgBouncer in transaction mode in front of a PostgreSQL of ours, reached through a socket beside the database's."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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


@contextmanager
def server(directory: Path) -> Iterator[None]:
    """A pool for the server with this directory; `url` of `postgres` reaches it with the port added."""
    found = program()
    assert found is not None
    settings = directory / "pgbouncer.ini"
    settings.write_text(SETTINGS.format(directory=directory, user=postgres.USER, port=PORT))
    command = [found, str(settings)]
    if os.geteuid() == 0:  # which it refuses to run as
        command = ["runuser", "-u", postgres.USER, "--", *command]
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert process.stdout is not None
        log = ""
        while "process up" not in log:
            line = process.stdout.readline()
            assert line, log
            log += line
        yield
    finally:
        process.terminate()
        process.communicate(timeout=30)
