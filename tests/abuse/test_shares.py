"""Much input at once, of many peers: it delays a bystander no more than the same input does in ordinary portions."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from contextlib import suppress

import httpx
import pytest

from hubline._tasks import TaskOwner
from tests.abuse.target import HANDSHAKE, Bystander, Target, request
from tests.client_frames import CLOSE, TEXT, frame

PEERS = 12
PING = b'{"type":6}\x1e'
MUCH = PING * 180_000
"""2 MB."""
ORDINARY = PING * 1_800
PORTIONS = 100
"""Of ordinary size; together they are as much."""

ROUNDS = 4

LIMIT, WHOLE = 8, 20
"""How many times as long it may take; the second is for servers that hand over whole messages only. On plain ASGI,
uvicorn decodes the 2 MB of a peer at once, in 7 ms, before the hub sees any of it (measured: 9 to 15 times)."""

Send = Callable[[bytes], Awaitable[None]]


async def _polling(target: Target, owner: TaskOwner) -> str:
    token = await target.token()

    async def poll() -> None:
        with suppress(httpx.HTTPError):
            while (await target.http.get("/hub", params={"id": token})).status_code == 200:
                pass

    owner.start(poll())
    return token


async def _by_post(target: Target, owner: TaskOwner, body: bytes, times: int) -> None:
    token = await _polling(target, owner)
    head = request("POST", f"/hub?id={token}", f"Content-Length: {len(body)}")
    async with target.socket(request("POST", f"/hub?id={token}", f"Content-Length: {len(HANDSHAKE)}")) as peer:
        await peer.send(HANDSHAKE)
        await peer.receive()
        for _ in range(times):
            for piece in (head, *[body[start : start + 65_536] for start in range(0, len(body), 65_536)]):
                await peer.send(piece)
            assert (await peer.receive()).startswith(b"HTTP/1.1 200 ")


async def _by_websocket(target: Target, owner: TaskOwner, body: bytes, times: int) -> None:
    async with target.websocket(data=frame(TEXT, HANDSHAKE)) as peer:
        await peer.receive()
        said = frame(TEXT, body)
        for _ in range(times):
            for start in range(0, len(said), 65_536):
                await peer.send(said[start : start + 65_536])
        await peer.send(frame(CLOSE))
        await peer.rest()


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", [_by_post, _by_websocket], ids=["POST", "WebSocket"])
async def test_much_at_once_delays_others_no_more_than_the_same_in_portions(
    path: str,
    target: Target,
    a_bystander: Bystander,
    way: Callable[[Target, TaskOwner, bytes, int], Awaitable[None]],
) -> None:
    """Compared is the 99th percentile of a bystander's calls. Of POSTs it was 40 times as long without turns.

    Whatever else the machine does while one of both is measured spoils the ratio, but not each of several.
    """

    async def percentile(body: bytes, times: int) -> float:
        owner = TaskOwner("peers")
        a_bystander.pause = 0
        await a_bystander.turn()
        a_bystander.took.clear()
        try:
            await asyncio.gather(*[way(target, owner, body, times) for _ in range(PEERS)])
            await a_bystander.turn()
        finally:
            await owner.cancel()
        return sorted(a_bystander.took)[-1 - len(a_bystander.took) // 100]

    limit = WHOLE if way is _by_websocket and path == "plain" else LIMIT
    ratios: list[float] = []
    async with target.time_stops():
        while len(ratios) < ROUNDS and min(ratios, default=math.inf) >= limit:
            ordinary = await percentile(ORDINARY, PORTIONS)
            ratios.append(await percentile(MUCH, 1) / ordinary)
    assert min(ratios) < limit, ratios
