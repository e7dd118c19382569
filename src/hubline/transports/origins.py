"""Which web pages may use a hub. Browsers send the origin of the page; other clients send none."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from hubline.errors import ConfigurationError

_ORIGIN = re.compile(r"(https?)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?", re.IGNORECASE)
"""The origins that browsers send for pages from servers (RFC 6454, section 7)."""

_PATTERN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._*-]*|\[[0-9a-f:.]+\])(?::([0-9]{1,5}|\*))?", re.IGNORECASE)
"""These origins with `*`, and those of apps and extensions (`capacitor://localhost`, `app://`)."""

_DEFAULT_PORTS = {"http": "80", "https": "443"}

_NO_PAGES = ("ws", "wss", "ftp")
"""Schemes that no origin has, but that a setting may have by mistake."""

_NULL = "null"
"""The origin of pages that have none of their own: in a sandbox, from a `data:` URL, from a file."""

_HEADERS = ("authorization", "content-type", "x-requested-with", "x-signalr-user-agent")
"""The headers that official clients send (spec §1.6)."""

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header (RFC 9110, section 5.6.2). `*` alone stands for every header."""


class Origins:
    """The server's own origin, and other allowed origins.

    A pattern is an origin with `*` in place of a part of the host name or the port (`https://*.example.com`), or `*`
    alone for every page. Apps and extensions have schemes of their own (`capacitor://localhost`,
    `chrome-extension://…`). `null` admits every page without an origin, whoever made it. WebSockets are not covered
    by CORS, so the server has to check (cross-site hijacking).

    The server's own origin is its `Host` header with the scheme of the request. If that is `http`, pages of
    `https` are admitted too, because a proxy may have ended TLS without saying so. If it is `https`, pages of `http`
    are refused, because an attacker on the network can change them.
    """

    def __init__(self, allowed: Sequence[str] = (), headers: Sequence[str] = ()) -> None:
        """`headers`: headers that pages of allowed origins may send, in addition to those of the official clients.

        Raises ConfigurationError if one of them is not an origin, or not the name of a header.
        """
        problems = [problem for origin in allowed if origin != "*" and (problem := _problem(origin))]
        problems += [
            f"allowed_headers: {name!r} is no name of a header" for name in headers if not _HEADER.fullmatch(name)
        ]
        if headers and not allowed:
            problems.append("allowed_headers is for pages of other origins: name them in allowed_origins")
        if problems:
            raise ConfigurationError(problems)
        self._allowed, self._headers = tuple(allowed), tuple(headers)
        self._pattern = re.compile("|".join(map(_regex, allowed)) or r"(?!)")

    def admits(self, scope: Mapping[str, Any]) -> bool:
        """Whether the origin of this request is allowed. If there are several `Origin` headers, all must be."""
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        if not origins:
            return True
        return all(self._pattern.fullmatch(origin) or _is_own(origin, scope) for origin in origins)

    def cors(self, app: ASGIApp) -> ASGIApp:
        """`app` behind Starlette's CORS middleware, if other origins are allowed.

        Credentials are allowed, because browser clients always send them. So the answer has the origin, never `*`.
        """
        if not self._allowed:
            return app
        return CORSMiddleware(
            app,
            allow_origin_regex=self._pattern.pattern,
            allow_credentials=True,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=(*_HEADERS, *self._headers),
        )


def _is_own(origin: str, scope: Mapping[str, Any]) -> bool:
    """Whether a page of this origin came from the server itself."""
    found = _ORIGIN.fullmatch(origin)
    hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    if found is None or len(hosts) != 1:
        return False
    scheme, host, port = found.groups()
    scheme = scheme.lower()
    if scope.get("scheme") in ("https", "wss") and scheme == "http":
        return False
    own = _ORIGIN.fullmatch(f"{scheme}://{hosts[0]}")
    default = _DEFAULT_PORTS[scheme]
    return own is not None and (own[2].lower(), own[3] or default) == (host.lower(), port or default)


def _problem(origin: str) -> str:
    """What is wrong with an allowed origin, if anything."""
    if origin == _NULL:
        return ""
    found = _PATTERN.fullmatch(origin)
    scheme = found[1].lower() if found is not None else ""
    if found is None or scheme in _NO_PAGES or (scheme in _DEFAULT_PORTS and not found[2]):
        return f"allowed_origins: {origin!r} is no origin: write `https://host` or `https://host:port`, without a path"
    if found[2] != "*" and not re.fullmatch(r"[^*]*|.*\*\.[^*.][^*]*", found[2]):
        return (
            f"allowed_origins: {origin!r} would admit hosts of others: behind a `*` write a dot and the rest of the "
            "host, as `https://*.example.com`"
        )
    return ""


def _regex(origin: str) -> str:
    """Origins are compared as browsers send them: in lower case, without the scheme's own port.

    A `*` matches labels of a host, or a port.
    """
    if origin in ("*", _NULL):
        return ".*" if origin == "*" else _NULL
    scheme, _, rest = origin.lower().partition("://")
    own = scheme in _DEFAULT_PORTS
    rest = re.escape(rest.removesuffix(f":{_DEFAULT_PORTS[scheme]}") if own else rest)
    if rest.endswith(r":\*"):
        rest = rest.removesuffix(r":\*") + "(?::[0-9]+)?"
    regex = f"{re.escape(scheme)}://" + rest.replace(r"\*", r"[a-z0-9.-]+")
    return regex if own else f"(?i:{regex})"  # Safari writes the origins of its extensions in capitals
