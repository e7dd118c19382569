"""The contract server as a process of its own, on a free port."""

import os
import re
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parent.parent.parent
SERVERS = ("accelerated", "uvicorn", "hypercorn")
ELSEWHERE = os.environ.get("HUBLINE_CONTRACT_URL", "").rstrip("/")
"""The address of another server that keeps the contract, such as the reference; then ours is not started."""

UNHURRIED = {"KEEPALIVE_MS": "60000", "CLIENT_TIMEOUT_MS": "120000"}
"""Settings for peers that send no pings and expect none among their messages, though a busy machine takes its time."""

FAULTS = re.compile(
    r"Exception in ASGI application|Error in ASGI Framework|never retrieved|never awaited|a task failed|unclosed"
)
"""What no test may leave in the server's log, whatever it sends."""


@contextmanager
def contract_server(server: str = "accelerated", **environment: str) -> Iterator[str]:
    """Start it, yield its address, end it with SIGTERM and look for faults in its log."""
    with running("tests.interop.contract_server", "--port", "0", "--server", server, **environment) as url:
        yield url


@contextmanager
def running(module: str, *arguments: str, **environment: str) -> Iterator[str]:
    """The same for any module that prints `listening on URL` when it does."""
    command = [sys.executable, "-m", module, *arguments]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | environment, stdout=subprocess.PIPE, stderr=log, text=True
        )
        try:
            with process.stdout:  # type: ignore[union-attr]
                first = process.stdout.readline()  # type: ignore[union-attr]
                assert first.startswith("listening on "), f"the server did not start:\n{_text(log)}"
                yield first.removeprefix("listening on ").strip()
        finally:
            process.terminate()
            try:
                status = process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                status = process.wait()
            text = _text(log)
        assert not FAULTS.search(text), f"the server's log has faults:\n{text}"
        assert status == 0, f"the server did not stop in good order at SIGTERM (status {status}):\n{text}"


def _text(log: IO[str]) -> str:
    log.seek(0)
    return log.read()


@contextmanager
def reference_server(**environment: str) -> Iterator[str]:
    """The reference peer's server, on a port of its own choice, until the end of the block."""
    settings = {"REFPEER_PARENT": tempfile.gettempdir()} | os.environ
    settings |= {"URLS": "http://127.0.0.1:0", "LOG": "Information"} | environment
    command = ["bash", os.environ["HUBLINE_REFPEER"], "server"]
    process = subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    log: IO[str] = process.stdout  # type: ignore[assignment]
    lines: list[str] = []
    rest = threading.Thread(target=lambda: lines.extend(log))
    try:
        for line in log:
            lines.append(line)
            if found := re.search(r"Now listening on: (\S+)", line):
                break
        else:
            raise AssertionError("the reference server did not start:\n" + "".join(lines))
        rest.start()
        yield found[1]
    finally:
        process.kill()
        process.wait()
        if rest.ident is not None:
            rest.join()
        log.close()
