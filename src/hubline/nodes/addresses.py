"""The address of a node: a Unix socket, or a host and a port."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

LONGEST_PATH = 100
"""Bytes of the path of a Unix socket. Source: `sun_path` has 108 on Linux and 104 on macOS, with a zero at the end."""


@dataclass(frozen=True, slots=True)
class NodeAddress:
    """Where a node listens."""

    path: str = ""
    """Of a Unix socket; empty for TCP."""
    host: str = ""
    port: int = 0

    @classmethod
    def parse(cls, given: Any) -> "NodeAddress":
        """Read `unix:/path` or `tcp://host:port`.

        Raises:
            ValueError: it is neither. The text describes the mistake.
        """
        if isinstance(given, str) and given.startswith("unix:/"):
            path = given.removeprefix("unix:")
            path = path.removeprefix("//") if path.startswith("///") else path
            if len(path.encode()) > LONGEST_PATH:
                raise ValueError(f"the path of a Unix socket has at most {LONGEST_PATH} bytes, got {given!r}")
            return cls(path=path)
        if isinstance(given, str) and given.startswith("tcp://"):
            parts = urlsplit(given)
            try:
                port = parts.port
            except ValueError:
                port = None
            if port is not None and parts.hostname is not None and not parts.path and not parts.query:
                return cls(host=parts.hostname, port=port)
        raise ValueError(f"write `unix:/run/hubline/a.sock` or `tcp://10.0.0.1:7000`, got {given!r}")

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"tcp://[{self.host}]:{self.port}" if ":" in self.host else f"tcp://{self.host}:{self.port}"
