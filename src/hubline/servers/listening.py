"""Listening sockets, made before the server so that a mistake in the address is told first."""

import errno
import os
import socket
import stat
from contextlib import suppress
from typing import Any

_NOT_OURS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


def bind(host: str, port: int, *, shared: bool = False) -> list[socket.socket]:
    """Sockets for every address of `host`, all on one port: with port 0 on the one that the first was given.

    An address that this machine does not have (`::1` without IPv6) is left out, unless there is no other. With `shared`
    other sockets of this user may have the same port, and the system spreads connections over them (Linux).

    Raises:
        OSError: the name is unknown, an address is in use, or none is ours.
    """
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    addresses = list(dict.fromkeys((family, address) for family, _, _, _, address in found))
    sockets: list[socket.socket] = []
    for family, address in addresses:
        chosen = sockets[0].getsockname()[1] if sockets else port
        try:
            sockets.append(_bound(family, (address[0], chosen, *address[2:]), shared))
        except OSError as error:
            if error.errno in _NOT_OURS and (sockets or (family, address) != addresses[-1]):
                continue
            for sock in sockets:
                sock.close()
            raise
    return sockets


def bind_unix(path: str) -> socket.socket:
    """A Unix socket at this path, which everybody may connect to, as uvicorn makes it. Raises OSError."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):
            os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        sock.bind(path)
        os.chmod(path, 0o666)
    except OSError:
        sock.close()
        raise
    return sock


def url_of(sock: socket.socket, *, secure: bool) -> str:
    """The address that a listening socket serves."""
    host, port = sock.getsockname()[:2]
    return f"{'https' if secure else 'http'}://{f'[{host}]' if ':' in host else host}:{port}"


def _bound(family: int, address: tuple[Any, ...], shared: bool) -> socket.socket:
    # The protocol is named because asyncio turns Nagle's algorithm off only then.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":  # elsewhere the option lets two servers share a port
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
    except OSError:
        sock.close()
        raise
    return sock
