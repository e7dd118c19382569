"""The table of transports of a client, and the choice among them (spec §11.2)."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from hubline.client.carrier import Carrier, Opening
from hubline.client.long_polling import open_polling
from hubline.client.server_sent_events import open_events
from hubline.errors import NegotiationError
from hubline.wire.codec import TransferFormat
from hubline.wire.negotiate import AvailableTransport

TransportName: TypeAlias = Literal["websocket", "sse", "long_polling"]
"""WebSockets, Server-Sent Events, long polling."""


class Transport(Struct, frozen=True):
    """A way to carry a connection."""

    name: str
    """In negotiations."""
    open: Callable[[Opening], Awaitable[Carrier]]
    pings: bool = True
    """Whether both sides ping. Polls need no pings: they show that both sides are there."""
    resumes: bool = False
    """Whether stateful reconnect is possible."""


async def open_websocket(opening: Opening) -> Carrier:
    """Open a WebSocket. Raises what `Http.connect` raises."""
    maximum = opening.maximum_message_size
    return await opening.http.connect(opening.place, binary=opening.binary, maximum_message_size=maximum)


TRANSPORTS: dict[TransportName, Transport] = {
    "websocket": Transport("WebSockets", open_websocket, resumes=True),
    "sse": Transport("ServerSentEvents", open_events),
    "long_polling": Transport("LongPolling", open_polling, pings=False),
}
"""One line for each transport, in the order of the original."""


def usable(
    offered: Sequence[AvailableTransport], wanted: Collection[TransportName], transfer_format: TransferFormat
) -> list[TransportName]:
    """What a server offers and this client wants and can use, in the server's order.

    Raises:
        NegotiationError: there is nothing.
    """
    names = {TRANSPORTS[name].name: name for name in TRANSPORTS if name in wanted}
    found = [
        names[each.transport]
        for each in offered
        if each.transport in names and transfer_format.value in each.transfer_formats
    ]
    if not found:
        theirs = ", ".join(each.transport for each in offered) or "nothing"
        text = "None of the transports supported by the client are supported by the server."
        raise NegotiationError(
            200, f"{text} This client needs {' or '.join(names)} with {transfer_format.value}; offered are: {theirs}"
        )
    return found
