"""The whole application: hubs behind the real transports, in memory and with time moved by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import parse_qsl

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from hubline import (
    Client,
    ConfigurationError,
    ConnectionClosed,
    ConnectionRoute,
    ConnectionScope,
    Hub,
    HubApp,
    HubError,
    HubFilter,
    HubOptions,
    HubRoute,
    Identity,
    InvocationError,
    PolicyContext,
    Transport,
    TransportConnection,
    TransportOptions,
    authorize,
)
from hubline._tasks import TaskOwner
from hubline.backplanes import BackplaneLink, BackplaneListener, MemoryBackplane
from hubline.errors import BackplaneError, HandshakeError
from hubline.server.description import ArgumentDescription
from hubline.testing import InMemoryClient, ManualClock, RefusedError, connect, connect_raw, running, settle
from hubline.testing.asgi import ASGIApp, Origin, Response
from hubline.testing.channels import TransportName
from hubline.testing.harness import ProtocolName
from hubline.wire.packet import Packet

NOBODY = {"connections": 0, "groups": 0, "users": 0, "awaited_results": 0, "unacknowledged_bytes": 0}

TRANSPORTS: list[TransportName] = ["websocket", "sse", "long_polling"]
EVERY_WAY: list[tuple[TransportName, ProtocolName]] = [
    ("websocket", "json"),
    ("websocket", "messagepack"),
    ("sse", "json"),
    ("long_polling", "json"),
    ("long_polling", "messagepack"),
]


NOTHING_RUNS = {"waiting_calls": 0, "streams": 0}


class Chat(Hub[Client]):
    """Notes when it ends; `ended` is per app, handed over in the class made by `chat()`."""

    ended: list[Exception | None]
    held: asyncio.Event

    async def on_connected(self) -> None:
        if "hold" in self.context.scope.query:
            await self.held.wait()

    async def on_disconnected(self, error: Exception | None) -> None:
        self.ended.append(error)

    async def send_message(self, user: str, text: str) -> None:
        await self.clients.all.send("ReceiveMessage", user, text)

    async def tell_others(self, text: str) -> None:
        await self.clients.others.send("ReceiveMessage", self.context.user_id, text)

    async def echo(self, value: Any) -> Any:
        return value

    async def ask(self, connection_id: str, value: int) -> int:
        result: int = await self.clients.client(connection_id).invoke("Double", value, result_type=int)
        return result

    async def wait(self) -> str:
        await self.held.wait()
        return "done"

    async def tokens(self) -> AsyncIterator[str]:
        yield "one"
        await self.held.wait()
        yield "two"

    async def count(self, n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number

    async def sum(self, numbers: AsyncIterator[int]) -> int:
        return sum([number async for number in numbers])

    async def swallow(self, numbers: AsyncIterator[int]) -> None:
        await self.held.wait()

    async def fail(self) -> None:
        raise RuntimeError("secret detail")

    async def abort(self) -> None:
        self.context.abort()

    async def who(self) -> str | None:
        return self.context.user_id

    async def query(self) -> dict[str, str]:
        return self.context.scope.query

    async def join(self, name: str) -> None:
        await self.groups.add(self.context.connection_id, name)


def chat() -> type[Chat]:
    class Made(Chat): ...

    Made.ended, Made.held = [], asyncio.Event()
    return Made


def app_of(routes: Mapping[str, Any], **settings: Any) -> tuple[HubApp, ManualClock]:
    clock = ManualClock()
    return HubApp(routes, clock=clock, blocking_warning=None, **settings), clock


async def numbers(*items: int) -> AsyncIterator[int]:
    for number in items:
        yield number


async def request(
    app: ASGIApp, method: str, path: str, *, headers: Mapping[str, str] | None = None, query: str = "", root: str = ""
) -> Response:
    tasks = TaskOwner("request")
    origin = Origin(app, path, tasks, root, tuple(parse_qsl(query)), tuple((headers or {}).items()))
    try:
        return await origin.request(method)
    finally:
        await tasks.cancel()


# Every way to a hub


@pytest.mark.parametrize(("transport", "protocol"), EVERY_WAY)
async def test_calls_streams_uploads_results_and_broadcasts(transport: TransportName, protocol: ProtocolName) -> None:
    hub = chat()
    app, _ = app_of({"/chat": hub})
    async with (
        connect(app, "/chat", transport=transport, protocol=protocol) as ada,
        connect(app, "/chat") as bob,
        connect(app, "/chat", protocol="messagepack") as eve,
    ):
        assert await ada.invoke("Echo", {"a": [1, None, "ü"]}) == {"a": [1, None, "ü"]}
        await ada.invoke("SendMessage", "Ada", "hello")
        for client in (ada, bob, eve):
            assert await client.expect("ReceiveMessage") == ["Ada", "hello"]
        await ada.invoke("TellOthers", "hi")
        for client in (bob, eve):
            assert await client.expect("ReceiveMessage") == [None, "hi"]
        await ada.expect_nothing()
        assert [item async for item in ada.stream("Count", 3)] == [0, 1, 2]
        assert await ada.invoke("Sum", numbers(1, 2, 3)) == 6
        ada.on("Double", lambda value: 2 * value)
        assert ada.connection_id is not None
        assert await bob.invoke("Ask", ada.connection_id, 21) == 42
        assert await ada.invoke("Ask", ada.connection_id, 4) == 8
        with pytest.raises(InvocationError) as caught:
            await ada.invoke("Fail")
        assert caught.value.message == "An unexpected error occurred invoking 'Fail' on the server."
    await settle()
    assert hub.ended == [None] * 3
    assert app.statistics()["hubs"] == {f"{__name__}.{hub.__qualname__}": {**NOBODY, **NOTHING_RUNS}}


@pytest.mark.statement(145, 146)
@pytest.mark.parametrize(("transport", "protocol"), EVERY_WAY)
async def test_an_abort_closes_without_inviting_back(transport: TransportName, protocol: ProtocolName) -> None:
    hub = chat()
    app, _ = app_of({"/chat": hub})
    async with connect(app, "/chat", transport=transport, protocol=protocol) as ada:
        with pytest.raises(ConnectionClosed):
            await ada.invoke("Abort")
        closed = await ada.closed()
    assert closed.message is not None
    assert (closed.error, closed.allow_reconnect) == (None, False)
    assert closed.code == (1000 if transport == "websocket" else None)
    assert hub.ended == [None]


@pytest.mark.statement(49)
async def test_an_exception_in_on_disconnected_is_close_code_1011() -> None:
    class Failing(Hub):
        async def on_disconnected(self, error: Exception | None) -> None:
            raise RuntimeError("secret detail")

        async def abort(self) -> None:
            self.context.abort()

    app, _ = app_of({"/chat": Failing})
    async with connect(app, "/chat") as ada:
        await ada.send("Abort")
        assert (await ada.closed()).code == 1011


@pytest.mark.statement(143)
async def test_a_refused_connection_is_closed_with_1000() -> None:
    class Refusing(Hub):
        async def on_connected(self) -> None:
            raise HubError("refused")

    app, _ = app_of({"/chat": Refusing})
    async with connect(app, "/chat") as ada:
        closed = await ada.closed()
    assert (closed.error, closed.allow_reconnect, closed.code) == (
        "Connection closed with an error. HubException: refused",
        False,
        1000,
    )


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_that_vanishes_in_the_middle_of_everything(transport: TransportName) -> None:
    hub = chat()
    app, clock = app_of({"/chat": hub})
    async with connect(app, "/chat") as watcher:
        async with connect(app, "/chat", transport=transport) as ada:
            await ada.invoke("Join", "g")
            await ada.send("Tokens")
            await ada.send("Sum", numbers(1, 2))
            ada.drop()
            for _ in range(20):
                await clock.advance(1)
        assert hub.ended == [None]
        counts = {**NOBODY, "connections": 1, **NOTHING_RUNS}
        assert app.statistics()["hubs"][f"{__name__}.{hub.__qualname__}"] == counts
        assert await watcher.invoke("Echo", 1) == 1


async def test_a_connection_that_is_lost_while_its_reading_is_paused() -> None:
    hub = chat()
    app, clock = app_of({"/chat": hub}, options=HubOptions(stream_buffer_capacity=1))
    async with connect(app, "/chat") as ada:
        await ada.send("Swallow", numbers(*range(20)))
        await settle()
        ada.drop()
        for _ in range(40):  # the next ping finds out, since nobody reads
            await clock.advance(1)
        await settle()
        assert len(hub.ended) == 1
    hub.held.set()


@pytest.mark.statement(168)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_that_falls_silent_is_closed_and_invited_back(transport: TransportName) -> None:
    hub = chat()
    app, clock = app_of({"/chat": hub})
    async with connect(app, "/chat", transport=transport) as ada:
        await ada.ping()
        for _ in range(31):
            await clock.advance(1)
        closed = await ada.closed()
    assert (closed.error, closed.allow_reconnect) == ("Connection closed with an error.", True)
    assert [str(error) for error in hub.ended] == [
        "Client hasn't sent a message/ping within the configured ClientTimeoutInterval."
    ]


@pytest.mark.statement(186)
async def test_a_token_that_expires_closes_the_connection_and_invites_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    hub = chat()
    expires = time.time() + 100
    app, clock = app_of(
        {"/chat": HubRoute(hub, transport=TransportOptions(close_on_token_expiry=True))},
        authenticate=lambda scope: Identity("ada", expires_at=expires),
    )
    async with connect(app, "/chat") as ada:
        await clock.advance(2)
        assert await ada.invoke("Who") == "ada"
        monkeypatch.setattr(time, "time", lambda: expires)
        await clock.advance(2)
        closed = await ada.closed()
    assert (closed.error, closed.allow_reconnect) == (None, True)
    assert hub.ended == [None]


@pytest.mark.statement(73)
async def test_the_scope_is_that_of_the_request_that_opened_the_connection() -> None:
    app, _ = app_of({"/chat": chat()})
    for transport in TRANSPORTS:
        async with connect(app, "/chat", transport=transport, query="room=7&x=") as ada:
            seen = await ada.invoke("Query")
            assert (seen["room"], seen["x"]) == ("7", "")


async def test_a_poller_that_says_close_and_then_deletes_leaves_nothing() -> None:
    """What the official .NET client does: Close by POST, the answer by a poll, then DELETE."""
    app, _ = app_of({"/chat": chat()})
    answer = await request(app, "POST", "/chat/negotiate", query="negotiateVersion=1")
    tasks = TaskOwner("polls")
    origin = Origin(app, "/chat", tasks, "", (("id", json.loads(answer.body)["connectionToken"]),), ())
    assert (await origin.request("GET")).body == b""
    await origin.request("POST", body=b'{"protocol":"json","version":1}\x1e{"type":7}\x1e')
    await settle()
    assert (await origin.request("GET")).body == b'{}\x1e{"type":7}\x1e'
    assert (await origin.request("DELETE")).status == 202
    await settle()
    assert app.statistics()["transports"].connections == 0
    await asyncio.wait_for(app.drain(), 30)
    await tasks.cancel()


# Several hubs and paths


async def test_a_hub_at_two_paths_is_one_hub_and_another_is_another() -> None:
    hub, other = chat(), chat()
    app, _ = app_of({"/a": hub, "/b": hub, "/c": other})
    async with connect(app, "/a") as ada, connect(app, "/b") as bob, connect(app, "/c") as eve:
        await ada.invoke("SendMessage", "Ada", "hello")
        assert await bob.expect("ReceiveMessage") == ["Ada", "hello"]
        await eve.expect_nothing()


async def test_a_token_of_one_path_opens_nothing_at_another() -> None:
    app, _ = app_of({"/a": chat(), "/b": chat()})
    answer = await request(app, "POST", "/a/negotiate", query="negotiateVersion=1")
    token = json.loads(answer.body)["connectionToken"]
    assert (await request(app, "GET", "/b", query=f"id={token}")).status == 404


@pytest.mark.statement(165)
async def test_sending_from_outside() -> None:
    hub = chat()
    app, _ = app_of({"/chat": hub}, authenticate=lambda scope: Identity(scope.query.get("user", "nobody")))
    context = app.context(hub)
    async with connect(app, "/chat", query="user=ada") as ada, connect(app, "/chat") as bob:
        assert ada.connection_id is not None
        await context.clients.user("ada").send("Hello", 1)
        assert await ada.expect("Hello") == [1]
        await bob.expect_nothing()
        await context.groups.add(ada.connection_id, "g")
        await context.clients.group("g").send("Hello", 2)
        assert await ada.expect("Hello") == [2]
        ada.on("Double", lambda value: 2 * value)
        assert await context.clients.client(ada.connection_id).invoke("Double", 4, result_type=int) == 8
    with pytest.raises(KeyError):
        app.context(chat())


def test_a_factory_that_fails_at_start_up_is_told_with_its_path_and_beside_other_mistakes() -> None:
    failure = LookupError("no database yet")

    def make() -> Hub:
        raise failure

    async def make_later() -> Hub:
        return Hub()

    routes = {"/a": make, "/b": make_later, "/c": HubRoute(make), "/d": Stars}
    with pytest.raises(ConfigurationError) as caught:
        HubApp(routes)  # type: ignore[arg-type]
    problems = caught.value.problems
    raised = "the factory, which is called once at start-up to learn the class of its hub, raised LookupError"
    assert problems[0] == f"/a: {raised}('no database yet')"
    assert problems[1].startswith("/b: the factory is `async`")
    assert problems[2] == f"/c: {raised}('no database yet')"
    assert problems[3].startswith("/d: Stars.stars")
    assert caught.value.__cause__ is failure, "its traceback shows where"


async def test_a_factory_makes_the_hub_of_each_call() -> None:
    made: list[int] = []

    class Service(Hub):
        def __init__(self, name: str) -> None:
            made.append(1)
            self.name = name

        async def get_name(self) -> str:
            return self.name

    app, _ = app_of({"/x": lambda: Service("injected")})
    async with connect(app, "/x") as ada:
        assert await ada.invoke("GetName") == "injected"
        assert await ada.invoke("GetName") == "injected"
    assert len(made) == 5, "once to inspect it, on_connected, two calls, on_disconnected"
    assert app.context(Service) is not None


@pytest.mark.statement(156)
async def test_filters_of_the_app_stand_around_those_of_a_hub() -> None:
    seen: list[str] = []

    class Noting(HubFilter):
        def __init__(self, name: str) -> None:
            self.name = name

        async def invoke(self, call: Any, next: Any) -> Any:
            seen.append(f"{self.name} {call.method} {call.arguments}")
            result = await next(call)
            seen.append(f"{self.name} {result}")
            return result

    class Echo(Hub):
        async def echo(self, value: int) -> int:
            return value

    class Plain(Hub):
        async def echo(self, value: int) -> int:
            return value

    routes = {"/echo": HubRoute(Echo, filters=(Noting("inner"),)), "/plain": Plain}
    app, _ = app_of(routes, filters=[Noting("outer")])
    async with connect(app, "/echo") as ada, connect(app, "/plain") as bob:
        assert await ada.invoke("Echo", 1) == 1
        assert seen == ["outer Echo [1]", "inner Echo [1]", "inner 1", "outer 1"]
        seen.clear()
        assert await bob.invoke("Echo", 2) == 2
        assert seen == ["outer Echo [2]", "outer 2"]


async def test_filters_and_policies_of_the_app() -> None:
    seen: list[str] = []

    class Noting(HubFilter):
        async def invoke(self, call: Any, next: Any) -> Any:
            seen.append(call.method)
            return await next(call)

    class Guarded(Hub):
        @authorize(policy="premium")
        async def ask(self) -> str:
            return "answer"

    def premium(context: PolicyContext) -> bool:
        return bool(context.identity.claims.get("tier") == "premium")

    def who(scope: ConnectionScope) -> Identity | None:
        return Identity("ada", {"tier": scope.query["tier"]}) if "tier" in scope.query else None

    app, _ = app_of({"/hub": Guarded}, filters=[Noting()], policies={"premium": premium}, authenticate=who)
    async with connect(app, "/hub", query="tier=premium") as ada, connect(app, "/hub", query="tier=free") as bob:
        assert await ada.invoke("Ask") == "answer"
        with pytest.raises(InvocationError, match="because user is unauthorized"):
            await bob.invoke("Ask")
    assert seen == ["Ask"]


# Raw connections


async def test_a_raw_connection_has_bytes_and_no_protocol() -> None:
    async def echo(connection: TransportConnection) -> None:
        while True:
            connection.write(Packet(await connection.receive()))
            await connection.drain()

    app, _ = app_of({"/raw": ConnectionRoute(echo)})
    for transport in TRANSPORTS:
        async with connect_raw(app, "/raw", transport=transport) as ada:
            await ada.send_bytes(b"anything")
            assert await ada.receive_bytes() == b"anything"
    assert app.describe() == []


# Who may


@authorize
class ForUsers(Hub):
    async def who(self) -> str | None:
        return self.context.user_id


@authorize(policy="admin")
class ForAdmins(Hub):
    async def who(self) -> str | None:
        return self.context.user_id


def by_header_or_query(scope: ConnectionScope) -> Identity | None:
    token = scope.headers.get("authorization", "").removeprefix("Bearer ") or scope.query.get("access_token")
    return Identity(token) if token else None


async def later(scope: ConnectionScope) -> Identity | None:
    return by_header_or_query(scope)


@pytest.mark.statement(18, 185)
@pytest.mark.parametrize("authenticate", [by_header_or_query, later])
async def test_a_guarded_hub_lets_nobody_in_without_its_requirements(authenticate: Any) -> None:
    app, _ = app_of(
        {"/users": ForUsers, "/admins": ForAdmins},
        authenticate=authenticate,
        policies={"admin": lambda context: context.identity.user_id == "root"},
    )
    bearer = {"authorization": "Bearer ada"}
    for path in ("/users", "/admins"):
        answer = await request(app, "POST", f"{path}/negotiate")
        assert (answer.status, answer.body) == (401, b"")
    assert (await request(app, "POST", "/admins/negotiate", headers=bearer)).status == 403
    assert (await request(app, "POST", "/users/negotiate", headers=bearer)).status == 200
    for transport in TRANSPORTS:
        async with connect(app, "/users", transport=transport, query="access_token=ada") as ada:
            assert await ada.invoke("Who") == "ada"
    with pytest.raises(RefusedError) as caught:
        async with connect(app, "/users", negotiate=False):
            pass
    assert caught.value.status == 401


@pytest.mark.statement(185)
async def test_a_token_in_the_query_means_nothing_unless_the_app_looks_at_it() -> None:
    def by_header(scope: ConnectionScope) -> Identity | None:
        return Identity("x") if "authorization" in scope.headers else None

    app, _ = app_of({"/users": ForUsers}, authenticate=by_header)
    assert (await request(app, "POST", "/users/negotiate", query="access_token=x")).status == 401


@pytest.mark.statement(187)
async def test_another_user_on_a_later_poll_is_refused_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    app, _ = app_of({"/users": ForUsers}, authenticate=by_header_or_query)
    answer = await request(app, "POST", "/users/negotiate", query="negotiateVersion=1&access_token=ada")
    token = json.loads(answer.body)["connectionToken"]
    for user in ("ada", "bob"):
        tasks = TaskOwner("poll")
        origin = Origin(app, "/users", tasks, "", (("id", token), ("access_token", user)), ())
        polling = tasks.start(origin.request("GET"))
        await settle()
        polling.cancel()
        await tasks.cancel()
    assert any("a request of user 'bob' was refused" in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize(
    ("refresh", "allowed", "status"), [(False, False, 403), (False, True, 403), (True, False, 403), (True, True, 200)]
)
async def test_another_user_may_go_on_where_a_refresh_may_change_the_user(
    refresh: bool, allowed: bool, status: int
) -> None:
    app, _ = app_of(
        {"/users": ForUsers},
        authenticate=by_header_or_query,
        transport=TransportOptions(authentication_refresh=refresh),
        options=HubOptions(allow_user_id_change_on_refresh=allowed),
    )
    answer = await request(app, "POST", "/users/negotiate", query="negotiateVersion=1&access_token=ada")
    token = json.loads(answer.body)["connectionToken"]
    assert (await request(app, "GET", "/users", query=f"id={token}&access_token=ada")).status == 200
    for method in ("POST", "GET"):
        tasks = TaskOwner("requests")
        origin = Origin(app, "/users", tasks, "", (("id", token), ("access_token", "bob")), ())
        asked = tasks.start(origin.request(method, body=b'{"protocol":"json","version":1}\x1e'))
        assert (await asked).status == status, method
        await tasks.cancel()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_only_pages_of_allowed_origins_may_connect(transport: TransportName) -> None:
    allowed = ["https://a.example", "https://*.b.example", "capacitor://localhost", "moz-extension://*"]
    app, _ = app_of({"/chat": chat()}, allowed_origins=allowed)
    for origin in ("http://testserver", "https://x.b.example", "moz-extension://0f2d-0a2c", *allowed[::2]):
        async with connect(app, "/chat", transport=transport, headers={"origin": origin}) as ada:
            assert await ada.invoke("Echo", 1) == 1
    for origin in ("https://evil.example", "ionic://localhost", "null"):
        with pytest.raises(RefusedError) as caught:
            async with connect(app, "/chat", transport=transport, headers={"origin": origin}):
                pass
        assert caught.value.status == 403


async def test_a_page_without_an_origin_may_connect_where_that_is_said() -> None:
    app, _ = app_of({"/chat": chat()}, allowed_origins=["null"], allowed_headers=["X-CSRF-Token"])
    async with connect(app, "/chat", headers={"origin": "null"}) as ada:
        assert await ada.invoke("Echo", 1) == 1
    answer = await request(app, "POST", "/chat/negotiate", headers={"origin": "null"})
    assert answer.headers["access-control-allow-origin"] == "null"
    preflight = {
        "origin": "null",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-requested-with,x-csrf-token",
    }
    answer = await request(app, "OPTIONS", "/chat/negotiate", headers=preflight)
    assert (answer.status, answer.headers["access-control-allow-credentials"]) == (200, "true")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/chat/negotiate", {}),
        ("POST", "/chat", {}),
        ("GET", "/chat", {}),
        ("GET", "/chat", {"accept": "text/event-stream"}),
        ("DELETE", "/chat", {}),
        ("OPTIONS", "/chat/negotiate", {"access-control-request-method": "POST"}),
    ],
)
async def test_a_foreign_page_is_refused_on_every_request(method: str, path: str, headers: dict[str, str]) -> None:
    app, _ = app_of({"/chat": chat()})
    answer = await request(app, method, path, headers={"origin": "https://evil.example", **headers}, query="id=x")
    assert answer.status == 403
    assert "access-control-allow-origin" not in answer.headers


async def test_a_foreign_page_is_refused_on_a_websocket_without_negotiation() -> None:
    app, _ = app_of({"/chat": chat()})
    with pytest.raises(RefusedError) as caught:
        async with connect(app, "/chat", negotiate=False, headers={"origin": "https://evil.example"}):
            pass
    assert caught.value.status == 403


async def test_cors_answers_name_the_origin() -> None:
    app, _ = app_of({"/chat": chat()}, allowed_origins=["*"])
    answer = await request(app, "POST", "/chat/negotiate", headers={"origin": "https://a.example"})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["access-control-allow-credentials"] == "true"
    preflight = {
        "origin": "https://a.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "x-requested-with,x-signalr-user-agent",
    }
    answer = await request(app, "OPTIONS", "/chat/negotiate", headers=preflight)
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "https://a.example"


# Mounting


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
@pytest.mark.parametrize(
    ("mount", "path", "root_path"),
    [("/", "/chat", ""), ("/api", "/api/chat", ""), ("/api/v1", "/api/v1/chat", ""), ("/api", "/api/chat", "/proxy")],
)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_mounted_anywhere(
    framework: Any, mount: str, path: str, root_path: str, transport: TransportName
) -> None:
    hubs, _ = app_of({"/chat": chat()})
    app = framework(lifespan=hubs.lifespan)
    app.mount(mount, hubs)
    async with running(app) as served, connect(served, path, transport=transport, root_path=root_path) as ada:
        assert await ada.invoke("Echo", 1) == 1


async def test_mounted_in_a_mount_and_beside_other_routes() -> None:
    async def hello(request: Request) -> JSONResponse:
        return JSONResponse({"hello": request.url.path})

    hubs, _ = app_of({"/chat": chat()})
    inner = Starlette(routes=[Route("/hello", hello), Mount("/hubs", hubs)])
    app = Starlette(routes=[Mount("/outer", inner)], lifespan=hubs.lifespan)
    async with running(app) as served:
        async with connect(served, "/outer/hubs/chat") as ada:
            assert await ada.invoke("Echo", 1) == 1
        assert (await request(served, "GET", "/outer/hello")).body == b'{"hello":"/outer/hello"}'
        assert (await request(served, "GET", "/outer/hubs/nothing")).status == 404


@pytest.mark.parametrize("path", ["/", "/chat"])
async def test_alone_and_at_the_root(path: str) -> None:
    app, _ = app_of({path: chat()})
    async with running(app) as served, connect(served, path) as ada:
        assert await ada.invoke("Echo", 1) == 1


async def test_a_trailing_slash_is_forgiven_and_another_path_is_not_there() -> None:
    app, _ = app_of({"/chat": chat()})
    assert (await request(app, "POST", "/chat/negotiate/")).status == 200
    for path in ("/", "/other", "/chat/other", "/chatter"):
        answer = await request(app, "GET", path)
        assert (answer.status, answer.body) == (404, b"Not Found")
    with pytest.raises(RefusedError):
        async with connect(app, "/other", negotiate=False):
            pass


# Start and stop


async def test_readiness_turns_when_draining_begins() -> None:
    app, _ = app_of({"/chat": chat()})
    async with running(app):
        assert app.ready
        answer = await request(app, "GET", "/readyz")
        assert (answer.status, answer.body) == (200, b"ready")
        await app.drain()
        answer = await request(app, "GET", "/readyz")
        assert (answer.status, answer.body) == (503, b"draining")
        assert (await request(app, "POST", "/chat/negotiate")).status == 503
        assert not app.ready
    assert app.ready  # for a test or a notebook that goes on without a lifespan
    async with running(app):
        assert app.ready, "an application can be started again"


async def test_a_server_whose_backplane_cannot_be_reached_is_not_ready() -> None:
    class Away(MemoryBackplane):
        there = False

        async def connect(self, listener: BackplaneListener) -> BackplaneLink:
            if not self.there:
                raise BackplaneError("nobody is there")
            return await super().connect(listener)

    backplane = Away()
    app, _ = app_of({"/chat": chat()}, backplane=backplane)
    async with running(app):
        await settle()
        answer = await request(app, "GET", "/readyz")
        assert (answer.status, answer.body, app.ready) == (503, b"no backplane", False)
        backplane.there = True
        async with connect(app, "/chat") as client:
            await client.fence()
            assert (await request(app, "GET", "/readyz")).status == 200
            assert app.ready


async def test_the_readiness_path_can_be_another_or_none() -> None:
    for path, status in [("/health", 200), (None, 404)]:
        app, _ = app_of({"/chat": chat()}, readiness_path=path)
        assert (await request(app, "GET", path or "/readyz")).status == status


@pytest.mark.parametrize(("transport", "protocol"), EVERY_WAY)
async def test_draining_invites_everybody_to_come_back_and_ends_streams(
    transport: TransportName, protocol: ProtocolName
) -> None:
    hub = chat()
    app, _ = app_of({"/chat": hub})
    async with connect(app, "/chat", transport=transport, protocol=protocol) as ada:
        stream = ada.stream("Tokens")
        assert await anext(stream) == "one"
        await ada.send("Wait")
        draining = asyncio.create_task(app.drain())
        closed = await ada.closed()
        assert closed.message is not None
        assert (closed.error, closed.allow_reconnect) == (None, True)
        with pytest.raises(ConnectionClosed):
            await anext(stream)
        await asyncio.wait_for(draining, 30)
    assert hub.ended == [None]
    hub.held.set()
    await settle()


async def test_draining_has_a_time_limit_and_counts_those_in_on_connected() -> None:
    hub = chat()
    app, clock = app_of({"/chat": hub}, drain_timeout=10)
    async with connect(app, "/chat", query="hold=1"):
        draining = asyncio.create_task(app.drain())
        await clock.advance(9)
        assert not draining.done()
        await clock.advance(2)
        assert draining.done()
        hub.held.set()
        await settle()
    assert hub.ended == [None]


async def test_draining_ends_raw_connections_and_unfinished_handshakes() -> None:
    ended: list[str] = []

    async def serve(connection: TransportConnection) -> None:
        try:
            await connection.receive()
        except ConnectionClosed:
            ended.append("raw")

    app, clock = app_of({"/raw": ConnectionRoute(serve), "/chat": chat()})
    async with connect_raw(app, "/raw") as raw, connect_raw(app, "/chat") as silent:
        draining = asyncio.create_task(app.drain())
        await settle()
        assert (await raw.closed()).code == 1000
        assert ended == ["raw"]
        assert not draining.done()
        await clock.advance(1)
        assert (await silent.closed()).code == 1000
        await asyncio.wait_for(draining, 30)


async def test_a_client_that_has_just_connected_when_draining_begins_is_greeted_and_asked_to_reconnect() -> None:
    app, _ = app_of({"/chat": chat()})
    async with connect_raw(app, "/chat") as late:
        draining = asyncio.create_task(app.drain())
        await settle()
        await late.send_bytes(b'{"protocol":"json","version":1}\x1e')
        assert await late.receive_bytes() == b"{}\x1e"
        assert await late.receive_bytes() == b'{"type":7,"allowReconnect":true}\x1e'
        assert (await late.closed()).code == 1000
        await asyncio.wait_for(draining, 30)


async def test_draining_twice_waits_only_once() -> None:
    hub = chat()
    app, clock = app_of({"/chat": hub}, drain_timeout=10)
    async with connect(app, "/chat", query="hold=1"):
        first = asyncio.create_task(app.drain())
        await clock.advance(5)
        second = asyncio.create_task(app.drain())
        await clock.advance(6)
        assert first.done()
        assert second.done()
        await asyncio.wait_for(app.drain(), 30)
        hub.held.set()
        await settle()


async def test_the_lifespan_drains_closes_and_leaves_no_task() -> None:
    hub = chat()
    app, _ = app_of({"/chat": hub}, drain_timeout=2)
    before = asyncio.all_tasks()
    clients: list[InMemoryClient] = []

    async def client(served: ASGIApp) -> None:
        async with connect(served, "/chat") as ada:
            clients.append(ada)
            await ada.send("Wait")
            await ada.closed()

    async with running(app) as served:
        task = asyncio.create_task(client(served))
        await settle()
    await task
    assert (await clients[0].closed()).allow_reconnect
    await settle()
    assert asyncio.all_tasks() - before == set()


async def test_an_on_disconnected_that_never_returns_does_not_hold_the_shutdown_for_ever() -> None:
    cancelled: list[str] = []

    class Hanging(Hub):
        async def on_disconnected(self, error: Exception | None) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                cancelled.append("on_disconnected")
                raise

    app, clock = app_of({"/chat": Hanging}, drain_timeout=10)

    async def stop() -> None:
        async with app.lifespan():
            started.set()
            await go.wait()

    started, go = asyncio.Event(), asyncio.Event()
    stopping = asyncio.create_task(stop())
    await started.wait()
    async with connect(app, "/chat") as ada:
        go.set()
        for _ in range(17):  # 10 s of draining, then 5 s that the registry gives to applications
            await clock.advance(1)
        await asyncio.wait_for(stopping, 30)
        assert (await ada.closed()).allow_reconnect
    assert cancelled == ["on_disconnected"]


async def test_the_codecs_are_those_of_the_hub() -> None:
    app, _ = app_of({"/chat": HubRoute(chat(), options=HubOptions(codecs=("messagepack",))), "/any": chat()})
    async with connect(app, "/chat", protocol="messagepack") as ada, connect(app, "/any") as bob:
        assert await ada.invoke("Echo", "x") == "x"
        assert await bob.invoke("Echo", "x") == "x"
    with pytest.raises(HandshakeError, match="'json' is not supported"):
        await connect(app, "/chat").__aenter__()


async def test_the_size_limit_is_that_of_the_hub() -> None:
    app, _ = app_of(
        {
            "/small": HubRoute(chat(), options=HubOptions(maximum_receive_message_size=100)),
            "/unlimited": HubRoute(chat(), options=HubOptions(maximum_receive_message_size=None)),
        }
    )
    async with connect(app, "/small") as ada, connect(app, "/unlimited") as bob:
        assert len(await bob.invoke("Echo", "x" * 100_000)) == 100_000
        assert await ada.invoke("Echo", "x") == "x"
        await ada.send("Echo", "x" * 100)
        closed = await ada.closed()
    assert (closed.error, closed.allow_reconnect) == ("Connection closed with an error.", True)


async def test_a_server_gets_the_drain_function_by_the_state() -> None:
    app, _ = app_of({"/chat": chat()})
    async with app.lifespan() as state:
        (drain,) = state["hubline.drain"]
        assert app.ready
        await drain()
        assert not app.ready


# What it tells about itself


async def test_statistics() -> None:
    hub = chat()
    app, _ = app_of({"/chat": hub}, authenticate=lambda scope: Identity("ada"))
    async with connect(app, "/chat") as ada, connect(app, "/chat"):
        await ada.invoke("Join", "g")
        statistics = app.statistics()
    counts = {**NOBODY, "connections": 2, "groups": 1, "users": 1, **NOTHING_RUNS}
    assert statistics["hubs"] == {f"{__name__}.{hub.__qualname__}": counts}
    assert statistics["transports"].connections == 2


def test_describe() -> None:
    app, _ = app_of({"/users": ForUsers, "/chat": HubRoute(Described)})
    users, described = app.describe()
    assert (users.path, users.hub, [r.policy for r in users.requirements]) == ("/users", ForUsers, [None])
    assert described.path == "/chat"
    by_name = {method.name: method for method in described.methods}
    method = by_name["Add"]
    assert method.arguments == (
        ArgumentDescription("a", int, required=True),
        ArgumentDescription("b", int, required=False),
    )
    assert (method.result, method.is_stream, method.is_async) == (int, False, True)
    assert (method.order, method.text) == (("a", "b"), "Adds.")
    assert by_name["Upload"].uploads == (("numbers", int),)
    assert by_name["Upload"].order == ("numbers",)
    assert by_name["Tokens"].is_stream
    assert not by_name["InThread"].is_async
    assert described.client_methods == ()
    assert described.renames_fields


class AskedClient(Protocol):
    async def show(self, text: str) -> None:
        """Shows."""

    async def confirm(self) -> bool: ...


class Asking(Hub[AskedClient]):
    pass


def test_describe_the_calls_to_clients() -> None:
    app, _ = app_of({"/asking": Asking}, options=HubOptions(field_names="as_written"))
    (described,) = app.describe()
    confirm, show = described.client_methods
    assert (confirm.name, confirm.arguments, confirm.has_result, confirm.result) == ("Confirm", (), True, bool)
    assert (show.name, show.has_result, show.text) == ("Show", False, "Shows.")
    assert show.arguments == (ArgumentDescription("text", str, required=True),)
    assert not described.renames_fields


class Described(Hub):
    async def add(self, a: int, b: int = 1) -> int:
        """Adds."""
        return a + b

    async def upload(self, numbers: AsyncIterator[int]) -> None: ...

    async def tokens(self) -> AsyncIterator[str]:
        yield "x"

    def in_thread(self) -> None: ...


# Mistakes


class NeedsService(Hub):
    def __init__(self, service: str) -> None:
        self.service = service


class Stars(Hub):
    async def stars(self, *args: int) -> None: ...


def test_every_mistake_is_reported_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        HubApp(
            {
                "no-slash": chat(),
                "/slash/": chat(),
                "/stars": Stars,
                "/service": NeedsService,
                "/no-hub": int,  # type: ignore[dict-item]
                "/no-hub-made": lambda: 5,  # type: ignore[dict-item,return-value]
                "/admins": ForAdmins,
            },
            allowed_origins=["nonsense"],
        )
    starts = [
        "allowed_origins: 'nonsense' is no origin",
        "the path 'no-slash' must begin with a slash",
        "the path '/slash/' must begin with a slash and not end with one",
        "/stars: Stars.stars: clients send arguments by position",
        "/service: NeedsService needs arguments (missing a required argument: 'service'): give a factory",
        "/no-hub: int does not derive from hubline.Hub",
        "/no-hub-made: the factory makes a int, not a hubline.Hub",
        "/admins: ForAdmins: there is no policy 'admin'",
    ]
    problems = caught.value.problems
    assert len(problems) == len(starts)
    for problem, start in zip(problems, starts, strict=True):
        assert problem.startswith(start)


def test_a_hub_at_two_paths_has_one_set_of_options_and_one_factory() -> None:
    hub = chat()
    with pytest.raises(ConfigurationError, match="two paths with different options"):
        HubApp({"/a": hub, "/b": HubRoute(hub, options=HubOptions(detailed_errors=True))})
    with pytest.raises(ConfigurationError, match="two paths with different factories"):
        HubApp({"/a": lambda: NeedsService("a"), "/b": lambda: NeedsService("b")})

    def create() -> NeedsService:
        return NeedsService("x")

    HubApp(
        {
            "/a": create,
            "/b": HubRoute(create, transport=TransportOptions(transports=frozenset({Transport.WEB_SOCKETS}))),
        }
    )


async def test_secrets_stay_here_and_details_travel_only_when_wanted() -> None:
    for detailed in (False, True):
        app, _ = app_of({"/chat": HubRoute(chat(), options=HubOptions(detailed_errors=detailed))})
        async with connect(app, "/chat") as ada:
            with pytest.raises(InvocationError) as caught:
                await ada.invoke("Fail")
            assert ("secret detail" in caught.value.message) is detailed


async def test_a_blocking_method_is_named() -> None:
    import logging
    import threading

    named = {name: threading.Event() for name in ("block", "on_disconnected")}

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            """On a busy machine one that does not block may be named as well, before it or behind it."""
            name = record.getMessage().partition(" blocks the event loop for more than 20 ms")[0]
            if event := named.get(name.rpartition(".")[2]):
                event.set()

    class Blocking(Hub):
        async def block(self) -> bool:
            return named["block"].wait(60)

        async def on_disconnected(self, error: Exception | None) -> None:
            assert named["on_disconnected"].wait(60)

    handler = Handler()
    logging.getLogger("hubline.watchdog").addHandler(handler)
    try:
        app = HubApp({"/chat": Blocking}, blocking_warning=0.02, clock=ManualClock())
        async with running(app) as served, connect(served, "/chat") as ada:
            assert await ada.invoke("Block") is True
    finally:
        logging.getLogger("hubline.watchdog").removeHandler(handler)
    assert all(each.is_set() for each in named.values())


@pytest.mark.parametrize("paths", [("/chat", "/chat/refresh"), ("/chat/refresh", "/chat")])
async def test_a_hub_whose_path_ends_in_refresh_is_reached(paths: tuple[str, str]) -> None:
    app, _ = app_of({path: chat() for path in paths})
    async with connect(app, "/chat/refresh") as ada:
        assert await ada.invoke("Echo", 1) == 1


async def test_a_page_of_a_known_origin_may_refresh_and_others_may_not() -> None:
    app, _ = app_of({"/chat": chat()}, allowed_origins=["https://ours.example"])
    for origin, status in (("https://ours.example", 404), ("https://theirs.example", 403)):
        answer = await request(app, "POST", "/chat/refresh", headers={"origin": origin})
        assert (answer.status, b"refresh_disabled" in answer.body) == (status, status == 404)


# What carries a connection


@pytest.mark.parametrize(
    ("transport", "carried_by"),
    [
        ("websocket", Transport.WEB_SOCKETS),
        ("sse", Transport.SERVER_SENT_EVENTS),
        ("long_polling", Transport.LONG_POLLING),
    ],
)
async def test_a_hub_and_a_raw_connection_know_their_transport(transport: TransportName, carried_by: Transport) -> None:
    seen: list[Transport | None] = []
    asked: list[Transport | None] = []

    class Noting(Hub):
        async def on_connected(self) -> None:
            seen.append(self.context.transport)

        async def which(self) -> str:
            seen.append(self.context.scope.transport)
            return self.context.transport.value

        async def on_disconnected(self, error: Exception | None) -> None:
            seen.append(self.context.transport)

    async def serve(connection: TransportConnection) -> None:
        seen.append(connection.transport)

    def authenticate(scope: ConnectionScope) -> Identity:
        asked.append(scope.transport)
        return Identity("ada", expires_at=4e9 + len(asked))

    app, _ = app_of(
        {"/chat": Noting, "/raw": ConnectionRoute(serve)},
        authenticate=authenticate,
        transport=TransportOptions(authentication_refresh=True),
    )
    async with connect(app, "/chat", transport=transport) as ada:
        assert await ada.invoke("Which") == carried_by.value
        token = next(iter(app._registry)).token
        assert (await request(app, "POST", "/chat/refresh", query=f"id={token}")).status == 200
        assert await ada.invoke("Which") == carried_by.value, "a refresh changes who it is, and nothing else"
    async with connect_raw(app, "/raw", transport=transport):
        await settle()
    await settle()
    assert seen == [carried_by] * 5
    assert set(asked) == {None}, "nothing is carried while it is asked who that is"


@dataclass
class Note:
    written_by: str


class Notes(Hub):
    async def keep(self, note: Note) -> list[Note]:
        await self.clients.all.send("Kept", note)
        return [note]

    async def many(self) -> AsyncIterator[Note]:
        yield Note("Ada")


class Others(Notes):
    pass


@pytest.mark.parametrize(
    ("protocol", "by_codec"), [("json", {"writtenBy": "Ada"}), ("messagepack", {"WrittenBy": "Ada"})]
)
async def test_each_hub_says_how_fields_are_called(protocol: ProtocolName, by_codec: dict[str, str]) -> None:
    as_written = HubRoute(Others, options=HubOptions(field_names="as_written"))
    app = HubApp({"/notes": Notes, "/others": as_written})
    for path, expected in (("/notes", by_codec), ("/others", {"written_by": "Ada"})):
        async with connect(app, path, protocol=protocol) as client:
            for sent in ({"writtenBy": "Ada"}, {"written_by": "Ada"}, {"WRITTENBY": "Ada"}):
                assert await client.invoke("Keep", sent) == [expected]
                assert await client.expect("Kept") == [expected]
            assert [item async for item in client.stream("Many")] == [expected]
