"""Every answer of the original to every verb: behaviour §1, §2.1; `http.json` of ASP.NET Core 10.0.12."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from hubline.connection import ConnectionScope, Identity, Transport, TransportConnection
from hubline.testing import ManualClock, settle
from hubline.transports.endpoint import HubEndpoint
from hubline.transports.options import TransportOptions
from tests.transports.conftest import Sites
from tests.transports.driver import Request, Site, Socket

PLAIN = {"content-type": "text/plain"}
NO_CACHE = {
    "cache-control": "no-cache, no-store",
    "pragma": "no-cache",
    "expires": "Thu, 01 Jan 1970 00:00:00 GMT",
}
ALL_TRANSPORTS = (
    b'[{"transport":"WebSockets","transferFormats":["Text","Binary"]},'
    b'{"transport":"ServerSentEvents","transferFormats":["Text"]},'
    b'{"transport":"LongPolling","transferFormats":["Text","Binary"]}]'
)


def without_length(request: Request) -> dict[str, str]:
    return {name: value for name, value in request.headers.items() if name != "content-length"}


# Negotiate


@pytest.mark.statement(14)
@pytest.mark.parametrize("can_deny", [True, False])
async def test_an_upgrade_to_negotiate_is_turned_down(site: Site, can_deny: bool) -> None:
    socket = await Socket(site.endpoint.negotiate, can_deny=can_deny).ended()
    if can_deny:
        assert (socket.sent[0]["type"], socket.sent[0]["status"]) == ("websocket.http.response.start", 405)
    else:
        assert socket.sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]
    assert len(site.registry) == 0


@pytest.mark.statement(1, 10, 11, 12, 16)
async def test_negotiate_without_a_version_is_version_0(site: Site) -> None:
    answer = await site.negotiation("").answered()
    identifier = json.loads(answer.body)["connectionId"]
    assert answer.status == 200
    assert answer.headers == {"content-type": "application/json", "content-length": "273"}
    assert answer.body == (
        b'{"negotiateVersion":0,"connectionId":"%s","availableTransports":%s}' % (identifier.encode(), ALL_TRANSPORTS)
    )


@pytest.mark.statement(2, 10, 11, 12, 16)
@pytest.mark.parametrize(
    "query",
    [
        "negotiateVersion=1",
        pytest.param("NegotiateVersion=1", marks=pytest.mark.statement(8)),
        pytest.param("negotiateVersion=7", marks=pytest.mark.statement(3)),
        pytest.param("negotiateVersion=1&useStatefulReconnect=true", marks=pytest.mark.statement(15)),
        pytest.param("negotiateVersion=1&useStatefulReconnect=banana", marks=pytest.mark.statement(17)),
    ],
)
async def test_negotiate_version_1_answers_a_token_besides_the_id(site: Site, query: str) -> None:
    answer = await site.negotiation(query).answered()
    found = json.loads(answer.body)
    assert answer.headers == {"content-type": "application/json", "content-length": "316"}
    assert answer.body == (
        b'{"negotiateVersion":1,"connectionId":"%s","connectionToken":"%s","availableTransports":%s}'
        % (found["connectionId"].encode(), found["connectionToken"].encode(), ALL_TRANSPORTS)
    )
    assert found["connectionId"] != found["connectionToken"]


@pytest.mark.statement(4, 7)
@pytest.mark.parametrize("version", ["abc", "x", "1.0", "1&negotiateVersion=1"])
async def test_a_version_that_is_no_number_is_an_error_and_makes_no_connection(site: Site, version: str) -> None:
    answer = await site.negotiation(f"negotiateVersion={version}").answered()
    assert answer.status == 200
    assert answer.headers == {"content-type": "application/json", "content-length": "64"}
    assert answer.body == b'{"error":"The client requested a non-integer protocol version."}'
    assert list(site.registry) == []


@pytest.mark.statement(5, 7)
async def test_a_negative_version_is_an_error(site: Site) -> None:
    answer = await site.negotiation("negotiateVersion=-1").answered()
    assert answer.status == 200
    assert answer.body == (
        b'{"error":"The client requested version \'-1\', but the server does not support this version."}'
    )
    assert list(site.registry) == []


@pytest.mark.statement(6, 7)
async def test_with_a_minimum_of_1_an_absent_version_is_an_error(sites: Sites) -> None:
    site = sites(options=TransportOptions(minimum_protocol_version=1))
    answer = await site.negotiation("").answered()
    assert answer.body == (
        b'{"error":"The client requested version \'0\', but the server does not support this version."}'
    )
    assert list(site.registry) == []
    assert b"connectionToken" in (await site.negotiation().answered()).body


@pytest.mark.statement(13)
@pytest.mark.parametrize(
    ("transports", "names", "length"),
    [
        ({Transport.LONG_POLLING}, ["LongPolling"], "193"),
        ({Transport.LONG_POLLING, Transport.SERVER_SENT_EVENTS}, ["ServerSentEvents", "LongPolling"], "253"),
    ],
)
async def test_a_disabled_transport_is_not_listed(
    sites: Sites, transports: set[Transport], names: list[str], length: str
) -> None:
    site = sites(options=TransportOptions(transports=frozenset(transports)))
    answer = await site.negotiation().answered()
    assert answer.headers["content-length"] == length
    assert [each["transport"] for each in json.loads(answer.body)["availableTransports"]] == names


@pytest.mark.statement(14)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_negotiate_by_another_verb_is_405(site: Site, method: str) -> None:
    answer = await site.negotiation(method=method).answered()
    assert answer.status == 405
    assert answer.headers == PLAIN | {"content-length": "0"}
    assert answer.body == b""
    assert list(site.registry) == []


@pytest.mark.statement(19)
@pytest.mark.parametrize(("seconds", "status"), [(14, 200), (15, 404)])
async def test_a_negotiated_connection_that_is_not_used_is_forgotten(site: Site, seconds: int, status: int) -> None:
    token = await site.token()
    await site.clock.advance(seconds)
    assert (await site.get(token).answered()).status == status


@pytest.mark.statement(20)
async def test_the_public_id_never_works_as_the_token(site: Site) -> None:
    found = json.loads((await site.negotiation().answered()).body)
    for token, status in ((found["connectionId"], 404), (found["connectionToken"], 200)):
        assert (await site.get(token).answered()).status == status
        assert (await site.post(token, b"x").answered()).status == status
    assert (await site.delete(found["connectionId"]).answered()).status == 404
    assert (await site.events(found["connectionId"]).answered()).status == 404
    assert (await site.socket(f"id={found['connectionId']}").ended()).sent[0]["status"] == 404


# Which connection, in which order


@pytest.mark.statement(26, 28)
@pytest.mark.parametrize("query", ["", "id=", "other=1"])
async def test_without_an_id_every_verb_is_400(site: Site, query: str) -> None:
    for method, headers in (("GET", NO_CACHE), ("POST", {}), ("DELETE", {})):
        answer = await Request(site.endpoint.connect, method, query).answered()
        assert (answer.status, answer.body) == (400, b"Connection ID required")
        assert without_length(answer) == PLAIN | headers
    events = await Request(site.endpoint.connect, "GET", query, {"accept": "text/event-stream"}).answered()
    assert (events.status, events.body, without_length(events)) == (400, b"Connection ID required", PLAIN)


@pytest.mark.statement(27, 29)
async def test_an_unknown_id_is_404_on_every_verb(site: Site) -> None:
    for request, headers in (
        (site.get("unknown"), NO_CACHE),
        (site.events("unknown"), {}),
        (site.post("unknown", b"x"), {}),
        (site.delete("unknown"), {}),
    ):
        answer = await request.answered()
        assert (answer.status, answer.body) == (404, b"No Connection with that ID")
        assert without_length(answer) == PLAIN | headers


@pytest.mark.statement(40)
async def test_an_upgrade_with_an_unknown_id_is_refused_with_404(site: Site) -> None:
    socket = await site.socket("id=unknown").ended()
    assert [each["type"] for each in socket.sent] == ["websocket.http.response.start", "websocket.http.response.body"]
    assert socket.sent[0]["status"] == 404
    assert socket.sent[1]["body"] == b"No Connection with that ID"


async def test_a_server_that_cannot_deny_an_upgrade_closes_it_before_it_is_accepted(site: Site) -> None:
    socket = await site.socket("id=unknown", can_deny=False).ended()
    assert [each["type"] for each in socket.sent] == ["websocket.close"]


@pytest.mark.statement(30)
@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "OPTIONS", "WEBSOCKET", "websocket", ""])
async def test_another_verb_is_405(site: Site, method: str) -> None:
    answer = await Request(site.endpoint.connect, method, "id=unknown").answered()
    assert (answer.status, answer.body) == (405, b"")
    assert answer.headers == PLAIN | {"content-length": "0"}


async def test_a_query_key_is_found_in_any_case_and_a_repeated_one_is_joined(site: Site) -> None:
    token = await site.token()
    assert (await Request(site.endpoint.connect, "GET", f"ID={token}").answered()).status == 200
    twice = await Request(site.endpoint.connect, "GET", f"id={token}&id={token}").answered()
    assert twice.status == 404


@pytest.mark.statement(32)
@pytest.mark.parametrize("transport", list(Transport))
async def test_a_disabled_transport_is_404_and_named(sites: Sites, transport: Transport) -> None:
    site = sites(options=TransportOptions(transports=frozenset(Transport) - {transport}))
    token = await site.token()
    expected = f"{transport.value} transport not supported by this end point type".encode()
    if transport is Transport.WEB_SOCKETS:
        for query in (f"id={token}", ""):
            socket = await site.socket(query).ended()
            assert (socket.sent[0]["status"], socket.sent[1]["body"]) == (404, expected)
    else:
        polling = transport is Transport.LONG_POLLING
        answer = await (site.get(token) if polling else site.events(token)).answered()
        assert (answer.status, answer.body) == (404, expected)
        assert without_length(answer) == PLAIN | (NO_CACHE if polling else {})
    assert len(site.registry) == 0


@pytest.mark.statement(31)
async def test_the_first_transport_wins(site: Site) -> None:
    polling = await site.polling()
    answer = await site.events(polling).answered()
    assert (answer.status, answer.body) == (400, b"Cannot change transports mid-connection")
    socket = await site.socket(f"id={polling}").ended()
    assert (socket.sent[0]["status"], socket.sent[1]["body"]) == (400, b"Cannot change transports mid-connection")
    token = await site.token()
    events = site.events(token)
    await settle()
    answer = await site.get(token).answered()
    assert (answer.status, answer.body) == (400, b"Cannot change transports mid-connection")
    assert without_length(answer) == PLAIN | NO_CACHE
    events.vanish()
    await events.answered()


@pytest.mark.statement(41, 58)
async def test_a_second_request_for_what_is_carried_already_is_409(site: Site) -> None:
    token, other = await site.token(), await site.token()
    assert (await site.post(token, b"before anything carries it").answered()).status == 200
    socket, events = site.socket(f"id={token}"), site.events(other)
    await settle()
    second = await site.socket(f"id={token}").ended()
    assert (second.sent[0]["status"], second.sent[1]["body"]) == (409, b"")
    answer = await site.events(other).answered()
    assert (answer.status, answer.body, without_length(answer)) == (409, b"", PLAIN)
    socket.leave()
    events.vanish()
    await socket.ended()
    await events.answered()


@pytest.mark.statement(33)
async def test_post_to_a_websocket_connection_is_405(site: Site) -> None:
    token = await site.token()
    socket = site.socket(f"id={token}")
    await settle()
    answer = await site.post(token, b"x").answered()
    assert (answer.status, answer.body) == (405, b"POST requests are not allowed for WebSocket connections.")
    assert without_length(answer) == PLAIN
    socket.leave()
    await socket.ended()


@pytest.mark.statement(61)
async def test_delete_is_for_long_polling_only(site: Site) -> None:
    token = await site.token()
    before = await site.delete(token).answered()
    events = site.events(token)
    await settle()
    for answer in (before, await site.delete(token).answered()):
        assert (answer.status, answer.body) == (400, b"Cannot terminate this connection using the DELETE endpoint.")
        assert without_length(answer) == PLAIN
    assert events.chunks == [b":\r\n"]
    events.vanish()
    await events.answered()


@pytest.mark.statement(57)
@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("text/event-stream", 200, "text/event-stream"),
        ("application/json, Text/Event-Stream", 200, "text/event-stream"),
        ("text/event-stream;q=0.9", 200, "application/octet-stream"),
        ("*/*", 200, "application/octet-stream"),
    ],
)
async def test_exactly_this_media_type_asks_for_events_whatever_upgrade_says(
    site: Site, accept: str, status: int, content_type: str
) -> None:
    token = await site.token()
    headers = {"accept": accept, "upgrade": "websocket", "connection": "Upgrade"}
    request = Request(site.endpoint.connect, "GET", f"id={token}", headers)
    await settle()
    assert (request.status, request.headers["content-type"]) == (status, content_type)
    request.vanish()
    await request.answered()


async def test_a_connection_belongs_to_the_endpoint_that_made_it(site: Site) -> None:
    other = HubEndpoint(lambda connection: asyncio.sleep(0), registry=site.registry)
    token = await site.token()
    assert (await Request(other.connect, "GET", f"id={token}").answered()).status == 404


# Who may


class Guard:
    """Authentication by the query, and a note of what was asked."""

    def __init__(self, verdict: int | None = None) -> None:
        self.verdict = verdict
        self.served = 0
        self.asked: list[str | None] = []

    async def authenticate(self, scope: ConnectionScope) -> Identity | None:
        user = scope.query.get("user")
        return Identity(user) if user else None

    async def authorize(self, scope: ConnectionScope) -> int | None:
        self.asked.append(scope.identity.user_id if scope.identity else None)
        return self.verdict

    async def serve(self, connection: TransportConnection) -> None:
        self.served += 1
        await connection.receive()


@pytest.mark.statement(18)
@pytest.mark.parametrize(
    ("token", "headers", "challenge"),
    [
        ("", {}, "Bearer"),
        ("", {"authorization": "Basic YTpi"}, "Bearer"),
        ("", {"authorization": "Bearer nonsense"}, 'Bearer error="invalid_token"'),
        ("access_token=nonsense", {}, 'Bearer error="invalid_token"'),
    ],
)
async def test_who_is_not_known_gets_401_on_everything(
    sites: Sites, token: str, headers: Mapping[str, str], challenge: str
) -> None:
    guard = Guard(401)
    site = sites(guard.serve, authenticate=guard.authenticate, authorize=guard.authorize)
    requests = [site.negotiation(token, method=method, headers=headers) for method in ("POST", "GET")]
    requests += [Request(site.endpoint.connect, method, token, headers) for method in ("GET", "POST", "DELETE", "PUT")]
    for request in requests:
        answer = await request.answered()
        assert (answer.status, answer.body) == (401, b"")
        assert answer.headers == {"content-length": "0", "www-authenticate": challenge}
    socket = await site.socket(token, headers=headers).ended()
    assert socket.sent[0]["status"] == 401
    assert (b"www-authenticate", challenge.encode()) in socket.sent[0]["headers"]
    assert list(site.registry) == []
    assert guard.served == 0
    assert guard.asked == [None] * 7


async def test_who_may_not_gets_403(sites: Sites) -> None:
    guard = Guard(403)
    site = sites(guard.serve, authenticate=guard.authenticate, authorize=guard.authorize)
    answer = await site.negotiation("user=ada").answered()
    assert (answer.status, answer.headers, answer.body) == (403, {"content-length": "0"}, b"")
    assert (await site.socket("user=ada").ended()).sent[0]["status"] == 403
    assert guard.asked == ["ada", "ada"]
    assert guard.served == 0


async def test_a_foreign_origin_is_refused_before_anything_else(sites: Sites) -> None:
    guard = Guard()

    def same_origin(scope: Mapping[str, Any]) -> bool:
        return (b"origin", b"https://evil.example") not in scope["headers"]

    site = sites(guard.serve, authorize=guard.authorize, origin_allowed=same_origin)
    evil = {"origin": "https://evil.example"}
    assert (await site.negotiation(headers=evil).answered()).status == 403
    assert (await Request(site.endpoint.connect, "GET", headers=evil).answered()).status == 403
    assert (await site.socket(headers=evil).ended()).sent[0]["status"] == 403
    assert guard.asked == []
    assert (await site.negotiation(headers={"origin": "https://good.example"}).answered()).status == 200


async def test_authorisation_is_asked_again_for_every_request_of_a_connection(sites: Sites) -> None:
    guard = Guard()
    site = sites(guard.serve, authenticate=guard.authenticate, authorize=guard.authorize)
    token = await site.polling()
    guard.verdict = 401
    assert (await site.get(token).answered()).status == 401
    assert (await site.post(token, b"x").answered()).status == 401
    assert (await site.delete(token).answered()).status == 401
    assert guard.served == 1


@pytest.mark.statement(187)
async def test_without_same_user_another_user_is_logged_and_let_through(
    sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[TransportConnection] = []

    async def serve(connection: TransportConnection) -> None:
        seen.append(connection)
        await connection.receive()

    guard = Guard()
    site = sites(serve, authenticate=guard.authenticate, options=TransportOptions(same_user=False))
    token = await site.token()
    await site.get(f"{token}&user=ada").answered()
    assert caplog.text == ""
    assert (await site.post(f"{token}&user=bob", b"").answered()).status == 200
    assert "the user changed from 'ada' to 'bob'" in caplog.text
    assert "refused" not in caplog.text
    assert token not in caplog.text
    assert seen[0].scope.identity == Identity("ada")
    poll = site.get(f"{token}&user=bob")
    await settle()
    assert seen[0].scope.identity == Identity("bob"), "a poll brings its user along, as in the original"
    await site.delete(token).answered()
    await poll.answered()


@pytest.mark.statement(187)
async def test_by_default_another_user_is_refused_and_nobody_is_let_through_and_both_are_logged(
    sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    site = sites(authenticate=Guard().authenticate)
    token = await site.token()
    ada, bob = f"{token}&user=ada", f"{token}&user=bob"
    await site.get(ada).answered()
    refused = [await request.answered() for request in (site.post(bob, b"x"), site.get(bob), site.delete(bob))]
    assert [(each.status, each.body) for each in refused] == [(403, b"")] * 3
    assert caplog.text.count("a request of user 'bob' was refused, because the connection is that of user 'ada'") == 3
    assert "changed" not in caplog.text
    assert (await site.post(token, b"hello").answered()).status == 200
    assert caplog.text.count("the user changed from 'ada' to None") == 1
    assert (await site.get(ada).answered()).body == b"hello"
    assert (await site.delete(token).answered()).status == 202

    caplog.clear()
    token = await site.token()
    await site.get(token).answered()
    assert (await site.post(f"{token}&user=bob", b"hello").answered()).status == 200, "nobody has signed in"
    assert "the user changed from None to 'bob'" in caplog.text
    assert "refused" not in caplog.text
    await site.delete(token).answered()


# How many


async def test_beyond_the_limits_new_ones_are_answered_503(sites: Sites) -> None:
    site = sites(options=TransportOptions(maximum_waiting=1, maximum_connections=1))
    token = await site.token()
    answer = await site.negotiation().answered()
    assert answer.status == 503
    assert int(answer.headers["retry-after"]) > 0
    socket = site.socket(f"id={token}")
    await settle()
    assert socket.sent == [{"type": "websocket.accept"}]
    assert (await site.negotiation().answered()).status == 503
    assert (await site.socket().ended()).sent[0]["status"] == 503
    socket.leave()
    await socket.ended()
    assert (await site.negotiation().answered()).status == 200


async def test_a_negotiated_connection_finds_no_room_when_others_came_first(sites: Sites) -> None:
    site = sites(options=TransportOptions(maximum_connections=1))
    token, other = await site.token(), await site.token()
    await site.get(token).answered()
    assert (await site.get(other).answered()).status == 503
    assert (await site.events(other).answered()).status == 503


async def test_a_draining_server_lets_nobody_in_and_goes_on_with_the_rest(site: Site) -> None:
    waiting, polling = await site.token(), await site.polling()
    site.registry.draining = True
    assert (await site.negotiation().answered()).status == 503
    assert (await site.socket().ended()).sent[0]["status"] == 503
    assert (await site.get(waiting).answered()).status == 503
    assert (await site.post(polling, b"still here").answered()).status == 200
    assert (await site.get(polling).answered()).body == b"still here"


async def test_the_defaults_of_an_endpoint_let_everybody_in(sites: Sites) -> None:
    site = Site()
    endpoint = HubEndpoint(lambda connection: asyncio.sleep(0), registry=site.registry)
    assert (await Request(endpoint.negotiate, "POST").answered()).status == 200
    assert isinstance(site.clock, ManualClock)
    await site.close()
