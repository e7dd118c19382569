"""The parts of `deploy/several/compose.yaml` as processes of this machine: its commands, settings and health checks."""

import asyncio
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.deployment.nginx import MAIN, USER, WORKERS, Nginx, until_it_listens
from tests.ports import free_port
from tests.valkey import Valkey, until, valkey

DIRECTORY = Path(__file__).parents[2] / "deploy" / "several"
SECRET = "what the servers of this test know"
SERVERS = ("server1", "server2", "server3")


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = yaml.safe_load((DIRECTORY / "compose.yaml").read_text("utf-8"))["services"]
    return found


class Server:
    """One of the servers, with what stands in the file, at an address of this machine."""

    def __init__(self, service: dict[str, Any], redis: str) -> None:
        self._service, self.port, self._node = service, free_port(), f"tcp://127.0.0.1:{free_port()}"
        given = {name: self._here(value, redis) for name, value in service["environment"].items()}
        self._environment = os.environ | given | {"NODE_LISTEN": self._node}
        self._process: subprocess.Popen[bytes] | None = None

    def _here(self, text: str, redis: str) -> str:
        text = re.sub(r"^\$\{NODE_SECRET:\?.*\}$", SECRET, text)
        text = re.sub(r"^tcp://server\d:7000$", self._node, text)
        return text.replace("redis://valkey:6379", redis).replace("172.16.0.0/12", "127.0.0.1")

    async def start(self) -> None:
        """Return when its health check says that it is well."""
        program, *arguments = self._service["command"]
        assert program == "hubline"
        arguments[arguments.index("8000")] = str(self.port)
        arguments[arguments.index("0.0.0.0")] = "127.0.0.1"
        self._spawn([sys.executable, "-m", "hubline.cli.main", *arguments])
        await until(self.is_healthy)

    def _spawn(self, command: list[str]) -> None:
        self._process = subprocess.Popen(command, cwd=DIRECTORY, env=self._environment)

    async def is_healthy(self) -> bool:
        kind, program, *arguments = self._service["healthcheck"]["test"]
        assert (kind, program) == ("CMD", "python")
        arguments = [each.replace(":8000/", f":{self.port}/") for each in arguments]
        check = await asyncio.create_subprocess_exec(sys.executable, *arguments, stderr=asyncio.subprocess.DEVNULL)
        status = await check.wait()
        assert self._process is not None
        assert self._process.poll() is None, "the server ended"
        return status == 0

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> int:
        """As `docker stop` does; its status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(float(self._service["stop_grace_period"].removesuffix("s")))


class Several:
    """All of it, running."""

    def __init__(self, url: str, servers: list[Server], redis: Valkey) -> None:
        self.url, self.servers, self.redis = url, servers, redis


def nginx_of_several(directory: Path, port: int, ports: dict[str, int]) -> str:
    """The file that is mounted, with the addresses of this machine."""
    text = (DIRECTORY / "nginx.conf").read_text("utf-8")
    for name, at in ports.items():
        assert text.count(f"server {name}:8000;") == 1
        text = text.replace(f"server {name}:8000;", f"server 127.0.0.1:{at};")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{port};")
    return text.replace("/var/log/nginx/hubline.", f"{directory}/requests.")


@contextmanager
def several(directory: Path) -> Iterator[Several]:
    """While the block runs. The servers are not started yet."""
    found = services()
    options = found["valkey"]["command"]
    assert options[0] == "valkey-server"
    with ExitStack() as stack:
        redis = stack.enter_context(valkey(*options[1:]))
        servers = [Server(found[name], redis.url) for name in SERVERS]
        for server in servers:
            stack.callback(server.kill)
        port = free_port()
        text = nginx_of_several(directory, port, dict(zip(SERVERS, (each.port for each in servers), strict=True)))
        (directory / "hubline.conf").write_text(text, "utf-8")
        main = MAIN.format(directory=directory, user=USER, workers=WORKERS)
        (directory / "nginx.conf").write_text(main, "utf-8")
        program = shutil.which("nginx") or "/usr/sbin/nginx"
        command = [
            program,
            "-p",
            str(directory),
            "-e",
            str(directory / "error.log"),
            "-c",
            str(directory / "nginx.conf"),
        ]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        stack.callback(process.wait, 60)
        stack.callback(process.terminate)
        running = Nginx(directory, port, process)
        until_it_listens(port, process)
        yield Several(running.url, servers, redis)
    assert not re.search(r"\[(?:emerg|alert)\]", running.logs), running.logs
