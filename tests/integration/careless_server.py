"""Hubs whose code does what it should not, and notes how it is treated, as a process of its own.

python -m tests.integration.careless_server --server hypercorn
"""

import argparse
import asyncio
import contextvars
import sys
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import parse_qs

from pydantic import BaseModel, field_validator
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Mount

from hubline import (
    ConnectionClosed,
    ConnectionScope,
    Depends,
    Hub,
    HubApp,
    HubError,
    Identity,
    PolicyContext,
    authorize,
)
from tests.interop.serving import SERVERS, listen, serve

tenant: contextvars.ContextVar[str] = contextvars.ContextVar("tenant", default="(lost)")
events: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
"""What has happened, by name."""


class Tenants:
    """Middleware that takes the tenant of a request from its query."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        names = parse_qs(scope.get("query_string", b"").decode()).get("tenant", ["(none)"])
        token = tenant.set(names[0])
        try:
            await self._app(scope, receive, send)
        finally:
            tenant.reset(token)


def authenticate(scope: ConnectionScope) -> Identity:
    if scope.query.get("exit") == "authenticate":
        sys.exit("authenticate")
    return Identity("ada")


def admits(context: PolicyContext) -> bool:
    sys.exit("policy")


def dependency() -> int:
    sys.exit("dependency")


class Money(Decimal):
    pass


class Panic(BaseException):
    """As extensions written in Rust raise one."""


RAISED: dict[str, BaseException] = {
    "panic": Panic("panic"),
    "cancelled": asyncio.CancelledError(),
    "generator exit": GeneratorExit(),
}


class Order(BaseModel):
    what: str

    @field_validator("what")
    @classmethod
    def check(cls, what: str) -> str:
        raise RAISED[what]


class Unwritable(Mapping[str, int]):
    def __init__(self, what: str) -> None:
        self._what = what

    def __getitem__(self, key: str) -> int:
        raise RAISED[self._what]

    def __iter__(self) -> Iterator[str]:
        return iter("a")

    def __len__(self) -> int:
        return 1


class Careless(Hub):
    async def on_connected(self) -> None:
        self.context.items["steps"] = []
        if self.context.scope.query.get("exit") == "on_connected":
            sys.exit("on_connected")
        if what := self.context.scope.query.get("raises_on_connected"):
            raise RAISED[what]

    async def on_disconnected(self, error: Exception | None) -> None:
        events[f"{self.context.connection_id} has left, seen by {tenant.get()}"].set()
        if self.context.scope.query.get("exit") == "on_disconnected":
            sys.exit("on_disconnected")

    async def hi(self) -> str:
        return "hi"

    async def happens(self, what: str) -> None:
        """Returns when it has."""
        await events[what].wait()

    async def let_happen(self, what: str) -> None:
        events[what].set()

    # What ends a process elsewhere

    async def exit(self) -> None:
        sys.exit("method")

    async def interrupt(self) -> None:
        raise KeyboardInterrupt

    def exit_in_a_thread(self) -> None:
        sys.exit("method in a thread")

    async def exit_in_a_stream(self) -> AsyncIterator[int]:
        yield 1
        sys.exit("stream")

    def exit_in_a_stream_in_a_thread(self) -> Iterator[int]:
        yield 1
        sys.exit("stream in a thread")

    async def exit_in_a_dependency(self, value: Annotated[int, Depends(dependency)]) -> None: ...

    @authorize(policy="admits")
    async def exit_in_a_policy(self) -> None: ...

    # What no `except Exception` catches

    async def raises(self, what: str) -> None:
        raise RAISED[what]

    def raises_in_a_thread(self, what: str) -> None:
        raise RAISED[what]

    async def raises_in_a_validator(self, order: Order) -> None: ...

    async def raises_while_it_is_written(self, what: str) -> Any:
        return Unwritable(what)

    async def raises_in_what_it_sends(self, what: str) -> None:
        await self.clients.caller.send("Odd", Unwritable(what))

    async def raises_in_a_stream(self, what: str) -> AsyncIterator[int]:
        yield 1
        raise RAISED[what]

    def raises_in_a_stream_in_a_thread(self, what: str) -> Iterator[int]:
        yield 1
        raise RAISED[what]

    async def raises_in_an_item(self, what: str) -> AsyncIterator[Any]:
        yield 1
        yield Unwritable(what)

    async def raises_in_an_upload(self, orders: AsyncIterator[Order]) -> str:
        try:
            async for _ in orders:
                pass
        except HubError:
            return "an item did not fit"
        return "all items fit"

    async def raises_in_an_answer(self) -> str:
        try:
            await self.clients.caller.invoke("Ask", result_type=Order)
        except HubError:
            return "the answer did not fit"
        return "the answer fits"

    # What plain JSON has no word for

    async def odd_values(self) -> Any:
        await self.clients.caller.send("Odd", deque([1]), Money("1.50"))
        return MappingProxyType({"money": Money("1.50"), "numbers": range(2), "none": Money("NaN")})

    async def odd_items(self) -> AsyncIterator[Any]:
        yield deque([Money("1.50")])

    # What holds a loop elsewhere

    async def feed(self) -> None:
        enough = events[f"{self.context.connection_id} was fed enough"]
        while not enough.is_set():
            await self.clients.caller.send("Reading", 1)

    async def feed_nobody(self) -> None:
        enough = events[f"{self.context.connection_id} was fed enough"]
        while not enough.is_set():
            await self.clients.group("nobody").send("Reading", 1)

    async def read_on(self, items: AsyncIterator[int]) -> None:
        """After the end, too."""
        enough = events[f"{self.context.connection_id} was fed enough"]
        while not enough.is_set():
            with suppress(HubError, ConnectionClosed):
                async for _ in items:
                    pass

    # Streams

    async def forgetful(self, name: str) -> AsyncIterator[int]:
        lost = False
        try:
            while True:
                yield 1
                try:
                    await (asyncio.sleep(0) if lost else asyncio.Event().wait())
                except asyncio.CancelledError:
                    if lost:
                        raise
                    lost = True
        finally:
            events[f"{name} has closed"].set()

    async def noting(self) -> AsyncIterator[int]:
        steps = self.context.items["steps"]
        steps.append("begins")
        try:
            await asyncio.Event().wait()
            yield 1
        except asyncio.CancelledError:
            steps.append("is cancelled")
            raise
        finally:
            steps.append("closes")
            events[f"{self.context.connection_id} has closed"].set()

    async def hold(self, what: str) -> None:
        self.context.items["steps"].append(what)
        await events[what].wait()

    async def steps(self) -> list[str]:
        return list(self.context.items["steps"])

    # Context variables

    async def tenant(self) -> str:
        found = tenant.get()
        tenant.set("left behind")
        return found

    def tenant_in_a_thread(self) -> str:
        return tenant.get()

    async def tenant_in_a_stream(self) -> AsyncIterator[str]:
        yield tenant.get()
        tenant.set("left behind")


hubs = HubApp({"/hub": Careless}, authenticate=authenticate, policies={"admits": admits}, drain_timeout=1.0)
app = Starlette(routes=[Mount("/", hubs)], middleware=[Middleware(Tenants)], lifespan=hubs.lifespan)


def main() -> None:
    parser = argparse.ArgumentParser(description="Hubs whose code does what it should not.")
    parser.add_argument("--server", choices=sorted(SERVERS), default="accelerated")
    arguments = parser.parse_args()
    with listen("127.0.0.1", 0) as listener:
        print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
        serve(arguments.server, app, hubs.drain, listener)


if __name__ == "__main__":
    main()
