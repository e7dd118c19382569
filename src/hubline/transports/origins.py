"""Which web pages may use a hub. Browsers name the page's origin; what is not a browser names none."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from hubline.errors import ConfigurationError

_HEADERS = ("authorization", "content-type", "x-requested-with", "x-signalr-user-agent")
"""What official clients send (spec §1.6)."""


class Origins:
    """The origin of the server itself, and those allowed besides.

    A pattern is an origin with `*` in place of a part of the host name or the port (`https://*.example.com`), or `*`
    alone for every page. WebSockets are not covered by CORS, so the server has to check (cross-site hijacking).
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        """Raises ConfigurationError when one of them is no origin."""
        problems = [
            f"allowed_origins: {origin!r} is no origin: write `https://host` or `https://host:port`, without a path"
            for origin in allowed
            if origin != "*" and not re.fullmatch(r"https?://[^/\s]+", origin)
        ]
        if problems:
            raise ConfigurationError(problems)
        self._allowed = tuple(allowed)
        self._pattern = re.compile("|".join(map(_regex, allowed)) or r"(?!)")

    def admits(self, scope: Mapping[str, Any]) -> bool:
        """Whether the page that made this request may; of several `Origin` headers all must."""
        origins = [value.decode("latin-1") for name, value in scope["headers"] if name == b"origin"]
        if not origins:
            return True
        hosts = [value.decode("latin-1").lower() for name, value in scope["headers"] if name == b"host"]
        return all(origin.partition("://")[2].lower() in hosts or self._listed(origin) for origin in origins)

    def _listed(self, origin: str) -> bool:
        return self._pattern.fullmatch(origin) is not None

    def cors(self, app: ASGIApp) -> ASGIApp:
        """`app` behind Starlette's CORS middleware, when another origin is allowed at all.

        Credentials are allowed, because browser clients always send them; so the origin is answered, never `*`.
        """
        if not self._allowed:
            return app
        return CORSMiddleware(
            app,
            allow_origin_regex=self._pattern.pattern,
            allow_credentials=True,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=_HEADERS,
        )


def _regex(origin: str) -> str:
    """Origins are compared as browsers send them: in lower case. A `*` matches labels of a host, or a port."""
    if origin == "*":
        return ".*"
    host, port = re.escape(origin.lower()), r":\*"
    if host.endswith(port):
        host = host.removesuffix(port) + ":[0-9]+"
    return host.replace(r"\*", r"[a-z0-9.-]+")
