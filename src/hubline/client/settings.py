"""The settings of a `HubConnection`, and mistakes in them."""

import ssl
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct

from hubline._mistakes import Mistakes
from hubline.client.negotiation import is_address
from hubline.client.retry import RetryPolicy, is_policy
from hubline.client.transports import TRANSPORTS, TransportName
from hubline.wire.codec import Codec
from hubline.wire.json import JsonCodec
from hubline.wire.msgpack import MessagePackCodec

if TYPE_CHECKING:
    import aiohttp

CODECS: dict[str, Callable[[], Codec]] = {"json": JsonCodec, "messagepack": MessagePackCodec}


class WebSettings(Struct, frozen=True):
    """The settings of all requests of a client; `HubConnection` describes them."""

    http: "aiohttp.ClientSession | None" = None
    tls: ssl.SSLContext | None = None
    proxy: str | None = None
    unix_socket: str | None = None


def problems(
    web: WebSettings,
    codec: str,
    transports: Collection[TransportName],
    retry: RetryPolicy,
    seconds: Sequence[float],
    sizes: Sequence[int | None],
    *,
    skip_negotiation: bool,
    stateful: bool,
) -> list[str]:
    """What is wrong with the arguments of a `HubConnection`."""
    wrong = Mistakes("HubConnection")
    for name, time in zip(("connect_timeout", "keep_alive_interval", "server_timeout"), seconds, strict=True):
        wrong.number(name, time, above=0)
    for name, size in zip(("buffer", "stateful_buffer", "maximum_message_size"), sizes, strict=True):
        wrong.whole(name, size, least=1, optional=name == "maximum_message_size")
    wrong.fits("retry", retry, is_policy(retry), "a sequence of seconds, a function", optional=True)
    found = wrong.found
    if codec not in CODECS:
        found.append(f"codec must be 'json' or 'messagepack', not {codec!r}")
    names = [transports] if isinstance(transports, str) else list(transports)
    if not names or isinstance(transports, str) or not set(names) <= TRANSPORTS.keys():
        found.append(f"transports must be some of {', '.join(map(repr, TRANSPORTS))}, not {transports!r}")
    elif codec == "messagepack" and set(names) == {"sse"}:
        found.append("an event stream carries text only: use another transport, or the codec 'json'")
    if skip_negotiation and "websocket" not in names:
        found.append("negotiation can be skipped with WebSockets only")
    if skip_negotiation and stateful:
        found.append("stateful reconnect needs the negotiation")
    if web.proxy is not None and not is_address(web.proxy, ("http", "https")):
        found.append(f"proxy must be an address with http or https, not {web.proxy!r}")
    if web.proxy is not None and web.unix_socket is not None:
        found.append("proxy and unix_socket exclude each other")
    if web.http is not None and web.unix_socket is not None:
        found.append("unix_socket is a setting of the connector: give `http` an aiohttp.UnixConnector instead")
    return found
