"""nginx with the configuration of `deploy/`, as an ordinary process in a directory of its own."""

import os
import re
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from tests.ports import free_port

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "scale-out.md"
UPSTREAM = re.compile(r"^upstream hubline \{.*?^\}", re.DOTALL | re.MULTILINE)
CONFIGURATION = Path(__file__).parents[2] / "deploy" / "nginx.conf"

MAIN = """
{user}
daemon off;
worker_processes {workers};
pid {directory}/pid;
error_log {directory}/error.log notice;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    include {directory}/hubline.conf;
}}
"""


WORKERS = 2
USER = "user root;" if os.geteuid() == 0 else ""
"""As root it would become `nobody`, who may not write to a directory of a test."""


class Nginx:
    """A running nginx: its address, and what it logs."""

    def __init__(self, directory: Path, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.port, self.url = port, f"http://127.0.0.1:{port}"
        self._directory, self._process = directory, process

    @property
    def access_log(self) -> str:
        return (self._directory / "access.log").read_text("utf-8")

    @property
    def logs(self) -> str:
        """All that it writes: about requests, about what went wrong with one, and about itself."""
        return "".join(path.read_text("utf-8") for path in self._directory.glob("*.log"))

    def reload(self) -> None:
        """Read the configuration again, as `systemctl reload nginx` does; wait until only new workers take requests."""
        wanted = self._retired() + WORKERS
        self._process.send_signal(signal.SIGHUP)
        while self._retired() < wanted:
            assert self._process.poll() is None, "nginx ended"

    def _retired(self) -> int:
        return (self._directory / "error.log").read_text("utf-8").count("gracefully shutting down")


def configured(backends: str | Sequence[str], port: int, directory: Path, location: str = "") -> str:
    """The file of `deploy/` with the addresses of a test, each of which must stand in it exactly once.

    With several backends the list of servers is that of the guide, which has three.
    """
    text, servers = CONFIGURATION.read_text("utf-8"), [("server 127.0.0.1:8000;", backends)]
    if not isinstance(backends, str):
        text, count = UPSTREAM.subn(UPSTREAM.findall(GUIDE.read_text("utf-8"))[0], text)
        assert count == 1
        servers = [(f"server 10.0.0.{number}:8000;", each) for number, each in enumerate(backends, 1)]
    for old, new in (
        *((old, f"server {urlsplit(str(each)).netloc};") for old, each in servers),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/var/log/nginx/hubline.log", str(directory / "access.log")),
        ("/var/log/nginx/hubline.error.log", str(directory / "requests.log")),
    ):
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    if location:
        text = re.sub(r"location / \{.*?\n    \}", location, text, flags=re.DOTALL)
    return text


@contextmanager
def nginx(
    backend: str | Sequence[str],
    directory: Path,
    *,
    location: str = "",
    limits: bool = False,
    read_timeout: str = "120s",
    port: int | None = None,
) -> Iterator[Nginx]:
    """Run it in front of `backend`, or of several, which it takes in turn.

    `location` takes the place of that block of the file, the others of its values.

    With `limits` those by address are on, with numbers that a test can exceed.
    """
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    port = port or free_port()
    text = configured(backend, port, directory, location)
    replaced = [("proxy_read_timeout 120s", f"proxy_read_timeout {read_timeout}")]
    if limits:
        text, count = re.subn(r"^( *)# (limit_.*;)$", r"\1\2", text, flags=re.MULTILINE)
        assert count == 6
        replaced += [("rate=100r/s", "rate=1r/s"), ("burst=5000", "burst=100")]
    for old, new in replaced:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (directory / "hubline.conf").write_text(text, "utf-8")
    (directory / "nginx.conf").write_text(MAIN.format(directory=directory, user=USER, workers=WORKERS), "utf-8")
    command = [program, "-p", str(directory), "-e", str(directory / "error.log"), "-c", str(directory / "nginx.conf")]
    checked = subprocess.run([*command, "-t", "-q"], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, ""), checked.stderr
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        running = Nginx(directory, port, process)
        until_it_listens(port, process)
        yield running
    finally:
        process.terminate()
        process.wait(30)
    assert not re.search(r"\[(?:emerg|alert|crit)\]", running.logs), running.logs


def until_it_listens(port: int, process: "subprocess.Popen[bytes]") -> None:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 5).close()
        except ConnectionRefusedError:
            assert process.poll() is None, "nginx did not start"
        else:
            return
