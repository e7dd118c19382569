"""Paths of the API, compared by their decoded segments, so that names may contain slashes.

ASGI decodes paths, and a decoded `/` in a name looks like one between segments. `raw_path` has both as they were sent.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from urllib.parse import SplitResult, quote, unquote, urlsplit

from starlette.requests import Request
from starlette.types import Scope

from hubline.routes import path_below_mount

_PORTS = {"http": 80, "https": 443}

Address: TypeAlias = tuple[str, str, int | None, tuple[str, ...]]
"""Scheme, host, port and decoded segments of the path."""


@dataclass(frozen=True, slots=True)
class Path:
    """The path of a request: as it was sent, and in segments."""

    raw: str
    mount: tuple[str, ...]
    """The segments in front of the API, with that of the API itself: `("api",)`."""
    segments: tuple[str, ...]
    """Those behind it."""


def path_of(scope: Scope) -> Path:
    """Raises ValueError if a segment is not UTF-8."""
    below = path_below_mount(scope)
    mount = scope["path"].removesuffix(below) if below != "/" else scope["path"]
    raw = scope.get("raw_path")
    sent = quote(scope["path"]) if raw is None else raw.decode("latin-1").partition("?")[0]
    found = tuple(unquote(each, errors="strict") for each in sent.split("/")[1:])
    depth = mount.rstrip("/").count("/")
    return Path(sent, found[:depth], found[depth:])


def address(url: str) -> Address | None:
    """What two spellings of one address have in common. The query and slashes at the end do not count."""
    try:
        parts = urlsplit(url)
        segments = tuple(unquote(each, errors="strict") for each in parts.path.rstrip("/").split("/")[1:])
        return parts.scheme.lower(), (parts.hostname or "").lower(), _port(parts), segments
    except ValueError:
        return None


def base_of(request: Request, endpoint: str | None, path: Path) -> str:
    """The address of the API as its clients know it, with the path in front of its segments."""
    if endpoint is not None:
        return f"{endpoint.rstrip('/')}/{quote(path.mount[-1])}" if path.mount else endpoint.rstrip("/")
    mount = "/".join(["", *(quote(each, safe="") for each in path.mount)])
    return f"{request.url.scheme}://{request.headers.get('host', '')}{mount}"


def url_of(base: str, path: Path) -> str:
    """The address of a request without its query, as publishers write it: operations begin with a colon."""
    return "/".join([base, *(quote(each, safe=":") for each in path.segments)])


Handler: TypeAlias = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Route:
    """An operation: its method, and its segments; names in braces are parameters."""

    method: str
    pattern: Sequence[str]
    handler: Handler

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The parameters of a path, if it is one of this operation. Case counts in parameters only, as in ASP.NET."""
        if len(segments) != len(self.pattern):
            return None
        found: dict[str, str] = {}
        for wanted, given in zip(self.pattern, segments, strict=True):
            if wanted.startswith("{"):
                found[wanted[1:-1]] = given
            elif wanted.lower() != given.lower():
                return None
        return found


def _port(parts: SplitResult) -> int | None:
    return parts.port or _PORTS.get(parts.scheme.lower())
