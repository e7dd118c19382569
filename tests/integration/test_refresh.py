"""Authentication refresh and stricter users over a real server, in every way to talk to it."""

from itertools import product
from typing import Any

import pytest

from tests.integration.driver import POLLING, WAYS, Connector, Peer, Way, call, connector, done, ours_only
from tests.integration.lines import Endpoint
from tests.integration.wire_form import encode

pytestmark = ours_only("the reference server is version 10; the refresh came with 11, and `same_user` is ours")

EXPIRED = {"type": 7, "allowReconnect": True}
UNAUTHORIZED = "Failed to invoke 'NeedsPremium' because user is unauthorized"


async def refresh(peer: Peer, path: str, token: str | None) -> tuple[int, Any]:
    """What a page does with `fetch`."""
    async with Endpoint(peer.endpoint.base, path, token=token) as endpoint:
        response = await endpoint.http.post(f"{path}/refresh?id={peer.token}", headers=endpoint.headers)
    assert response.headers["content-type"] == "application/json"
    return response.status_code, response.json()


async def test_a_refresh_is_who_calls_from_then_on(connect: Connector) -> None:
    basic, premium = await connect.token("sub=bob&tier=basic"), await connect.token("sub=bob&tier=premium&seconds=7200")
    peer = await connect("/hub-refresh", token=basic)
    assert await peer.call("NeedsPremium") == {"error": UNAUTHORIZED}
    status, answer = await refresh(peer, "/hub-refresh", premium)
    assert (status, 7190 < answer["tokenLifetimeSeconds"] <= 7200) == (200, True)
    assert await peer.result("NeedsPremium") == "premium"


async def test_an_older_token_changes_nothing_and_none_is_refused(connect: Connector) -> None:
    premium, basic = await connect.token("sub=bob&tier=premium"), await connect.token("sub=bob&tier=basic&seconds=60")
    peer = await connect("/hub-refresh", token=premium)
    status, answer = await refresh(peer, "/hub-refresh", basic)
    assert (status, answer["tokenLifetimeSeconds"] > 3000) == (200, True)
    assert await refresh(peer, "/hub-refresh", None) == (401, {"error": "invalid_token"})
    assert await peer.result("NeedsPremium") == "premium"


async def test_another_user_ends_the_connection(connect: Connector) -> None:
    peer = await connect("/hub-refresh", token=await connect.token("sub=bob"))
    status, _ = await refresh(peer, "/hub-refresh", await connect.token("sub=eve&seconds=7200"))
    assert (status, await peer.rest()) == (200, [{"type": 7}])


async def test_without_the_option_there_is_nothing_to_refresh(connect: Connector) -> None:
    peer = await connect("/hub", token=await connect.token("sub=bob"))
    assert await refresh(peer, "/hub", await connect.token("sub=bob")) == (404, {"error": "refresh_disabled"})


@pytest.mark.statement(186)
async def test_who_refreshes_in_time_outlives_the_first_token(server: str) -> None:
    async with connector(server, WAYS[0]) as connect:
        short, long = await connect.token("sub=bob&seconds=10"), await connect.token("sub=bob")
        lost = [await connect("/hub-refresh", token=short, way=way) for way in WAYS]
        kept = [await connect("/hub-refresh", token=short, way=way) for way in WAYS]
        for peer in kept:
            assert (await refresh(peer, "/hub-refresh", long))[0] == 200
        for peer in lost:
            assert await peer.rest() == [EXPIRED], peer.way
        for peer in kept:
            assert await peer.result("UserId") == "bob", peer.way


@pytest.mark.statement(187)
async def test_with_same_user_another_users_requests_are_refused_and_the_connection_lives(server: str) -> None:
    async with connector(server, Way(POLLING, "json")) as connect:
        peer = await connect("/hub-strict", token=await connect.token("sub=bob"))
        message = encode("json", call("1", "UserId"))
        for token, verb in product((await connect.token("sub=eve"), None), ("GET", "POST", "DELETE")):
            # each over a line of its own: hypercorn drops one whose request had a body that nobody read
            async with Endpoint(server, "/hub-strict", token=token) as other:
                response = await other.request(verb, peer.token, message if verb == "POST" else b"")
                assert (response.status_code, response.content) == (403, b""), verb
        await peer.send(call("2", "UserId"))
        assert await peer.receive() == done("2", result="bob")
