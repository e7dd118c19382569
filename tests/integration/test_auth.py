"""Who may connect and call, and until when."""

import pytest

from tests.integration.driver import POLLING, WAYS, WEB_SOCKETS, Connector, Way, call, connector, done, item, stream
from tests.integration.lines import Endpoint
from tests.integration.wire_form import encode

EXPIRED = {"type": 7, "allowReconnect": True}


@pytest.mark.statement(18)
async def test_a_protected_hub_refuses_on_every_verb(server: str) -> None:
    async with Endpoint(server, "/hub-auth") as endpoint:
        for response in (
            await endpoint.http.post("/hub-auth/negotiate?negotiateVersion=1"),
            await endpoint.request("GET", "x"),
            await endpoint.request("GET", "x", accept="text/event-stream"),
            await endpoint.request("POST", "x"),
            await endpoint.request("DELETE", "x"),
        ):
            assert (response.status_code, response.content) == (401, b"")
            assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.statement(18)
async def test_a_token_must_be_ours_and_alive(connect: Connector) -> None:
    good = await connect.token("sub=bob")
    async with Endpoint(connect.base, "/hub-auth") as endpoint:
        for token in ("nonsense", good + "x", good[:-4], "a b"):
            headers = {"authorization": f"Bearer {token}"}
            response = await endpoint.http.post("/hub-auth/negotiate", headers=headers)
            assert response.status_code == 401, token
        response = await endpoint.http.post("/hub-auth/negotiate", headers={"authorization": f"Bearer {good}"})
        assert response.status_code == 200


@pytest.mark.statement(18)
async def test_the_challenge_says_whether_a_token_was_given(connect: Connector) -> None:
    """To the letter of the original, which for an expired token adds a description of what is wrong with it."""
    expired = await connect.token("sub=bob&seconds=-60")
    async with Endpoint(connect.base, "/hub-auth") as endpoint:
        for authorization, challenge in (
            (None, "Bearer"),
            ("Basic YTpi", "Bearer"),
            ("Bearer nonsense", 'Bearer error="invalid_token"'),
            (f"Bearer {expired}", 'Bearer error="invalid_token"'),
        ):
            headers = {"authorization": authorization} if authorization else {}
            response = await endpoint.http.post("/hub-auth/negotiate", headers=headers)
            assert (response.status_code, response.content) == (401, b"")
            found = response.headers["www-authenticate"]
            assert found == challenge or found.startswith(f"{challenge}, error_description=")


@pytest.mark.statement(185)
async def test_a_token_in_header_or_query_where_the_application_looks_for_it(connect: Connector) -> None:
    token = await connect.token("sub=bob")
    for peer in (await connect("/hub-auth", token=token), await connect("/hub-auth", query=f"access_token={token}")):
        assert await peer.result("UserId") == "bob"


@pytest.mark.statement(115, 164)
async def test_policies_are_asked_on_every_call(connect: Connector) -> None:
    premium = await connect("/hub-auth", token=await connect.token("sub=eve&tier=premium"))
    basic = await connect("/hub-auth", token=await connect.token("sub=bob&tier=basic"))
    for number in "12":
        await premium.send(stream(number, "Ask", "to be"))
        assert await premium.receive_many(3) == [item(number, "to"), item(number, "be"), done(number)]
        await basic.send(stream(number, "Ask", "to be"))
        assert await basic.receive() == done(number, error="Failed to invoke 'Ask' because user is unauthorized")
    assert await basic.result("UserId") == "bob"


@pytest.mark.statement(115)
async def test_authorised_methods_of_an_open_hub(connect: Connector) -> None:
    bob = await connect(token=await connect.token("sub=bob"))
    assert await bob.result("NeedsUser") == "bob"
    assert await bob.call("NeedsPremium") == {"error": "Failed to invoke 'NeedsPremium' because user is unauthorized"}
    eve = await connect(token=await connect.token("sub=eve&tier=premium"))
    assert await eve.result("NeedsPremium") == "premium"


@pytest.mark.statement(186)
async def test_an_expired_token_ends_the_connection(server: str) -> None:
    async with connector(server, WAYS[0]) as connect:
        token = await connect.token("sub=bob&seconds=10")
        peers = [await connect("/hub-expiring", token=token, way=way) for way in WAYS]
        tolerant = await connect("/hub", token=token)
        for peer in peers:
            assert await peer.rest() == [EXPIRED], peer.way
        assert await tolerant.result("UserId") == "bob"


@pytest.mark.statement(187)
async def test_another_users_poll_is_let_through_and_the_user_stays_the_first(server: str) -> None:
    async with connector(server, Way(POLLING, "json")) as connect:
        tokens = {name: await connect.token(f"sub={name}") for name in ("bob", "eve")}
        peer = await connect(token=tokens["bob"])
        async with Endpoint(server, token=tokens["eve"]) as other:
            await peer.send(call("1", "UserId"))
            assert (await other.request("GET", peer.token)).content == encode("json", done("1", result="bob"))
            await peer.send(call("2", "UserId"))
            assert (await other.request("GET", peer.token)).content == encode("json", done("2", result="bob"))
        assert await peer.result("UserId") == "bob"


@pytest.mark.parametrize("way", [Way(WEB_SOCKETS, "json")], ids=str)
async def test_a_token_that_is_no_text_of_ours_makes_a_stranger_on_an_open_hub(server: str, way: Way) -> None:
    async with connector(server, way) as connect:
        peer = await connect(token="nonsense")
        assert await peer.result("UserId") is None
