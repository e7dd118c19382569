"""The chat in a process of its own, as `python -m hubline_chat` runs it.

The processes are forked off one that has imported the program, which takes ten times as long as all that it does then
until it is open. That the command itself starts it is for `test_program.py`.
"""

import multiprocessing
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import IO

import pytest

ROOT = Path(__file__).parents[4]
START_SECONDS = 180
PORT = re.compile(r"open at http\S*?:(\d+)")
PASSWORD = re.compile(r"with the password (\S+)")

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["hubline_chat.launch"])


@dataclass(frozen=True, slots=True)
class Program:
    """A chat that runs. `password` is its administrator's, as the terminal told it at the first start."""

    port: int
    password: str
    process: ForkServerProcess

    def kill(self) -> None:
        """As when the power fails."""
        self.process.kill()
        self.process.join(START_SECONDS)


@contextmanager
def running(data: Path, **settings: str) -> Iterator[Program]:
    """The chat on a free port, with its database in `data`; `settings` are named as without `HUBLINE_CHAT_`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HUBLINE_CHAT", "OPENAI"))}
    wanted = {"PORT": "0", "DATA": str(data)} | settings
    environment |= {f"HUBLINE_CHAT_{name}": value for name, value in wanted.items()}
    environment["PYTHONPATH"] = os.pathsep.join(str(ROOT / each) for each in ("src", "apps/chat/src"))
    receiver, sender = FORKS.Pipe(duplex=False)
    process = FORKS.Process(target=_run, args=(sender, environment))
    process.start()
    sender.close()
    with receiver, open(receiver.fileno(), encoding="utf-8", closefd=False) as output:
        told = _told(process, output)
        drained = threading.Thread(target=output.read, daemon=True)
        drained.start()
        try:
            port, password = PORT.search(told), PASSWORD.search(told)
            if port is None:
                pytest.fail(f"the chat did not start:\n{told}")
            yield Program(int(port[1]), password[1] if password is not None else "", process)
            if process.is_alive():
                os.kill(process.pid or 0, signal.SIGINT)
                process.join(START_SECONDS)
                assert process.exitcode == 0
        finally:
            process.kill()
            process.join(START_SECONDS)
            drained.join(5)


def _run(output: Connection, environment: Mapping[str, str]) -> None:
    """What `hubline_chat.__main__` does, in the process that was forked off."""
    for standard in (sys.stdout, sys.stderr):
        standard.flush()
        os.dup2(output.fileno(), standard.fileno())
    output.close()
    os.environ.clear()
    os.environ.update(environment)
    from hubline_chat.launch import main

    sys.exit(main())


def _told(process: ForkServerProcess, output: IO[str]) -> str:
    """What the program says until it can be used, it ends, or it is silent for too long."""
    watch = threading.Timer(START_SECONDS, process.kill)
    watch.start()
    told = ""
    try:
        for line in output:
            told += line
            if PORT.search(told):
                break
    finally:
        watch.cancel()
    return told
