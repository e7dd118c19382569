"""Which transports are tried, and in which order."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from hubline import ConnectionClosed, NegotiationError
from hubline.client import HubConnection
from hubline.client.transports import TRANSPORTS, usable
from hubline.testing import ManualClock, settle
from hubline.wire.codec import TransferFormat
from hubline.wire.negotiate import AvailableTransport
from tests.client.scripted import NEGOTIATED, URL, Script, clock, script

fixtures = (clock, script)
ALL = [
    {"transport": "WebSockets", "transferFormats": ["Text", "Binary"]},
    {"transport": "Smoke", "transferFormats": ["Text"]},
    {"transport": "ServerSentEvents", "transferFormats": ["Text"]},
    {"transport": "LongPolling", "transferFormats": ["Text", "Binary"]},
]
OFFERED = [AvailableTransport(str(each["transport"]), tuple(each["transferFormats"])) for each in ALL]
TEXT, BINARY = TransferFormat.TEXT, TransferFormat.BINARY


def test_the_servers_order_what_is_wanted_and_what_the_codec_needs() -> None:
    assert usable(OFFERED, TRANSPORTS.keys(), TEXT) == ["websocket", "sse", "long_polling"]
    assert usable(OFFERED, TRANSPORTS.keys(), BINARY) == ["websocket", "long_polling"]
    assert usable(OFFERED[::-1], ["websocket", "long_polling"], TEXT) == ["long_polling", "websocket"]
    with pytest.raises(NegotiationError, match=r"None of the transports .* needs ServerSentEvents with Binary"):
        usable(OFFERED, ["sse"], BINARY)
    with pytest.raises(NegotiationError, match="offered are: nothing"):
        usable([], TRANSPORTS.keys(), TEXT)


@pytest.fixture
def offered(script: Script) -> Script:
    """A server that offers everything and refuses event streams and polls."""
    script.posts.extend([(200, {**NEGOTIATED, "availableTransports": ALL})] * 3)

    async def listen(url: str, headers: Mapping[str, str]) -> Any:
        raise NegotiationError(404, "no event streams")

    script.listen = listen  # type: ignore[attr-defined]
    return script


async def test_each_is_tried_with_a_negotiation_of_its_own(offered: Script, clock: ManualClock) -> None:
    offered.upgrades.append(NegotiationError(403, "no WebSockets"))
    offered.polls.append((500, b""))
    with pytest.raises(ConnectionClosed) as found:
        await HubConnection(URL, clock=clock).start()
    assert str(found.value) == (
        "Unable to connect to the server with any of the available transports. WebSockets: no WebSockets; "
        "ServerSentEvents: no event streams; LongPolling: the server refused long polling with status 500"
    )
    assert [url.partition("?")[0] for url, _ in offered.asked] == [URL + "/negotiate"] * 3 + [URL]


async def test_one_that_does_not_open_leaves_time_for_the_next(offered: Script, clock: ManualClock) -> None:
    offered.swallows_upgrades = True
    hub = HubConnection(URL, clock=clock, transports=["websocket", "long_polling"], connect_timeout=6.0)
    offered.polls.extend([(200, b""), (200, b"{}\x1e")])
    start = asyncio.create_task(hub.start())
    await clock.advance(2.9)
    assert not start.done()
    await clock.advance(0.2)
    await settle()
    await start
    assert hub.transport == "long_polling"
    await clock.advance(60.0)
    assert hub.transport == "long_polling", "polls need no pings, and are silent as long as they like"
    assert offered.said == [b'{"protocol":"json","version":1}\x1e']
    await hub.stop()
    assert offered.said[1:] == [b'{"type":7}\x1e']
