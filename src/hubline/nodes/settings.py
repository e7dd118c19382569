"""The setting `HubApp(nodes=…)`."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from hubline._mistakes import Mistakes
from hubline.errors import ConfigurationError
from hubline.nodes.addresses import NodeAddress

SHORTEST_SECRET = 32
"""Characters. Ours: random text of that length, such as `openssl rand -hex 16` prints, has 128 bits."""

ANYWHERE = ("0.0.0.0", "::", "")
"""Hosts at which a server can listen, but that are not the address of a server."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Nodes:
    """Several servers behind a load balancer without sticky sessions: `HubApp(nodes=Nodes(…))`.

    Each server is a node. With `listen`, any node takes any request: the connection token holds the address of its
    node, encrypted, and requests for connections of another node are forwarded to it. A WebSocket is served where it
    arrives. With `public_url`, the answer to negotiate redirects the client to the node itself. With both, requests
    that still arrive at another node are forwarded.

    Raises:
        ConfigurationError: lists every value that is not valid.
    """

    secret: str | Sequence[str] = field(repr=False)
    """Shared by all nodes: 32 characters or more, random. It encrypts connection tokens and authenticates nodes.

    Of several, the first makes tokens, and all are accepted. To change it, add the new one at the end on every node,
    then move it to the front, then remove the old one.
    """

    listen: str | None = None
    """Where this node takes requests from others: `unix:/run/hubline/a.sock`, or `tcp://10.0.0.1:7000`.

    Nodes authenticate each other, but the data is not encrypted: use TCP only in a private network.
    """

    advertise: str | None = None
    """The address at which other nodes reach this one, if it differs from `listen`: `tcp://10.0.0.1:7000`."""

    public_url: str | None = None
    """The address at which clients reach this node directly: `https://a.example.com`. `None`: no redirection."""

    maximum_requests: int = 20_000
    """Requests under way to or from one other node, with WebSockets and event streams. Further ones get 503. Ours."""

    def __post_init__(self) -> None:
        mistakes = Mistakes("Nodes")
        wanted = f"a text of at least {SHORTEST_SECRET} characters, or a list of such texts"
        if not _are_secrets(self.secret):  # never shown
            mistakes.found.append(f"Nodes.secret must be {wanted}")
        listen = mistakes.check(lambda: _address("listen", self.listen))
        advertise = mistakes.check(lambda: _address("advertise", self.advertise))
        if advertise is not None and self.listen is None:
            mistakes.found.append("`Nodes.advertise` needs `listen`: without it, the node does not listen anywhere")
        named = advertise or listen
        if named is not None and named.host in ANYWHERE and not named.path:
            text = f"Nodes.advertise must name this node, because other nodes cannot reach {named.host!r}"
            mistakes.found.append(text)
        if not (self.public_url is None or _is_url(self.public_url)):
            wanted = "an address as `https://a.example.com`, without a query"
            mistakes.fits("public_url", self.public_url, False, wanted, optional=True)
        if self.listen is None and self.public_url is None:
            mistakes.found.append("Nodes needs `listen`, or `public_url`, or both")
        mistakes.whole("maximum_requests", self.maximum_requests, above=0)
        mistakes.tell()

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets; the first makes tokens."""
        return (self.secret,) if isinstance(self.secret, str) else tuple(self.secret)


def _address(name: str, given: Any) -> NodeAddress | None:
    if given is None:
        return None
    try:
        return NodeAddress.parse(given)
    except ValueError as error:
        raise ConfigurationError([f"Nodes.{name}: {error}"]) from None


def _are_secrets(given: Any) -> bool:
    found = [given] if isinstance(given, str) else given
    several = isinstance(found, Sequence) and not isinstance(found, bytes) and len(found) > 0
    return several and all(isinstance(each, str) and len(each) >= SHORTEST_SECRET for each in found)


def _is_url(given: Any) -> bool:
    if not isinstance(given, str):
        return False
    parts = urlsplit(given)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not parts.query and not parts.fragment
