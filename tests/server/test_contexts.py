"""Context variables: what stands around the request is there in everything of its connection, and leaks nowhere."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest

from hubline import (
    AuthenticationRefresh,
    ConnectionScope,
    Depends,
    Hub,
    HubApp,
    HubFilter,
    Identity,
    InvocationContext,
    PolicyContext,
    TransportOptions,
    authorize,
)
from hubline.server.filters import Invoke
from hubline.testing import connect, settle
from tests.server.bench import Line, bench, completion, item
from tests.server.test_failures import post

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="(lost)")
seen: list[tuple[str, str]] = []


def note(where: str) -> None:
    """Note what is seen there, and leave a trace that nobody else may see."""
    seen.append((where, tenant.get()))
    tenant.set(f"left behind by {where}")


@pytest.fixture(autouse=True)
def nothing_seen() -> None:
    seen.clear()


class Tenants:
    """Middleware that sets the tenant of a request."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        name = dict(scope.get("headers", ())).get(b"x-tenant", b"(none)").decode()
        token = tenant.set(name)
        try:
            await self._app(scope, receive, send)
        finally:
            tenant.reset(token)


class Noting(HubFilter):
    async def invoke(self, call: InvocationContext, next: Invoke) -> Any:
        seen.append(("filter", tenant.get()))
        return await next(call)


def admits(context: PolicyContext) -> bool:
    if context.method is not None:
        seen.append(("policy", tenant.get()))
    return True


def dependency() -> str:
    return tenant.get()


class Tenanted(Hub):
    async def on_connected(self) -> None:
        note("on_connected")

    async def on_disconnected(self, error: Exception | None) -> None:
        note("on_disconnected")

    async def on_authentication_refreshed(self) -> None:
        note("on_authentication_refreshed")

    async def method(self) -> None:
        note("method")

    def in_a_thread(self) -> None:
        note("method in a thread")

    async def injected(self, value: Annotated[str, Depends(dependency)]) -> None:
        note("injected")
        seen.append(("dependency", value))

    @authorize(policy="admits")
    async def stream(self) -> AsyncIterator[str]:
        note("stream")
        yield "item"
        await asyncio.Event().wait()

    def stream_in_a_thread(self) -> Iterator[str]:
        note("stream in a thread")
        yield "item"


@pytest.mark.parametrize("transport", ["websocket", "sse", "long_polling"])
async def test_everything_of_a_connection_sees_what_stood_around_its_request(transport: Any) -> None:
    async def refreshing(refresh: AuthenticationRefresh) -> bool:
        return True

    def authenticate(scope: ConnectionScope) -> Identity:
        return Identity("ada", expires_at=2e9 + int(scope.query.get("n", "0")))

    app = HubApp(
        {"/hub": Tenanted},
        authenticate=authenticate,
        policies={"admits": admits},
        filters=[Noting()],
        transport=TransportOptions(authentication_refresh=True, on_authentication_refresh=refreshing),
        blocking_warning=None,
    )
    wrapped = Tenants(app)
    async with connect(wrapped, "/hub", transport=transport, headers={"x-tenant": "acme"}) as ada:
        (token,) = [session.token for session in app._registry]
        for target in ("Method", "InAThread", "Injected", "Method"):
            await ada.invoke(target)
        assert [each async for each in ada.stream("StreamInAThread")] == ["item"]
        following = ada.stream("Stream")
        assert await anext(following) == "item"
        assert (await post(wrapped, "/hub/refresh", id=token, n="1")).status == 200
        await settle()
        await following.aclose()
    await settle()
    assert {where for where, _ in seen} >= {
        *("on_connected", "on_disconnected", "on_authentication_refreshed", "method", "method in a thread"),
        *("injected", "dependency", "stream", "stream in a thread", "filter", "policy"),
    }
    assert {name for _, name in seen} == {"acme"}
    assert seen.count(("policy", "acme")) == 2, "the stream is admitted again after the refresh"


class Leaving(Hub):
    """Each call sets the variable and tells what it was before."""

    gate: asyncio.Event

    async def leave(self, value: str) -> str:
        before = tenant.get()
        tenant.set(value)
        await self.gate.wait()
        return before

    async def follow(self, value: str) -> AsyncIterator[str]:
        before = tenant.get()
        tenant.set(value)
        yield before

    def in_a_thread(self, value: str) -> str:
        before = tenant.get()
        tenant.set(value)
        return before


@pytest.mark.parametrize("path", ["plain", "accelerated"])
async def test_what_a_call_sets_is_seen_by_no_other_queued_or_not(path: str) -> None:
    """Of a frame channel the parser begins calls, of plain ASGI the connection's task, and of the queue other calls."""

    class Hubs(Leaving):
        gate = asyncio.Event()

    async with bench(Hubs) as hub:
        token = tenant.set("acme")
        ada = await hub.connect()
        tenant.reset(token)
        tenant.set("the parser's")
        say = Parser(ada).say if path == "accelerated" else ada.send
        for number, target in enumerate(["Leave", "Leave", "Leave"]):
            say({"type": 1, "invocationId": f"{number}", "target": target, "arguments": [f"{number}"]})
        say({"type": 4, "invocationId": "s", "target": "Follow", "arguments": ["s"]})
        say({"type": 1, "invocationId": "t", "target": "InAThread", "arguments": ["t"]})
        await settle()
        Hubs.gate.set()
        answers = await ada.took(6)
        assert [answer for answer in answers if answer["type"] == 3 and answer["invocationId"] != "s"] == [
            completion(number, "acme") for number in "012t"
        ]
        assert item("s", "acme") in answers
        say({"type": 1, "invocationId": "z", "target": "Leave", "arguments": ["z"]})
        assert await ada.took() == [completion("z", "acme")]


class Parser:
    """Feeds a connection as a frame channel does: from a callback of the loop, with nobody's context."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def say(self, message: dict[str, Any]) -> None:
        self._line.transport.push(self._line._encoded(message))
