"""Peers that stop in the middle of something: none holds a socket, a task or a connection for long."""

from contextlib import AsyncExitStack

import pytest

from tests.abuse.target import HANDSHAKE, Target, request, upgrade
from tests.client_frames import TEXT, frame

EVENTS = "Accept: text/event-stream"
PEERS = 20
LATE = b'{"error":"Handshake was canceled."}'
HALF_REQUESTS = [
    b"",
    b"POST /hub/nego",
    request("POST", "/hub/negotiate", "Content-Length: 5")[:-2],
    request("POST", "/hub/negotiate", "Transfer-Encoding: chunked", body=b"5\r\nab"),
    upgrade("/hub")[:-2],
]
HALF_HANDSHAKES = [b"", frame(TEXT, HANDSHAKE[:10]), frame(TEXT, HANDSHAKE)[:10], frame(0x01, HANDSHAKE)[:12]]


@pytest.mark.usefixtures("nobody_waits")
async def test_half_a_request_holds_nothing(target: Target) -> None:
    before = await target.figures()
    async with AsyncExitStack() as stack:
        token = await target.token()
        half_body = request("POST", f"/hub?id={token}", "Content-Length: 1000", body=b'{"protocol"')
        peers = [
            await stack.enter_async_context(target.socket(said)) for said in [*HALF_REQUESTS, half_body] for _ in "1234"
        ]
        for answer in [await peer.rest() for peer in peers]:
            # The connection may be forgotten before the body is: then the POST is answered 404.
            assert answer == b"" or b'"connectionId"' in answer or answer.startswith(b"HTTP/1.1 404 "), answer
        await target.until(lambda now: now.descriptors <= before.descriptors and now.tasks <= before.tasks)


async def test_a_websocket_without_a_handshake_is_told_and_closed(target: Target) -> None:
    async with AsyncExitStack() as stack:
        peers = [
            await stack.enter_async_context(target.websocket(data=said)) for said in HALF_HANDSHAKES for _ in "1234"
        ]
        for peer in peers:
            assert LATE in await peer.receive()
        await target.until(lambda figures: figures.connections == 1)


async def test_an_event_stream_and_polls_without_a_handshake_are_told_and_closed(target: Target) -> None:
    events, polls = await target.token(), await target.token()
    async with target.socket(request("GET", f"/hub?id={events}", EVENTS, "Connection: close")) as peer:
        assert (await target.http.get(f"/hub?id={polls}")).status_code == 200
        assert LATE in (await target.http.get(f"/hub?id={polls}")).content
        assert (await target.http.get(f"/hub?id={polls}")).status_code == 204
        assert LATE in await peer.rest()
    await target.until(lambda figures: figures.connections == 1)


async def test_a_client_that_polls_once_and_never_again_is_forgotten(target: Target) -> None:
    token = await target.token()
    assert (await target.http.get(f"/hub?id={token}")).status_code == 200
    assert (await target.http.post(f"/hub?id={token}", content=HANDSHAKE)).status_code == 200
    await target.until(lambda figures: figures.connections == 1)


@pytest.mark.usefixtures("nobody_waits")
async def test_a_client_that_never_pings_costs_a_descriptor_and_two_tasks_and_is_borne_with(target: Target) -> None:
    before = await target.figures()
    async with AsyncExitStack() as stack:
        for _ in range(PEERS):
            peer = await stack.enter_async_context(target.websocket(data=frame(TEXT, HANDSHAKE)))
            assert await peer.receive() == frame(TEXT, b"{}\x1e", mask=None)
        now = await target.figures()
        assert now.descriptors - before.descriptors == PEERS
        # The bystander never rests: a call of its own may be running now that was not before.
        assert now.tasks - before.tasks <= 2 * PEERS + 1
    await target.until(lambda figures: figures.connections == 1)
