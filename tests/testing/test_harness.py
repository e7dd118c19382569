import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from hubline import (
    ConnectionClosed,
    ConnectionRoute,
    Hub,
    HubApp,
    HubOptions,
    HubRoute,
    Identity,
    Transport,
    TransportConnection,
    TransportOptions,
    authorize,
)
from hubline.errors import HandshakeError
from hubline.testing import ManualClock, RefusedError, connect, connect_raw, running
from hubline.testing.asgi import ASGIApp
from hubline.testing.channels import TransportName
from hubline.wire.packet import Packet

TRANSPORTS: list[TransportName] = ["websocket", "sse", "long_polling"]


class WhoHub(Hub):
    async def who(self) -> dict[str, Any]:
        scope = self.context.scope
        return {
            "path": scope.path,
            "query": scope.query,
            "header": scope.headers.get("x-who"),
            "id": self.context.user_id,
        }


@authorize
class GuardedHub(WhoHub):
    pass


async def echo(connection: TransportConnection) -> None:
    while True:
        connection.write(Packet(await connection.receive()))


@pytest.fixture
async def app() -> AsyncIterator[ASGIApp]:
    clock = ManualClock()
    hubs = HubApp(
        {
            "/who": WhoHub,
            "/guarded": GuardedHub,
            "/polling": HubRoute(WhoHub, transport=TransportOptions(transports=frozenset({Transport.LONG_POLLING}))),
            "/echo": ConnectionRoute(echo),
        },
        options=HubOptions(codecs=("json",)),
        authenticate=lambda scope: Identity(token) if (token := scope.query.get("token")) else None,
        clock=clock,
    )
    async with running(hubs, clock=clock) as app:
        yield app


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_query_and_headers_go_along_with_the_request_that_opens_the_connection(
    app: ASGIApp, transport: TransportName
) -> None:
    async with connect(app, "/who", transport=transport, query="a=1&b=x%20y", headers={"X-Who": "Ada"}) as client:
        who = await client.invoke("Who", result_type=dict[str, Any])
        query = {key: value for key, value in who["query"].items() if key != "id"}
        assert (who["path"], query, who["header"]) == ("/who", {"a": "1", "b": "x y"}, "Ada")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_what_a_proxy_cut_off_is_in_the_root_path(app: ASGIApp, transport: TransportName) -> None:
    async with connect(app, "/who", transport=transport, root_path="/outer") as client:
        assert (await client.invoke("Who"))["path"] == "/outer/who"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_an_app_that_is_mounted_in_fastapi_is_reached_by_its_whole_path(transport: TransportName) -> None:
    hubs = HubApp({"/who": WhoHub})
    api = FastAPI(lifespan=hubs.lifespan)
    api.mount("/live", hubs)
    async with running(api) as app, connect(app, "/live/who", transport=transport) as client:
        assert (await client.invoke("Who"))["path"] == "/live/who"


async def test_without_negotiation_there_is_no_id_to_know(app: ASGIApp) -> None:
    async with connect(app, "/who", negotiate=False) as client:
        assert client.connection_id is None
        assert (await client.invoke("Who"))["path"] == "/who"


async def test_only_websockets_can_do_without_negotiation(app: ASGIApp) -> None:
    with pytest.raises(ValueError, match="only WebSockets can do without negotiation"):
        async with connect(app, "/who", transport="sse", negotiate=False):
            pass


@pytest.mark.parametrize("path", ["/nowhere", "/guarded"])
async def test_a_refused_negotiation_tells_status_and_text(app: ASGIApp, path: str) -> None:
    with pytest.raises(RefusedError) as caught:
        async with connect(app, path):
            pass
    assert caught.value.status == (404 if path == "/nowhere" else 401)


async def test_credentials_open_a_guarded_hub(app: ASGIApp) -> None:
    async with connect(app, "/guarded", query={"token": "ada"}) as client:
        assert (await client.invoke("Who"))["id"] == "ada"


async def test_a_websocket_is_refused_with_the_status_of_the_application(app: ASGIApp) -> None:
    with pytest.raises(RefusedError) as caught:
        async with connect(app, "/guarded", negotiate=False):
            pass
    assert caught.value.status == 401
    with pytest.raises(RefusedError, match="status 403"):
        async with connect(app, "/nowhere", negotiate=False):
            pass


async def test_a_transport_that_is_not_offered_is_refused(app: ASGIApp) -> None:
    with pytest.raises(RefusedError, match="does not offer WebSockets"):
        async with connect(app, "/polling"):
            pass
    async with connect(app, "/polling", transport="long_polling") as client:
        assert client.connection_id


async def test_a_refused_handshake_tells_the_servers_text(app: ASGIApp) -> None:
    with pytest.raises(HandshakeError, match="The protocol 'messagepack' is not supported"):
        async with connect(app, "/who", protocol="messagepack"):
            pass


def redirecting(hubs: HubApp, **answer: str) -> Starlette:
    async def negotiate(request: Request) -> Response:
        return JSONResponse(answer)

    routes = [Route("/elsewhere/negotiate", negotiate, methods=["POST"]), Mount("/", hubs)]
    return Starlette(routes=routes, lifespan=hubs.lifespan)


@pytest.mark.statement(22)
@pytest.mark.parametrize("url", ["/who", "https://example.test/who?token=ada"])
async def test_redirects_are_followed_with_their_token(url: str) -> None:
    hubs = HubApp(
        {"/who": WhoHub},
        authenticate=lambda scope: Identity(scope.headers.get("authorization", "")),
    )
    async with (
        running(redirecting(hubs, url=url, accessToken="secret")) as app,
        connect(app, "/elsewhere", transport="sse") as client,
    ):
        who = await client.invoke("Who", result_type=dict[str, Any])
        assert who["id"] == "Bearer secret"
        assert who["path"] == "/who"


@pytest.mark.statement(23)
async def test_redirects_in_a_circle_end() -> None:
    async with running(redirecting(HubApp({"/who": WhoHub}), url="/elsewhere")) as app:
        with pytest.raises(RefusedError, match=r"Negotiate redirection limit exceeded\."):
            async with connect(app, "/elsewhere"):
                pass


@pytest.mark.statement(24)
async def test_an_error_in_the_negotiate_answer_is_told() -> None:
    async with running(redirecting(HubApp({"/who": WhoHub}), error="come back tomorrow")) as app:
        with pytest.raises(RefusedError, match="come back tomorrow"):
            async with connect(app, "/elsewhere"):
                pass


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_raw_client_sends_and_gets_bytes_as_they_are(app: ASGIApp, transport: TransportName) -> None:
    async with connect_raw(app, "/echo", transport=transport) as client:
        await client.send_bytes(b"one\ntwo")
        assert await client.receive_bytes() == b"one\ntwo"
        await client.send_bytes(b"three")
        assert await client.receive_bytes() == b"three"


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_raw_client_sees_the_end(transport: TransportName) -> None:
    async def one_and_done(connection: TransportConnection) -> None:
        connection.write(Packet(await connection.receive()))

    clock = ManualClock()
    async with running(HubApp({"/one": ConnectionRoute(one_and_done)}, clock=clock), clock=clock) as app:
        async with connect_raw(app, "/one", transport=transport) as client:
            await client.send_bytes(b"x")
            assert await client.receive_bytes() == b"x"
            with pytest.raises(ConnectionClosed, match="the connection ended"):
                await client.receive_bytes()
        async with connect_raw(app, "/one", transport=transport) as client:
            await client.send_bytes(b"x")
            closed = await client.closed()
            assert closed.message is None
            assert closed.code == (1000 if transport == "websocket" else None)


async def test_a_text_that_is_no_text_is_the_senders_mistake(app: ASGIApp) -> None:
    async with connect_raw(app, "/echo") as client:
        with pytest.raises(UnicodeDecodeError):
            await client.send_bytes(b"\xff")
        await client.send_bytes(b"\xff", binary=True)


async def test_sending_on_a_connection_that_the_server_has_forgotten_is_told() -> None:
    clock = ManualClock()
    async with (
        running(HubApp({"/who": WhoHub}, clock=clock), clock=clock) as app,
        connect_raw(app, "/who", transport="long_polling") as client,
    ):
        await clock.advance(60)
        with pytest.raises(ConnectionClosed, match="sending was answered with 404: 'No Connection with that ID'"):
            await client.send_bytes(b"x")


async def test_a_slow_reader_holds_the_applications_send() -> None:
    sent: list[str] = []

    async def stubborn(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        sent.append("first")
        await send({"type": "websocket.send", "text": "first"})
        sent.append("second")
        await receive()

    async with connect_raw(stubborn, "/", negotiate=False) as client:
        client.stop_reading()
        await client.send_bytes(b"go")
        for _ in range(10):
            await asyncio.sleep(0)
        assert sent == ["first"]
        client.resume_reading()
        assert await client.receive_bytes() == b"first"
    assert sent == ["first", "second"]


async def test_an_application_that_does_not_let_go_is_told() -> None:
    async def clinging(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await asyncio.Event().wait()

    connecting = connect_raw(clinging, "/", negotiate=False, time_limit=0.05)
    await connecting.__aenter__()
    with pytest.raises(AssertionError, match=r"the application did not leave the connection .* within 0\.05 s"):
        await connecting.__aexit__(None, None, None)


async def test_an_application_that_raises_is_told_with_the_cause() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        raise KeyError("boom")

    connecting = connect(broken, "/", negotiate=False)
    with pytest.raises((RuntimeError, HandshakeError)):
        await connecting.__aenter__()


async def test_a_negotiation_that_is_not_answered_is_told() -> None:
    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(AssertionError, match=r"negotiation was not answered within 0\.05 s of real time"):
        async with connect(silent, "/", time_limit=0.05):
            pass
    with pytest.raises(AssertionError, match=r"WebSockets did not open within 0\.05 s of real time"):
        async with connect(silent, "/", time_limit=0.05, negotiate=False):
            pass


async def test_a_transport_that_is_none_is_a_mistake_that_names_those_there_are(app: ASGIApp) -> None:
    with pytest.raises(ValueError, match="'websocket', 'sse', 'long_polling', not 'websockets'"):
        async with connect(app, "/who", transport="websockets"):  # type: ignore[arg-type]
            pass
