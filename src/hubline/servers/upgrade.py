"""The opening handshake of a WebSocket (RFC 6455 §4.2) as clients usually send it. uvicorn handles unusual ones."""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote

from hubline.websocket_frames import accept_header

Header = tuple[bytes, bytes]

SIZE = 8_000
"""Bytes of a request that are looked at here. Less than a line may have in uvicorn's protocol, which refuses longer."""
HEADERS = 100

_REQUEST = re.compile(
    rb"GET (/[\x21-\x3e\x40-\x7e]*)(?:\?([\x21-\x7e]*))? HTTP/1\.1\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*\r\n)+)\r\n"
)
_CONNECTION = (b"Upgrade", b"upgrade", b"keep-alive, Upgrade")
_UPGRADE = (b"websocket", b"WebSocket")
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_SUBPROTOCOLS = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+(?:, ?[!#$%&'*+.^_`|~0-9A-Za-z-]+)*")
_SINGLE = (
    b"connection",
    b"upgrade",
    b"sec-websocket-key",
    b"sec-websocket-version",
    b"origin",
    b"sec-websocket-protocol",
)
_ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
_ACCEPTED_ENDS = _ACCEPTED.count(b"\n")
"""Lines that it ends."""
_NAMES = {
    name: name
    for name in (
        *(b"host", b"origin", b"cookie", b"user-agent", b"authorization", b"sec-websocket-key"),
        *(b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"pragma", b"sec-websocket-extensions"),
        *(b"x-requested-with", b"x-signalr-user-agent", b"x-forwarded-for", b"x-forwarded-proto", b"sec-fetch-mode"),
    )
}
"""Known to all connections, because each keeps its headers as long as it is there."""
_USUAL = {
    name + b": " + value: (name.lower(), value)
    for name, value in (
        *((b"Upgrade", b"websocket"), (b"Connection", b"Upgrade"), (b"Sec-WebSocket-Version", b"13")),
        *((b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"connection", b"upgrade")),
        *((b"sec-websocket-version", b"13"), (b"Connection", b"keep-alive, Upgrade"), (b"Cache-Control", b"no-cache")),
        *((b"Pragma", b"no-cache"), (b"Accept", b"*/*"), (b"X-Requested-With", b"XMLHttpRequest")),
        *((b"Accept-Encoding", b"gzip, deflate, br, zstd"), (b"Accept-Encoding", b"gzip, deflate, br")),
        (b"Sec-WebSocket-Extensions", b"permessage-deflate; client_max_window_bits"),
    )
}
"""The same of whole lines."""
_NEVER = (b"content-length", b"transfer-encoding")


class Upgrade:
    """A request that may be answered with 101."""

    __slots__ = ("headers", "key", "path", "query", "subprotocols")

    def __init__(self, path: bytes, query: bytes, headers: list[Header], key: bytes, subprotocols: list[str]) -> None:
        self.path, self.query, self.headers, self.key, self.subprotocols = path, query, headers, key, subprotocols

    @classmethod
    def read(cls, request: bytes) -> "Upgrade | None":
        """None if anything in it is unusual or wrong."""
        found = _REQUEST.fullmatch(request) if len(request) <= SIZE else None
        if found is None:
            return None
        path, query, lines = found.groups()
        headers = [_USUAL.get(line) or _header(line) for line in lines.split(b"\r\n")[:-1]]
        values = dict(headers)
        if len(values) < len(headers) and _is_double([name for name, _ in headers]):
            return None
        if (
            len(headers) > HEADERS
            or values.get(b"connection") not in _CONNECTION
            or values.get(b"upgrade") not in _UPGRADE
            or values.get(b"sec-websocket-version") != b"13"
            or not _KEY.fullmatch(values.get(b"sec-websocket-key", b""))
            or not values.keys().isdisjoint(_NEVER)
        ):
            return None
        asked = values.get(b"sec-websocket-protocol", b"").decode("latin-1")
        if asked and not _SUBPROTOCOLS.fullmatch(asked):
            return None
        subprotocols = [each.strip() for each in asked.split(",")] if asked else []
        return cls(path, query or b"", headers, values[b"sec-websocket-key"], subprotocols)

    def scope(self, root_path: str) -> dict[str, Any]:
        """The part of the ASGI scope that comes from the request."""
        return {
            "type": "websocket",
            "http_version": "1.1",
            "root_path": root_path,
            "path": root_path + unquote(self.path.decode("ascii")),
            "raw_path": root_path.encode("ascii") + self.path,
            "query_string": self.query,
            "headers": self.headers,
            "subprotocols": self.subprotocols,
        }

    def accepted(self, headers: Iterable[Header]) -> bytes:
        """The response, with the same bytes as uvicorn's.

        Raises:
            ValueError: a header would end the head, or begin another one.
        """
        accept = accept_header(self.key)
        lines = [_ACCEPTED + accept, *[name + b": " + value for name, value in headers], b"", b""]
        answer = b"\r\n".join(lines)
        if answer.count(b"\n") + answer.count(b"\r") != 2 * (_ACCEPTED_ENDS + len(lines) - 1):
            raise ValueError("a header of the answer to a WebSocket has a line break in it")
        return answer


def _header(line: bytes) -> Header:
    name, _, value = line.partition(b":")
    name = name.lower()
    return _NAMES.get(name, name), value.strip(b" \t")


def _is_double(names: list[bytes]) -> bool:
    """Whether one that must stand alone does not."""
    return any(names.count(name) > 1 for name in _SINGLE)
