"""Peers that do not read while everybody is told something: bounded by their outboxes, and nobody else waits."""

from contextlib import AsyncExitStack

import pytest

from tests.abuse.target import HANDSHAKE, MIB, Target, request
from tests.client_frames import TEXT, frame

EVENTS = "Accept: text/event-stream"
PEERS, SIZE = 4, 1_000
OUTBOX = 1 * MIB
SLACK = 6 * MIB
"""For what the process needs besides."""


@pytest.mark.parametrize("number", [4_000, pytest.param(20_000, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
@pytest.mark.parametrize("transport", ["WebSockets", "ServerSentEvents", "LongPolling"])
async def test_the_servers_memory_grows_by_less_than_the_outboxes(target: Target, transport: str, number: int) -> None:
    await target.broadcast(10, SIZE)
    before = await target.figures()
    async with AsyncExitStack() as stack:
        for _ in range(PEERS):
            await stack.enter_async_context(_not_reading(target, transport))
        await target.until(lambda figures: figures.connections == 1 + PEERS)
        await target.broadcast(number, SIZE)
        after = await target.figures()
        assert after.queued <= PEERS * OUTBOX
        assert after.memory - before.memory < PEERS * OUTBOX + SLACK
    await target.until(lambda figures: figures.connections == 1 and figures.queued == 0)


def _not_reading(target: Target, transport: str) -> AsyncExitStack:
    return _Open(target, transport)


class _Open(AsyncExitStack):
    """One connection to the hub that is open and will not be read from any more."""

    def __init__(self, target: Target, transport: str) -> None:
        super().__init__()
        self._target, self._transport = target, transport

    async def __aenter__(self) -> "_Open":
        await super().__aenter__()
        target = self._target
        if self._transport == "WebSockets":
            peer = await self.enter_async_context(target.websocket(data=frame(TEXT, HANDSHAKE), receive_buffer=4096))
            await peer.receive()
            return self
        token = await target.token()
        if self._transport == "ServerSentEvents":
            opening = request("GET", f"/hub?id={token}", EVENTS)
            peer = await self.enter_async_context(target.socket(opening, receive_buffer=4096))
            await peer.receive()
        else:
            assert (await target.http.get(f"/hub?id={token}")).status_code == 200
        assert (await target.http.post(f"/hub?id={token}", content=HANDSHAKE)).status_code == 200
        if self._transport == "LongPolling":
            assert (await target.http.get(f"/hub?id={token}")).content == b"{}\x1e"
        return self
