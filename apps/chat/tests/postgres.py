"""A PostgreSQL server of our own, in a temporary directory, reached through a socket in it."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from conftest import postgres_programs

USER = "postgres"
SETTINGS = "-c listen_addresses='' -c fsync=off -c max_connections=50 -k ."
"""No port that another server could have, and no patience with the disk: nothing here is to be kept."""


@contextmanager
def server() -> Iterator[Path]:
    """A running server: the directory of its socket."""
    programs = postgres_programs()
    assert programs is not None
    directory = Path(tempfile.mkdtemp(prefix="hubline-pg-"))
    if os.geteuid() == 0:  # which PostgreSQL refuses to run as
        shutil.chown(directory, USER)

    def run(program: str, *arguments: str) -> None:
        command = [str(programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", USER, "--", *command]
        subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    try:
        run("initdb", "-D", "data", "-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "-D", "data", "-o", SETTINGS.replace("-k .", f"-k {directory}"), "-l", "log", "-w", "start")
        try:
            yield directory
        finally:
            run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")
    finally:
        shutil.rmtree(directory)


def execute(directory: Path, statement: str) -> None:
    """Run a statement that no transaction may hold, such as `CREATE DATABASE`."""
    import psycopg

    with psycopg.connect(host=str(directory), user=USER, dbname="postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def url(directory: Path, name: str) -> str:
    return f"postgresql://{USER}@/{name}?host={quote(str(directory), safe='')}"
