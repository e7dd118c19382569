"""The address of a client that connects through trusted proxies."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from hubline.errors import ConfigurationError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
"""In a list of trusted proxies: every peer that connects through a Unix socket, which has no address."""

MAXIMUM_HOPS = 16
"""How many entries of `X-Forwarded-For` are read, from the right. Ours: chains of proxies have two or three."""


class Addresses:
    """Finds the client's address: that of the ASGI `client`, or the one that trusted proxies report.

    Each proxy adds the address of its peer at the right end of `X-Forwarded-For`. Everything left of that was sent by
    the peer. So the header is read from the right, up to the first address that is not a trusted proxy. Reading also
    ends at an entry that is not an address; then the proxy that wrote it counts as the client. `Forwarded` (RFC 7239)
    is not read: few proxies write it, and the others would pass on a header that a client made up.
    """

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        """Raises ConfigurationError if one of them is not an address, a network or `unix`."""
        problems: list[str] = []
        self._unix = UNIX in trusted_proxies
        self._networks: list[Network] = []
        for each in trusted_proxies:
            try:
                if each != UNIX:
                    self._networks.append(ipaddress.ip_network(each))
            except ValueError as error:
                advice = "write an address, a network as `10.0.0.0/8`, or `unix`"
                problems.append(f"trusted_proxies: {each!r} is no address or network ({error}): {advice}")
        if problems:
            raise ConfigurationError(problems)

    def of(self, scope: Mapping[str, Any]) -> str | None:
        """The client's address; `None` if there is none, for instance on a Unix socket that is not trusted."""
        client = scope.get("client")
        host = client[0] if client else ""  # behind a Unix socket servers say either `None` or an empty host
        if host and not self._networks:
            return str(host)
        if not (self._trusts(_parsed(host)) if host else self._unix):
            return host or None
        found: Address | None = None
        for entry in _forwarded_for(scope):
            address = _parsed(entry)
            if address is None:
                break
            found = address
            if not self._trusts(address):
                break
        return str(found) if found is not None else host or None

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _forwarded_for(scope: Mapping[str, Any]) -> Iterator[str]:
    """The last entries of `X-Forwarded-For`, the nearest proxy's first; several headers count as one, in order."""
    left = MAXIMUM_HOPS
    for name, value in reversed(list(scope["headers"])):
        if name == b"x-forwarded-for":
            for entry in reversed(value.decode("latin-1").rsplit(",", left)[-left:]):
                yield entry.strip()
                left -= 1
            if left == 0:
                return


def _parsed(text: str) -> Address | None:
    """An address, with or without a port, and for IPv6 with or without brackets. IPv4 within IPv6 counts as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
