import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hubline._tasks import TaskOwner
from hubline.testing.asgi import ASGIApp, Origin, Receive, Send, pairs_of, running
from hubline.testing.clock import settle


async def test_a_request_carries_method_path_query_headers_and_body() -> None:
    async def show(request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "method": request.method,
                "url": str(request.url),
                "root_path": request.scope["root_path"],
                "header": request.headers["x-who"],
                "body": (await request.body()).decode(),
            },
            status_code=201,
        )

    app = Starlette(routes=[Route("/hub/send", show, methods=["POST"])])
    origin = Origin(app, "/hub", TaskOwner("test"), "/outer", (("a", "1"),), (("X-Who", "Ada"),))
    answer = await origin.request("POST", path="/send", query={"id": "x&y"}, body=b"hello")
    assert answer.status == 201
    assert answer.headers["content-type"] == "application/json"
    assert answer.body == (
        b'{"method":"POST","url":"http://testserver/outer/hub/send?a=1&id=x%26y","root_path":"/outer",'
        b'"header":"Ada","body":"hello"}'
    )


async def test_a_host_and_an_address_of_the_clients_own_replace_the_usual_ones() -> None:
    async def show(request: Request) -> JSONResponse:
        assert request.client is not None
        return JSONResponse([request.headers.getlist("host"), request.client.host])

    app, tasks = Starlette(routes=[Route("/", show)]), TaskOwner("test")
    usual = await Origin(app, "/", tasks).request("GET")
    assert usual.body == b'[["testserver"],"testclient"]'
    own = await Origin(app, "/", tasks, headers=(("Host", "app.example"),), address="192.0.2.1").request("GET")
    assert own.body == b'[["app.example"],"192.0.2.1"]'


async def test_an_exception_of_the_application_is_the_cause_of_the_error() -> None:
    async def broken(scope: Any, receive: Receive, send: Send) -> None:
        raise KeyError("boom")

    with pytest.raises(RuntimeError, match="the application raised KeyError") as caught:
        await Origin(broken, "/", TaskOwner("test")).request("GET")
    assert isinstance(caught.value.__cause__, KeyError)


async def test_an_application_that_answers_nothing_is_reported() -> None:
    async def silent(scope: Any, receive: Receive, send: Send) -> None:
        return

    with pytest.raises(RuntimeError, match="did not answer"):
        await Origin(silent, "/", TaskOwner("test")).request("GET")


async def test_a_client_that_stops_reading_holds_send_until_it_leaves() -> None:
    reached: list[str] = []

    async def app(scope: Any, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await receive()
        reached.append("sending")
        try:
            await send({"type": "websocket.send", "text": "x"})
        except OSError:
            reached.append("refused")
        reached.append(str(await receive()))
        reached.append(str(await receive()))

    tasks = TaskOwner("test")
    session = Origin(app, "/", tasks).open("websocket")
    session.give({"type": "websocket.connect"})
    assert await session.next() == {"type": "websocket.accept"}
    session.stop_reading()
    session.give({"type": "websocket.receive", "text": "go"})
    await settle()
    assert reached == ["sending"]
    session.leave(1006)
    await tasks.join()
    gone = "{'type': 'websocket.disconnect', 'code': 1006}"
    assert reached == ["sending", "refused", gone, gone]
    assert await session.next() is None


async def test_running_hands_the_lifespan_state_to_requests() -> None:
    steps: list[str] = []

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[dict[str, Any]]:
        steps.append("start")
        yield {"answer": 42}
        steps.append("stop")

    async def show(request: Request) -> JSONResponse:
        return JSONResponse(request.state.answer)

    async with running(Starlette(routes=[Route("/", show)], lifespan=lifespan)) as app:
        answer = await Origin(app, "/", TaskOwner("test")).request("GET")
        assert answer.body == b"42"
        assert steps == ["start"]
    assert steps == ["start", "stop"]


async def test_a_lifespan_that_fails_is_told_with_its_reason() -> None:
    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        raise ValueError("no database")
        yield

    with pytest.raises(RuntimeError, match=r"startup failed: (?s:.*)no database"):
        async with running(Starlette(lifespan=lifespan)):
            pass


async def test_a_lifespan_that_does_not_end_is_told_in_time() -> None:
    async def stuck(scope: Any, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    with pytest.raises(RuntimeError, match=r"startup did not end within 0\.01 s"):
        async with running(stuck, time_limit=0.01):
            pass


async def test_an_application_without_lifespan_is_told() -> None:
    async def without(scope: Any, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"

    app: ASGIApp = without
    with pytest.raises(RuntimeError, match="the application raised AssertionError"):
        async with running(app):
            pass


def test_queries_and_headers_come_in_any_form() -> None:
    assert pairs_of("a=1&b=&a=2") == (("a", "1"), ("b", ""), ("a", "2"))
    assert pairs_of({"a": "1"}) == (("a", "1"),)
    assert pairs_of([("a", "1"), ("a", "2")]) == (("a", "1"), ("a", "2"))
