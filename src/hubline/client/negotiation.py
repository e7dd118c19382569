"""Negotiation: which address a client connects to, with which token (spec §1, §11.2)."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TypeAlias
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from msgspec import UNSET, Struct

from hubline.errors import ConfigurationError, ConnectionClosed, NegotiationError
from hubline.wire.negotiate import NEWEST_VERSION, AvailableTransport, NegotiateResponse

REDIRECTS = 100
"""Redirections that are followed, as in the official clients."""

LARGEST_ANSWER = 1_048_576
"""Bytes that the answer to a negotiate request may have. Ours."""

Post: TypeAlias = Callable[[str, Mapping[str, str]], Awaitable[tuple[int, bytes]]]
"""Sends a POST without a body to an address, with these headers; returns status and body."""


class Place(Struct, frozen=True):
    """The address of a connection: where to open its WebSocket, to poll, and so on."""

    url: str
    """With `http` or `https`, as everything here."""
    headers: dict[str, str]
    connection_id: str | None = None
    """`None` without negotiation."""


class Offer(Struct, frozen=True):
    """What a server answers: a connection, and how to reach it."""

    place: Place
    transports: tuple[AvailableTransport, ...] = ()
    stateful: bool = False
    """Whether the connection can go on over another socket."""
    token_given: bool = False
    """Whether the token comes from a redirection. Then it is used as long as the connection lasts."""


def http_address(url: str) -> str:
    """The address of a hub, with `http` for `ws`.

    Raises:
        ConfigurationError: it is no absolute address of one of the four schemes.
    """
    if not is_address(url, ("http", "https", "ws", "wss")):
        raise ConfigurationError([f"{url!r} is not the address of a hub, such as https://example.com/chatHub"])
    parts = urlsplit(url)
    scheme = {"ws": "http", "wss": "https"}.get(parts.scheme, parts.scheme)
    return urlunsplit((scheme, parts.netloc, parts.path, parts.query, ""))


def is_address(url: str, schemes: Collection[str]) -> bool:
    """Whether this is an absolute address with one of these schemes."""
    try:
        parts = urlsplit(url)
        return parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:  # brackets without a pair, a port that is no number, and the like
        return False


def with_token(headers: Mapping[str, str], token: str | None) -> dict[str, str]:
    """The headers of a request with this bearer token."""
    return {**headers, "Authorization": f"Bearer {token}"} if token else dict(headers)


async def negotiate(
    post: Post, url: str, headers: Mapping[str, str], token: str | None, *, stateful: bool = False
) -> Offer:
    """Ask the server, and the servers it redirects to, for a connection.

    Raises:
        NegotiationError: the server refuses, or redirects too often.
    """
    given: str | None = None
    for _ in range(REDIRECTS + 1):
        sent = with_token(headers, given or token)
        answer = await _ask(post, url, sent, stateful)
        if not answer.url:
            if answer.use_stateful_reconnect and not stateful:
                raise NegotiationError(200, "Client didn't negotiate Stateful Reconnect but the server did.")
            offered = () if answer.available_transports is UNSET else answer.available_transports
            return Offer(_place(answer, url, sent), offered, answer.use_stateful_reconnect, given is not None)
        try:
            url = http_address(answer.url)
        except ConfigurationError:
            raise NegotiationError(200, f"the server redirects to {answer.url!r}, which is no address") from None
        given = answer.access_token or given
    raise NegotiationError(200, "Negotiate redirection limit exceeded.")


async def _ask(post: Post, url: str, headers: Mapping[str, str], stateful: bool) -> NegotiateResponse:
    parts = urlsplit(url)
    query = _with(parts.query, "negotiateVersion", str(NEWEST_VERSION))
    if stateful:
        query = _with(query, "useStatefulReconnect", "true")
    path = parts.path.removesuffix("/") + "/negotiate"
    status, body = await post(urlunsplit((parts.scheme, parts.netloc, path, query, "")), headers)
    if status != 200:
        text = f"Unexpected status code returned from negotiate '{status}': {_hint(status, headers)}"
        raise NegotiationError(status, f"{text} ({shown(url)})")
    try:
        answer = NegotiateResponse.parse(body)
    except ConnectionClosed as error:
        raise NegotiationError(status, error.reason) from error
    if answer.error:
        raise NegotiationError(status, answer.error)
    return answer


def shown(url: str) -> str:
    """An address for texts, without what may be secret: its user, password and query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _hint(status: int, headers: Mapping[str, str]) -> str:
    """What may be wrong."""
    if 300 <= status < 400:
        return "the server is elsewhere, perhaps at https, or wants a sign-in"
    if status == 401:
        given = any(name.lower() == "authorization" for name in headers)
        return "the token is not valid, or has expired" if given else "the hub wants a token, and there is none"
    if status >= 500:
        return "the server has failed, or is not there behind its proxy"
    return {403: "who asks may not use this hub", 404: "there is no hub at this address, or a proxy is in the way"}.get(
        status, "the server does not want this request"
    )


def _place(answer: NegotiateResponse, url: str, headers: dict[str, str]) -> Place:
    parts = urlsplit(url)
    secret = answer.connection_token or answer.connection_id or ""
    query = _joined(parts.query, f"id={quote(secret, safe='')}")
    return Place(urlunsplit((parts.scheme, parts.netloc, parts.path, query, "")), headers, answer.connection_id or None)


def _with(query: str, name: str, value: str) -> str:
    """A query with a parameter, unless it has it already."""
    present = any(each.lower() == name.lower() for each, _ in parse_qsl(query, keep_blank_values=True))
    return query if present else _joined(query, f"{name}={value}")


def _joined(query: str, addition: str) -> str:
    return f"{query}&{addition}" if query else addition
