"""A newer identity for a live connection: `POST {hub}/refresh`, polls, and who is turned down."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest

from hubline.connection import AuthenticationRefresh, ConnectionScope, Identity, TransportConnection
from hubline.errors import ConfigurationError, ConnectionClosed
from hubline.testing import settle
from hubline.transports.options import TransportOptions
from hubline.wire.packet import Packet
from tests.transports.conftest import Sites
from tests.transports.driver import Request, Site, Socket

NOW = 1_700_000_000.0
ADA, LATER, EARLIER, ENDLESS, BOB = (
    Identity("ada", expires_at=NOW + 100),
    Identity("ada", {"tier": "premium"}, expires_at=NOW + 200.9),
    Identity("ada", expires_at=NOW + 99),
    Identity("ada"),
    Identity("bob", expires_at=NOW + 300),
)
PEOPLE = {"ada": ADA, "later": LATER, "earlier": EARLIER, "endless": ENDLESS, "bob": BOB}
JSON = "application/json"


@pytest.fixture(autouse=True)
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: NOW)


async def authenticate(scope: ConnectionScope) -> Identity | None:
    return PEOPLE.get(scope.headers.get("authorization", ""))


def by(name: str) -> dict[str, Any]:
    return {"headers": {"authorization": name}} if name else {}


class Application:
    """Says who it is talking to at every chunk, and notes refreshes."""

    def __init__(self) -> None:
        self.refreshed: list[Identity | None] = []
        self.ends: list[ConnectionClosed] = []

    async def serve(self, connection: TransportConnection) -> None:
        connection.on_refresh(lambda: self.refreshed.append(connection.scope.identity))
        try:
            while True:
                await connection.receive()
                identity = connection.scope.identity
                connection.write(Packet(b"%r" % (identity and (identity.user_id, identity.expires_at),)))
        except ConnectionClosed as end:
            self.ends.append(end)


class Refreshing:
    """A site that refreshes, with an application of its own."""

    def __init__(self, sites: Sites, **options: Any) -> None:
        self.application = Application()
        options = {"authentication_refresh": True, **options}
        self.site: Site = sites(self.application.serve, options=TransportOptions(**options), authenticate=authenticate)

    def request(self, query: str, name: str = "", method: str = "POST") -> Request:
        return Request(self.site.endpoint.refresh, method, query, **by(name))

    async def refresh(self, token: str, name: str) -> tuple[int, Any]:
        answer = await self.request(f"id={token}", name).answered()
        assert answer.headers["content-type"] == JSON
        return answer.status, json.loads(answer.body)

    async def socket(self, name: str = "ada") -> tuple[str, Socket]:
        token = await self.site.token(**by(name))
        socket = self.site.socket(f"id={token}", **by(name))
        await settle()
        return token, socket

    async def polling(self, name: str = "ada") -> str:
        token = await self.site.token(**by(name))
        await self.site.get(token, **by(name)).answered()
        return token

    async def poll(self, token: str, name: str) -> tuple[int, bytes]:
        """A poll of somebody, and Ada's question while it waits."""
        waiting = self.site.get(token, **by(name))
        await settle()
        await self.site.post(token, b"?", **by("ada")).answered()
        answer = await waiting.answered()
        return answer.status, answer.body

    def scope_of(self, token: str) -> ConnectionScope:
        session = self.site.registry.find(self.site.endpoint, token)
        assert session is not None
        return session.scope


# The endpoint


async def test_a_newer_identity_takes_the_place_of_the_old_one(sites: Sites) -> None:
    here = Refreshing(sites)
    token, socket = await here.socket()
    assert await here.refresh(token, "later") == (200, {"tokenLifetimeSeconds": 200})
    assert here.application.refreshed == [LATER]
    socket.say("?")
    await settle()
    assert socket.messages == [f"('ada', {NOW + 200.9})"]


async def test_who_has_begun_with_the_old_scope_keeps_the_old_identity(sites: Sites) -> None:
    here = Refreshing(sites)
    token, _ = await here.socket()
    before = here.scope_of(token)
    assert before.query["id"] == token
    await here.refresh(token, "later")
    after = here.scope_of(token)
    assert (before.identity, after.identity) == (ADA, LATER)
    assert (after.raw, after.address, after.query) == (before.raw, before.address, before.query)


@pytest.mark.parametrize(
    ("name", "lifetime"), [("ada", {"tokenLifetimeSeconds": 100}), ("earlier", {"tokenLifetimeSeconds": 100})]
)
async def test_the_same_identity_and_an_older_one_change_nothing(
    sites: Sites, name: str, lifetime: Mapping[str, int]
) -> None:
    here = Refreshing(sites)
    token, _ = await here.socket()
    assert await here.refresh(token, name) == (200, lifetime)
    assert here.application.refreshed == []
    assert here.scope_of(token).identity is ADA


async def test_an_identity_that_never_expires_has_no_lifetime(sites: Sites) -> None:
    here = Refreshing(sites)
    token, _ = await here.socket()
    assert await here.refresh(token, "endless") == (200, {})
    assert await here.refresh(token, "later") == (200, {"tokenLifetimeSeconds": 200})
    assert here.application.refreshed == [ENDLESS, LATER]


async def test_a_lifetime_is_never_negative(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Refreshing(sites)
    token, _ = await here.socket()
    monkeypatch.setattr(time, "time", lambda: NOW + 1000)
    assert await here.refresh(token, "later") == (200, {"tokenLifetimeSeconds": 0})


async def test_what_cannot_be_refreshed_says_why(sites: Sites) -> None:
    here = Refreshing(sites)
    token, _ = await here.socket()
    assert (await here.request("", "later").answered()).body == b'{"error":"missing_connection_token"}'
    assert await here.refresh("", "later") == (400, {"error": "missing_connection_token"})
    assert await here.refresh("unknown", "later") == (404, {"error": "connection_not_found"})
    assert await here.refresh(token, "") == (401, {"error": "invalid_token"})
    assert here.application.refreshed == []


async def test_without_the_option_it_is_disabled_before_anything_else_is_looked_at(sites: Sites) -> None:
    here = Refreshing(sites, authentication_refresh=False)
    assert await here.refresh("", "") == (404, {"error": "refresh_disabled"})


async def test_a_connection_whose_id_is_its_token_cannot_be_refreshed(sites: Sites) -> None:
    here = Refreshing(sites)
    answer = json.loads((await here.site.negotiation("", **by("ada")).answered()).body)
    assert await here.refresh(answer["connectionId"], "later") == (400, {"error": "unsupported_negotiate_version"})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_only_post_is_answered(sites: Sites, method: str) -> None:
    here = Refreshing(sites)
    answer = await here.request("id=x", "ada", method).answered()
    assert (answer.status, answer.headers["content-type"], answer.body) == (405, "text/plain", b"")
    socket = await Socket(here.site.endpoint.refresh).ended()
    assert socket.sent[0]["status"] == 405


async def test_origin_and_the_hubs_own_demands_come_first(sites: Sites) -> None:
    async def premium(scope: ConnectionScope) -> int | None:
        return None if scope.identity is ADA else 403 if scope.identity else 401

    options = TransportOptions(authentication_refresh=True)
    site = sites(options=options, authenticate=authenticate, authorize=premium)
    token = await site.token(**by("ada"))
    for name, status in (("later", 403), ("", 401)):
        answer = await Request(site.endpoint.refresh, "POST", f"id={token}", **by(name)).answered()
        assert (answer.status, answer.body) == (status, b"")
    elsewhere = sites(options=options, origin_allowed=lambda scope: False)
    assert (await Request(elsewhere.endpoint.refresh, "POST", "id=x").answered()).status == 403


async def test_a_connection_that_is_not_open_yet_is_whose_request_opens_it(sites: Sites) -> None:
    here = Refreshing(sites)
    token = await here.site.token(**by("ada"))
    assert await here.refresh(token, "later") == (200, {"tokenLifetimeSeconds": 200})
    socket = here.site.socket(f"id={token}", **by("ada"))
    await settle()
    assert here.scope_of(token).identity is ADA
    assert socket.messages == []


# The application's word


Verdict = bool | Awaitable[bool]


async def later(verdict: bool) -> bool:
    return verdict


@pytest.mark.parametrize("answer", [lambda asked: True, lambda asked: later(True)], ids=["plain", "async"])
async def test_the_application_is_asked_with_both_identities(
    sites: Sites, answer: Callable[[AuthenticationRefresh], Verdict]
) -> None:
    asked: list[AuthenticationRefresh] = []

    def decide(refresh: AuthenticationRefresh) -> Verdict:
        asked.append(refresh)
        return answer(refresh)

    here = Refreshing(sites, on_authentication_refresh=decide)
    token, _ = await here.socket()
    await here.refresh(token, "earlier")
    assert asked == []
    assert await here.refresh(token, "later") == (200, {"tokenLifetimeSeconds": 200})
    (found,) = asked
    assert (found.old, found.new, found.scope.headers["authorization"]) == (ADA, LATER, "later")
    assert found.connection_id != token


def fail(asked: AuthenticationRefresh) -> bool:
    raise RuntimeError("no database")


@pytest.mark.parametrize("decide", [lambda asked: False, lambda asked: later(False), fail], ids=["no", "async", "bug"])
async def test_a_refusal_leaves_the_connection_as_it_was(
    sites: Sites, decide: Callable[[AuthenticationRefresh], Verdict]
) -> None:
    here = Refreshing(sites, on_authentication_refresh=decide)
    token, socket = await here.socket()
    assert await here.refresh(token, "later") == (403, {"error": "permission_change_rejected"})
    socket.say("?")
    await settle()
    assert socket.messages == [f"('ada', {NOW + 100})"]
    assert here.application.refreshed == []


async def test_refreshes_of_one_connection_are_decided_one_after_another(sites: Sites) -> None:
    held = asyncio.Event()
    asked: list[Identity | None] = []

    async def decide(refresh: AuthenticationRefresh) -> bool:
        asked.append(refresh.old)
        await held.wait()
        return True

    here = Refreshing(sites, on_authentication_refresh=decide)
    token, _ = await here.socket()
    first, second = here.request(f"id={token}", "bob"), here.request(f"id={token}", "later")
    await settle()
    held.set()
    await first.answered()
    await second.answered()
    assert (asked, here.application.refreshed) == ([ADA], [BOB])  # the second is older than the first


async def test_a_connection_that_ends_while_the_application_decides_is_not_found(sites: Sites) -> None:
    held = asyncio.Event()

    async def decide(refresh: AuthenticationRefresh) -> bool:
        await held.wait()
        return True

    here = Refreshing(sites, on_authentication_refresh=decide)
    token, socket = await here.socket()
    waiting = here.request(f"id={token}", "later")
    await settle()
    socket.leave()
    await socket.ended()
    held.set()
    assert (await waiting.answered()).body == b'{"error":"connection_not_found"}'
    assert here.application.refreshed == []


def test_a_callback_that_nobody_would_ask_is_a_mistake() -> None:
    with pytest.raises(ConfigurationError, match="authentication_refresh=True"):
        TransportOptions(on_authentication_refresh=lambda asked: True)


# Polls


async def test_a_poll_with_a_newer_identity_is_a_refresh(sites: Sites) -> None:
    here = Refreshing(sites)
    token = await here.polling()
    for name in ("later", "earlier", "later", ""):
        assert await here.poll(token, name) == (200, b"('ada', %a)" % (NOW + 200.9))
    assert here.application.refreshed == [LATER]


async def test_a_poll_whose_identity_is_refused_ends_the_connection(sites: Sites) -> None:
    here = Refreshing(sites, on_authentication_refresh=lambda asked: False)
    token = await here.polling()
    answer = await here.site.get(token, **by("later")).answered()
    assert (answer.status, answer.body) == (403, b'{"error":"permission_change_rejected"}')
    assert answer.headers["cache-control"] == "no-cache, no-store"
    await settle()
    assert len(here.application.ends) == 1
    assert (await here.site.get(token, **by("ada")).answered()).status == 404


async def test_without_the_option_polls_change_the_identity_and_nobody_is_told(sites: Sites) -> None:
    here = Refreshing(sites, authentication_refresh=False)
    token = await here.polling()
    assert await here.poll(token, "earlier") == (200, b"('ada', %a)" % (NOW + 99))
    assert here.application.refreshed == []


# Negotiate


@pytest.mark.parametrize(
    ("name", "enabled", "seconds"),
    [("ada", True, 100), ("endless", True, None), ("", True, None), ("ada", False, None)],
)
async def test_negotiate_tells_the_lifetime_where_it_can_be_refreshed(
    sites: Sites, name: str, enabled: bool, seconds: int | None
) -> None:
    here = Refreshing(sites, authentication_refresh=enabled)
    answer = json.loads((await here.site.negotiation(**by(name)).answered()).body)
    assert answer.get("tokenLifetimeSeconds") == seconds
    if seconds is not None:
        assert list(answer)[-1] == "tokenLifetimeSeconds"


# Expiry


@pytest.mark.statement(186)
async def test_a_refresh_moves_the_moment_of_expiry(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Refreshing(sites, close_on_token_expiry=True)
    token, socket = await here.socket()
    await here.refresh(token, "later")
    monkeypatch.setattr(time, "time", lambda: NOW + 150)
    await here.site.clock.advance(2)
    assert not here.application.ends
    monkeypatch.setattr(time, "time", lambda: NOW + 201)
    await here.site.clock.advance(1)
    (end,) = here.application.ends
    assert end.allow_reconnect
    socket.leave()
    await socket.ended()
    assert socket.close_code == 1000


@pytest.mark.statement(186)
async def test_the_identity_of_each_poll_counts_for_expiry(sites: Sites, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Refreshing(sites, close_on_token_expiry=True, authentication_refresh=False)
    token = await here.polling()
    waiting = here.site.get(token, **by("later"))
    monkeypatch.setattr(time, "time", lambda: NOW + 150)
    await here.site.clock.advance(2)
    assert not here.application.ends
    monkeypatch.setattr(time, "time", lambda: NOW + 201)
    await here.site.clock.advance(1)
    assert (await waiting.answered()).status == 204
    assert [end.allow_reconnect for end in here.application.ends] == [True]


@pytest.mark.statement(186)
async def test_a_poll_with_a_token_that_has_just_expired_does_not_let_the_connection_live_for_ever(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Refreshing(sites, close_on_token_expiry=True, authentication_refresh=False)
    token = await here.polling()
    monkeypatch.setattr(time, "time", lambda: NOW + 150)
    waiting = here.site.get(token, **by(""))  # nobody, as far as the hub that admits strangers knows
    await settle()
    await here.site.clock.advance(1)
    assert (await waiting.answered()).status == 204
    assert [end.allow_reconnect for end in here.application.ends] == [True]


@pytest.mark.statement(186)
async def test_what_is_expired_when_it_comes_is_closed_at_the_first_heartbeat(
    sites: Sites, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Refreshing(sites, close_on_token_expiry=True)
    monkeypatch.setattr(time, "time", lambda: NOW + 150)
    token = await here.site.token(**by("ada"))
    await here.site.clock.advance(2)  # while it waits to be opened, nobody is behind it
    socket = here.site.socket(f"id={token}", **by("ada"))
    await settle()
    assert not here.application.ends
    await here.site.clock.advance(1)
    assert [end.allow_reconnect for end in here.application.ends] == [True]
    socket.leave()
    await socket.ended()


# The same user


@pytest.mark.statement(187)
@pytest.mark.parametrize("name", ["bob", ""], ids=["another user", "nobody"])
async def test_with_same_user_nobody_else_reaches_the_connection(
    sites: Sites, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    here = Refreshing(sites, same_user=True)
    token = await here.polling()
    for answer in (
        await here.site.post(token, b"?", **by(name)).answered(),
        await here.site.get(token, **by(name)).answered(),
        await Request(here.site.endpoint.connect, "DELETE", f"id={token}", **by(name)).answered(),
    ):
        assert (answer.status, answer.headers["content-type"], answer.body) == (403, "text/plain", b"")
    if name:
        assert await here.refresh(token, name) == (403, {"error": "permission_change_rejected"})
    refused = f"a request of user {name or None!r} was refused, because the connection is that of user 'ada'"
    assert caplog.text.count(refused) == (4 if name else 3)
    assert "changed" not in caplog.text
    await here.site.post(token, b"?", **by("later")).answered()
    assert (await here.site.get(token, **by("ada")).answered()).body == b"('ada', %a)" % (NOW + 100)
    assert (here.application.refreshed, here.application.ends) == ([], [])
    assert (await Request(here.site.endpoint.connect, "DELETE", f"id={token}", **by("ada")).answered()).status == 202


@pytest.mark.statement(187)
async def test_without_it_another_user_is_let_through_and_logged(
    sites: Sites, caplog: pytest.LogCaptureFixture
) -> None:
    here = Refreshing(sites, authentication_refresh=False, same_user=False)
    token = await here.polling()
    assert await here.poll(token, "bob") == (200, b"('bob', %a)" % (NOW + 300))
    assert (await here.site.post(token, b"", **by("bob")).answered()).status == 200
    assert here.scope_of(token).user_id == "ada"
    assert caplog.text.count("the user changed from 'ada' to 'bob'") == 2
