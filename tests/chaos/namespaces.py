"""Servers as hosts of their own, in network namespaces, so that packets between one and Redis are lost.

Redis and the clients are in the namespace of this process, which must be its own (`ISOLATED`): it ends with the
process, whatever happens. Each server is in another, with two interfaces: `front` for its clients, `back` for Redis.
"""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager

from tests.chaos.fleet import Place, Servers, fleet_at
from tests.chaos.storage import DURABLE
from tests.valkey import valkey

HOLD = "import sys; print(flush=True); sys.stdin.read()"
"""A program that keeps a namespace until it is ended."""


def ip(*arguments: str) -> str:
    """What `ip` says. Raises CalledProcessError."""
    return subprocess.run(("ip", *arguments), check=True, text=True, capture_output=True).stdout


class Host:
    """A namespace for one server. Made by `host`."""

    def __init__(self, number: int, pid: int) -> None:
        self.number, self.front, self.back = number, f"10.77.{number}.2", f"10.78.{number}.2"
        self.redis = f"10.78.{number}.1"
        self.enter = ("nsenter", f"--net=/proc/{pid}/ns/net", "--")
        self._ours = f"back{number}"
        """The end of the cable at Redis."""
        ip("link", "set", "lo", "up")
        self._inside("ip", "link", "set", "lo", "up")
        for name, address, gateway in (
            ("front", self.front, f"10.77.{number}.1"),
            ("back", self.back, self.redis),
        ):
            ours = f"{name}{number}"
            ip("link", "add", ours, "type", "veth", "peer", "name", name, "netns", str(pid))
            ip("address", "add", f"{gateway}/30", "dev", ours)
            ip("link", "set", ours, "up")
            self._inside("ip", "address", "add", f"{address}/30", "dev", name)
            self._inside("ip", "link", "set", name, "up")
        self._know_each_other()

    def lose_packets(self) -> None:
        """From now on none arrives, in either direction. No connection ends, and no attempt is refused."""
        ip("link", "set", self._ours, "down")

    def lose_answers(self) -> None:
        """Redis receives what the server sends, and the server hears nothing of it."""
        ip("route", "add", "blackhole", f"{self.back}/32")

    def mend(self) -> None:
        ip("link", "set", self._ours, "up")
        if ip("route", "show", "type", "blackhole", f"{self.back}/32"):
            ip("route", "delete", "blackhole", f"{self.back}/32")

    def _know_each_other(self) -> None:
        """The server keeps the address of Redis's interface, as for a gateway that is still there: otherwise the kernel
        would report after three seconds that it finds nobody."""
        mac = ip("-o", "link", "show", self._ours).partition("link/ether ")[2].split()[0]
        neighbour = ("replace", self.redis, "lladdr", mac, "dev", "back", "nud", "permanent")
        self._inside("ip", "neighbour", *neighbour)

    def _inside(self, *program: str) -> None:
        subprocess.run((*self.enter, *program), check=True, capture_output=True)


@contextmanager
def host(number: int) -> Iterator[Host]:
    """It is there while the block runs, or until this process ends."""
    holding = ["unshare", "--net", sys.executable, "-c", HOLD]
    with subprocess.Popen(holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdin is not None
        assert holder.stdout is not None
        try:
            holder.stdout.readline()
            yield Host(number, holder.pid)
        finally:
            holder.stdin.close()


@asynccontextmanager
async def fleet_of_hosts(seed: int, servers: int = 3) -> AsyncIterator[tuple[Servers, list[Host]]]:
    """Running while the block does, each server on a host of its own."""
    with ExitStack() as stack:
        redis = stack.enter_context(valkey("--protected-mode", "no", "--bind", "0.0.0.0", *DURABLE))
        hosts = [stack.enter_context(host(number)) for number in range(1, servers + 1)]
        places = [Place(f"redis://{each.redis}:{redis.port}", each.front, each.enter) for each in hosts]
        async with fleet_at(places, redis, seed) as fleet:
            yield fleet, hosts
