"""Connections that come and go, in every way that they can: nothing of them stays."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.abuse.target import HANDSHAKE, MIB, Figures, Target, request, upgrade
from tests.client_frames import CLOSE, TEXT, frame

EVENTS = "Accept: text/event-stream"
CALL = b'{"type":4,"invocationId":"1","target":"Count","arguments":[1000]}\x1e'
FEW, MANY = 300, 3_000


async def negotiates_and_leaves(target: Target) -> None:
    await target.negotiate()


async def resets_before_a_word(target: Target) -> None:
    async with target.socket() as peer:
        peer.reset()


async def resets_in_a_request(target: Target) -> None:
    async with target.socket(request("POST", "/hub/negotiate", "Content-Length: 9", body=b"x")) as peer:
        peer.reset()


async def resets_in_the_upgrade(target: Target) -> None:
    async with target.socket(upgrade("/hub")) as peer:
        peer.reset()


async def resets_before_the_handshake(target: Target) -> None:
    async with target.websocket() as peer:
        peer.reset()


async def resets_in_a_stream(target: Target) -> None:
    async with target.websocket(data=frame(TEXT, HANDSHAKE + CALL)) as peer:
        await peer.receive()
        peer.reset()


async def resets_an_event_stream(target: Target) -> None:
    token = await target.token()
    async with target.socket(request("GET", f"/hub?id={token}", EVENTS)) as peer:
        await peer.receive()
        peer.reset()


async def resets_a_waiting_poll(target: Target) -> None:
    token = await target.token()
    await target.http.get(f"/hub?id={token}")
    async with target.socket(request("GET", f"/hub?id={token}")) as peer:
        peer.reset()
    await target.http.delete(f"/hub?id={token}")


async def connects_and_closes(target: Target) -> None:
    async with target.websocket(data=frame(TEXT, HANDSHAKE)) as peer:
        await peer.receive()
        await peer.exchange(frame(CLOSE, b"\x03\xe8"))


WAYS: list[Callable[[Target], Awaitable[None]]] = [
    negotiates_and_leaves,
    resets_before_a_word,
    resets_in_a_request,
    resets_in_the_upgrade,
    resets_before_the_handshake,
    resets_in_a_stream,
    resets_an_event_stream,
    resets_a_waiting_poll,
    connects_and_closes,
]


async def rounds(target: Target, number: int) -> Figures:
    """All ways in turn, ten connections at a time; the figures when all of them are gone."""
    for begin in range(0, number, 10):
        await asyncio.gather(*[WAYS[place % len(WAYS)](target) for place in range(begin, begin + 10)])
        if begin % 400 == 390:  # a hundred negotiations of one address may wait, and two of the nine ways leave one
            await target.until(lambda figures: figures.waiting == 0)
    return await target.until(lambda figures: figures.connections == 1 and figures.waiting == 0)


@pytest.mark.parametrize("number", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(300)])])
async def test_connections_come_and_go_without_a_trace(target: Target, number: int) -> None:
    before = await rounds(target, 200)  # what is made once is made then: pools, caches, lines of the test's own client
    after = await rounds(target, number)
    await target.until(lambda now: now.tasks <= before.tasks and now.descriptors <= before.descriptors)
    assert after.memory - before.memory < 4 * MIB
