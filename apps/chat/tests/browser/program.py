"""`python -m hubline_chat` in a process of its own, as a newcomer starts it."""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
START_SECONDS = 180
PORT = re.compile(r"open at http\S*?:(\d+)")
PASSWORD = re.compile(r"with the password (\S+)")


@dataclass(frozen=True, slots=True)
class Program:
    """A chat that runs. `password` is its administrator's, as the terminal told it at the first start."""

    port: int
    password: str
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """As when the power fails."""
        self.process.kill()
        self.process.wait(START_SECONDS)


@contextmanager
def running(data: Path, **settings: str) -> Iterator[Program]:
    """The chat on a free port, with its database in `data`; `settings` are named as without `HUBLINE_CHAT_`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("HUBLINE_CHAT", "OPENAI"))}
    wanted = {"PORT": "0", "DATA": str(data)} | settings
    environment |= {f"HUBLINE_CHAT_{name}": value for name, value in wanted.items()}
    environment["PYTHONPATH"] = os.pathsep.join(str(ROOT / each) for each in ("src", "apps/chat/src"))
    program = subprocess.Popen(
        [sys.executable, "-m", "hubline_chat"],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert program.stdout is not None
    told = _told(program)
    drained = threading.Thread(target=program.stdout.read, daemon=True)
    drained.start()
    try:
        port, password = PORT.search(told), PASSWORD.search(told)
        if port is None:
            pytest.fail(f"the chat did not start:\n{told}")
        yield Program(int(port[1]), password[1] if password is not None else "", program)
        if program.poll() is None:
            program.send_signal(signal.SIGINT)
            assert program.wait(START_SECONDS) == 0
    finally:
        program.kill()
        drained.join(5)
        program.stdout.close()


def _told(program: "subprocess.Popen[str]") -> str:
    """What the program says until it can be used, it ends, or it is silent for too long."""
    assert program.stdout is not None
    watch = threading.Timer(START_SECONDS, program.kill)
    watch.start()
    told = ""
    try:
        for line in program.stdout:
            told += line
            if PORT.search(told):
                break
    finally:
        watch.cancel()
    return told
