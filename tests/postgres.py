"""A PostgreSQL server of our own, in a temporary directory, reached through a socket in it."""

import asyncio
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from conftest import postgres_programs

USER = "postgres"
SETTINGS = "-c listen_addresses='' -c fsync=off -c max_connections=50 -k ."
"""No port that another server could have, and no patience with the disk: nothing here outlives the machine."""

SOCKET = ".s.PGSQL.5432"


@dataclass
class Database:
    """One database of a server, to which a test makes ways of its own."""

    directory: Path
    """Of the server's socket."""
    name: str

    @property
    def url(self) -> str:
        return url(self.directory, self.name)

    async def dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_unix_connection(self.directory / SOCKET)

    def url_at(self, port: int) -> str:
        """Its address for somebody who reaches it at a port of this machine."""
        return f"postgresql://{USER}@127.0.0.1:{port}/{self.name}"


class Postgres(Database):
    """One server of a test's own. It keeps its data when it is started again."""

    def __init__(self, directory: Path, settings: str = SETTINGS) -> None:
        super().__init__(directory, "postgres")
        self._settings = settings.replace("-k .", f"-k {directory}")
        self._frozen: list[int] = []
        if os.geteuid() == 0:  # which PostgreSQL refuses to run as
            shutil.chown(directory, USER)
        self._run("initdb", "-D", "data", "-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        """Return when it takes connections."""
        self._run("pg_ctl", "-D", "data", "-o", self._settings, "-l", "log", "-w", "start")

    def stop(self) -> None:
        """At once: every process is killed, and the next start recovers. Again does nothing."""
        self.thaw()
        if (self.directory / "data" / "postmaster.pid").exists():
            self._run("pg_ctl", "-D", "data", "-m", "immediate", "-w", "stop")

    def freeze(self) -> None:
        """It stays there, and does nothing: neither its connections nor new ones get an answer."""
        parent = int((self.directory / "data" / "postmaster.pid").read_text().split()[0])
        os.kill(parent, signal.SIGSTOP)  # it makes no more
        children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        self._frozen = [parent, *map(int, children)]
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Again does nothing."""
        self._signal(signal.SIGCONT)
        self._frozen = []

    def _signal(self, number: signal.Signals) -> None:
        for process in self._frozen:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _run(self, program: str, *arguments: str) -> None:
        programs = postgres_programs()
        assert programs is not None
        command = [str(programs / program), *arguments]
        if os.geteuid() == 0:
            command = ["runuser", "-u", USER, "--", *command]
        subprocess.run(command, cwd=self.directory, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@contextmanager
def postgres(settings: str = SETTINGS) -> Iterator[Postgres]:
    """A server that runs while the block does."""
    directory = Path(tempfile.mkdtemp(prefix="hubline-pg-"))
    try:
        made = Postgres(directory, settings)
        made.start()
        try:
            yield made
        finally:
            made.stop()
    finally:
        shutil.rmtree(directory)


@contextmanager
def server(settings: str = SETTINGS) -> Iterator[Path]:
    """The same: the directory of its socket."""
    with postgres(settings) as made:
        yield made.directory


def execute(directory: Path, statement: str) -> None:
    """Run a statement that no transaction may hold, such as `CREATE DATABASE`."""
    import psycopg

    with psycopg.connect(host=str(directory), user=USER, dbname="postgres", autocommit=True) as connection:
        connection.execute(statement.encode())


def url(directory: Path, name: str) -> str:
    return f"postgresql://{USER}@/{name}?host={quote(str(directory), safe='')}"


def new_database(directory: Path) -> str:
    """The URL of an empty database."""
    return made(directory).url


def made(directory: Path, template: str = "template1") -> Database:
    """A copy of a database to which nobody is connected, or else an empty one."""
    name = f"test_{secrets.token_hex(4)}"
    execute(directory, f"CREATE DATABASE {name} TEMPLATE {template}")
    return Database(directory, name)
