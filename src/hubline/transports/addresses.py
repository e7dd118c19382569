"""Where a request comes from, when proxies of our own stand in front."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from hubline.errors import ConfigurationError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
"""In a list of trusted proxies: whoever connects through a Unix socket, where there is no address."""

MAXIMUM_HOPS = 16
"""Entries of `X-Forwarded-For` that are looked at, from the right. Ours: a chain of proxies has two or three."""


class Addresses:
    """Finds the client's address: that of the ASGI `client`, or what trusted proxies say of it.

    Each proxy adds the address it was called from at the right end of `X-Forwarded-For`, and what stands further left
    was sent by whoever called it. So it is read from the right, up to the first address that is no trusted proxy. At
    an entry that is no address reading ends, and the proxy that wrote it counts as the client. `Forwarded`
    (RFC 7239) is not read: few proxies write it, and one that does not would pass on what a client wrote.
    """

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        """Raises ConfigurationError when one of them is no address, no network and not `unix`."""
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
        """The client's address; `None` when there is none, as behind a Unix socket that is not trusted."""
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
    """An address, which may have a port behind it and, of IPv6, brackets around it. IPv4 within IPv6 counts as IPv4."""
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
