"""What the ASGI server under the transports could spoil: verbs, ids, upgrades, frames, bodies, disconnects."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.integration.driver import EVENTS, POLLING, WAYS, WEB_SOCKETS, Connector, Way, call, connector, done, item
from tests.integration.lines import HEADERS_OF_EVENTS, Endpoint, WebSocketLine, poll
from tests.integration.wire_form import RS, encode

VERBS = ("GET", "POST", "DELETE", "PUT", "PATCH", "HEAD")
HANDSHAKE = b'{"protocol":"json","version":1}' + RS
WEBSOCKET, SSE, LP = Way(WEB_SOCKETS, "json"), Way(EVENTS, "json"), Way(POLLING, "json")


@pytest.fixture
async def endpoint(server: str) -> AsyncIterator[Endpoint]:
    async with Endpoint(server) as found:
        yield found


@pytest.fixture
async def connect_json(server: str) -> AsyncIterator[Connector]:
    async with connector(server, WEBSOCKET) as opener:
        yield opener


@pytest.mark.statement(26, 27, 28, 29, 30)
@pytest.mark.parametrize("verb", VERBS)
async def test_an_unknown_or_missing_id(endpoint: Endpoint, verb: str) -> None:
    known = {"GET", "POST", "DELETE"}
    unknown, missing = await endpoint.request(verb, "unknown"), await endpoint.request(verb, None)
    assert unknown.status_code == (404 if verb in known else 405)
    assert missing.status_code == (400 if verb in known else 405)
    if verb in known:
        assert (unknown.text, missing.text) == ("No Connection with that ID", "Connection ID required")
    assert {each.headers["content-type"] for each in (unknown, missing)} == {"text/plain"}


@pytest.mark.statement(20)
async def test_the_public_id_opens_nothing(connect: Connector, endpoint: Endpoint) -> None:
    peer = await connect()
    for verb in ("GET", "POST", "DELETE"):
        assert (await endpoint.request(verb, peer.id)).status_code == 404
    assert (await endpoint.request("GET", peer.id, b"", **HEADERS_OF_EVENTS)).status_code == 404
    with pytest.raises(InvalidStatus) as refused:
        await endpoint.websocket(peer.id)
    assert refused.value.response.status_code == 404
    assert await peer.is_alive()


@pytest.mark.statement(21)
async def test_without_a_version_the_public_id_is_the_token(endpoint: Endpoint) -> None:
    ids = await endpoint.negotiate(None)
    assert "connectionToken" not in ids
    async with endpoint.websocket(ids["connectionId"]) as socket:
        await socket.send(HANDSHAKE.decode())
        assert await socket.recv() == "{}\x1e"


@pytest.mark.statement(8)
async def test_query_keys_ignore_case(endpoint: Endpoint) -> None:
    response = await endpoint.http.post("/hub/negotiate?NegotiateVersion=1")
    assert response.json()["negotiateVersion"] == 1
    assert len(response.json()["connectionToken"]) == 22


async def test_paths_ignore_case_and_one_slash_at_their_end(server: str, connect: Connector) -> None:
    for path in ("/HUB", "/Hub"):
        peer = await connect(path)
        assert await peer.is_alive()
    async with Endpoint(server) as found:
        for path, status in (("/hub/NEGOTIATE", 200), ("/Hub/negotiate/", 200), ("/h%75b/negotiate", 200)):
            assert (await found.http.post(path)).status_code == status, path
        for path in ("/hub/negotiate//", "/hub//negotiate", "/hub%20/negotiate"):
            assert (await found.http.post(path)).status_code == 404, path


@pytest.mark.statement(31)
async def test_a_transport_cannot_be_changed(connect_json: Connector, endpoint: Endpoint) -> None:
    peers = {way: await connect_json(way=way) for way in (WEBSOCKET, SSE, LP)}
    for way, headers in ((LP, HEADERS_OF_EVENTS), (WEBSOCKET, HEADERS_OF_EVENTS), (WEBSOCKET, {}), (SSE, {})):
        response = await endpoint.request("GET", peers[way].token, b"", **headers)
        assert (response.status_code, response.text) == (400, "Cannot change transports mid-connection"), way
    for way in (LP, SSE):
        with pytest.raises(InvalidStatus) as refused:
            await endpoint.websocket(peers[way].token)
        assert refused.value.response.status_code == 400
    for peer in peers.values():
        assert await peer.is_alive()


@pytest.mark.statement(32)
@pytest.mark.parametrize(
    ("path", "headers", "name"),
    [
        ("/hub-lp", HEADERS_OF_EVENTS, "ServerSentEvents"),
        ("/hub-nows", None, "WebSockets"),
        ("/hub-lp", None, "WebSockets"),
    ],
)
async def test_a_disabled_transport(server: str, path: str, headers: dict[str, str] | None, name: str) -> None:
    async with Endpoint(server, path) as endpoint:
        token = (await endpoint.negotiate())["connectionToken"]
        if headers is not None:
            response = await endpoint.request("GET", token, b"", **headers)
            status, text = response.status_code, response.text
        else:
            with pytest.raises(InvalidStatus) as refused:
                await endpoint.websocket(token)
            status, text = refused.value.response.status_code, (refused.value.response.body or b"").decode()
    assert (status, text) == (404, f"{name} transport not supported by this end point type")


@pytest.mark.statement(33)
async def test_a_post_to_a_websocket_connection(connect_json: Connector) -> None:
    peer = await connect_json()
    response = await peer.endpoint.request("POST", peer.token, b"x")
    assert (response.status_code, response.text) == (405, "POST requests are not allowed for WebSocket connections.")
    assert await peer.is_alive()


@pytest.mark.statement(34, 35)
@pytest.mark.parametrize("way", [SSE, LP], ids=str)
async def test_posts_at_the_same_time(connect_json: Connector, way: Way) -> None:
    peer = await connect_json(way=way)
    calls = [encode("json", call(str(i), "Add", i, i)) for i in range(20)]
    responses = await asyncio.gather(*(peer.endpoint.request("POST", peer.token, each) for each in calls))
    assert {(each.status_code, each.text, each.headers["content-type"]) for each in responses} == {
        (200, "", "text/plain")
    }
    found = await peer.receive_many(20)
    assert sorted(found, key=str) == sorted((done(str(i), result=2 * i) for i in range(20)), key=str)


@pytest.mark.statement(36, 37, 45, 46)
async def test_messages_in_pieces_and_in_one(connect: Connector) -> None:
    peer = await connect()
    data = b"".join(encode(peer.way.codec, call(str(i), "Add", i, i)) for i in range(3))
    for start in range(0, len(data), 7):
        await peer.write(data[start : start + 7])
    assert await peer.receive_many(3) == [done(str(i), result=2 * i) for i in range(3)]
    await peer.write(data)
    assert await peer.receive_many(3) == [done(str(i), result=2 * i) for i in range(3)]


@pytest.mark.statement(75, 76)
async def test_a_handshake_in_pieces_with_a_call_behind_it(connect: Connector) -> None:
    peer = await connect(shake=False)
    data = b'{"protocol":"%s","version":1}' % peer.way.codec.upper().encode() + RS
    data += encode(peer.way.codec, call("1", "Add", 1, 2))
    for part in (data[:5], data[5:20], data[20:]):
        await peer.write(part)
    answer = await peer.line.receive()
    assert answer.startswith(b"{}" + RS)
    peer._take(answer[3:])
    assert await peer.receive() == done("1", result=3)


@pytest.mark.statement(39)
async def test_a_websocket_without_negotiation(endpoint: Endpoint) -> None:
    async with endpoint.websocket() as socket:
        await socket.send(HANDSHAKE.decode() + json.dumps(call("1", "ConnectionId")) + "\x1e")
        text = await socket.recv()
        while text.count("\x1e") < 2:
            text += await socket.recv()
        assert len(json.loads(text.split("\x1e")[1])["result"]) == 22


@pytest.mark.statement(40)
async def test_a_websocket_with_an_unknown_id(endpoint: Endpoint) -> None:
    with pytest.raises(InvalidStatus) as refused:
        await endpoint.websocket("unknown")
    assert refused.value.response.status_code == 404


@pytest.mark.statement(41)
async def test_a_second_websocket_on_one_connection(connect_json: Connector) -> None:
    peer = await connect_json()
    with pytest.raises(InvalidStatus) as refused:
        await peer.endpoint.websocket(peer.token)
    assert refused.value.response.status_code == 409
    assert await peer.is_alive()


@pytest.mark.statement(42, 43, 44)
@pytest.mark.parametrize("codec", ["json", "messagepack"])
@pytest.mark.parametrize("binary", [False, True])
async def test_frames_go_out_by_codec_and_come_in_by_any(connect_json: Connector, codec: str, binary: bool) -> None:
    peer = await connect_json(way=Way(WEB_SOCKETS, codec), shake=False)
    assert isinstance(peer.line, WebSocketLine)
    await peer.line.send(b'{"protocol":"%s","version":1}' % codec.encode() + RS, binary=binary)
    assert await peer.line.receive() == b"{}" + RS
    await peer.line.send(encode(codec, call("1", "Add", 1, 2)), binary=binary or codec == "messagepack")
    assert await peer.receive() == done("1", result=3)
    assert set(peer.line.frames) == {"text" if codec == "json" else "binary"}


@pytest.mark.statement(47)
async def test_a_large_message_stays_in_one_piece(connect: Connector) -> None:
    peer = await connect()
    await peer.send({**call("1", "Tokens", 20, 100_000), "type": 4})
    assert await peer.receive_many(20) == [item("1", "x" * 100_000)] * 20
    assert await peer.receive() == done("1")


@pytest.mark.statement(59)
async def test_messagepack_over_events_is_refused(connect_json: Connector) -> None:
    peer = await connect_json(way=SSE, shake=False)
    await peer.write(b'{"protocol":"messagepack","version":1}' + RS)
    text = "Cannot use the 'messagepack' protocol on the current transport. "
    text += "The transport does not support 'Binary' transfer format."
    assert json.loads((await peer.line.receive())[:-1]) == {"error": text}
    assert await peer.rest() == []


@pytest.mark.statement(60)
@pytest.mark.parametrize("way", WAYS[:3], ids=str)
async def test_a_client_that_vanishes_is_noticed(connect_json: Connector, way: Way) -> None:
    """In the middle of an upload. Whoever asks it something learns that it has gone."""
    gone = await connect_json(way=way)
    await gone.admitted()
    asker = await connect_json()
    await gone.send(call("1", "Sum", streams=("a",)), item("a", 1))
    await asker.send(call("1", "AskClient", gone.id, 21))
    assert (await gone.receive())["target"] == "Double"
    if isinstance(gone.line, WebSocketLine):
        gone.line.vanish()
    else:
        await gone.line.close()
    text = "An unexpected error occurred invoking 'AskClient' on the server."
    assert await asker.receive() == done("1", error=text)
    assert await asker.is_alive()


@pytest.mark.statement(65)
async def test_a_second_poll_ends_the_first(connect_json: Connector) -> None:
    peer = await connect_json(way=LP)
    first = await poll(peer.endpoint, peer.token)
    await peer.send(call(None, "Nothing"))  # a round trip, so that the first poll has arrived
    second = await poll(peer.endpoint, peer.token)
    assert (await first).status_code == 204
    await peer.send(call("1", "Add", 1, 2))
    assert (await second).content == encode("json", done("1", result=3))


@pytest.mark.statement(69, 70)
async def test_after_a_delete_there_is_nothing(connect_json: Connector) -> None:
    peer = await connect_json(way=LP)
    response = await peer.endpoint.request("DELETE", peer.token)
    assert (response.status_code, response.text) == (202, "")
    assert await peer.rest() in ([], [{"type": 7, "allowReconnect": True}])
    for verb in ("GET", "POST", "DELETE"):
        assert (await peer.endpoint.request(verb, peer.token)).status_code == 404


async def test_a_raw_connection_gives_back_what_it_gets(connect: Connector) -> None:
    peer = await connect("/echo", shake=False)
    for data in (b"abc", b"\x1e\x1e" + "ü".encode(), b"x" * 40_000):
        await peer.line.send(data)
        got = b""
        while len(got) < len(data):
            got += await peer.line.receive()
        assert got == data


async def test_cors_of_every_answer(endpoint: Endpoint) -> None:
    wanted: dict[str, Any] = {"origin": "http://other.example"}
    for response in (
        await endpoint.http.post("/hub/negotiate?negotiateVersion=1", headers=wanted),
        await endpoint.request("GET", "unknown", **wanted),
        await endpoint.request("POST", None, **wanted),
        await endpoint.http.get("/token", headers=wanted),
    ):
        assert response.headers["access-control-allow-origin"] == "http://other.example"
        assert response.headers["access-control-allow-credentials"] == "true"
