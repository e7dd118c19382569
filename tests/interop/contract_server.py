"""The contract server: one application that every client, in any language, can be tried against.

    python -m tests.interop.contract_server --port 5800

Written with the public API alone, like a user's program. Same paths, names, types, results and texts as the reference
on ASP.NET Core: there a text may be null, and an int has 32 bits. Settings by environment: DETAILED=1, PARALLEL=n,
KEEPALIVE_MS, CLIENT_TIMEOUT_MS, HANDSHAKE_MS, REDIS=host:port[,prefix], REDIS_MODE=sharded, POSTGRES=address,
NODE=address; those of runs are named in `contract_runs.py`. On Redis the hubs have the names of the reference's, so
that both are one.
"""

import argparse
import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Protocol

from msgspec import Meta
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route

from hubline import (
    Client,
    ConnectionClosed,
    ConnectionRoute,
    ConnectionScope,
    Hub,
    HubApp,
    HubError,
    HubOptions,
    HubRoute,
    Identity,
    Nodes,
    Packet,
    PolicyContext,
    Transport,
    TransportConnection,
    TransportOptions,
    authorize,
    hub_method,
)
from hubline.auth.jwt import JwtBearer, make_token
from hubline.backplanes import Backplane
from hubline.rooms import Rooms, RoomsHub, anyone
from hubline.runs import Runs, RunsHub
from tests.interop.contract_runs import runs_hub
from tests.interop.serving import SERVERS, listen, serve

KEY = "reference-peer-signing-key-0123456789abcdef"
BEARER = JwtBearer(KEY, algorithms=["HS256"], leeway=0)
TIMES = [
    ("KEEPALIVE_MS", "keep_alive_interval"),
    ("CLIENT_TIMEOUT_MS", "client_timeout"),
    ("HANDSHAKE_MS", "handshake_timeout"),
]
ENDLESS = 2**31
NO_MESSAGE = "Exception of type 'Microsoft.AspNetCore.SignalR.HubException' was thrown."
LIMITS_OF_OURS = ("outbox_capacity", "outbox_messages", "maximum_connections", "maximum_waiting")
UNLIMITED: dict[str, Any] = dict.fromkeys(LIMITS_OF_OURS, ENDLESS)


Int = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Text = str | None


@dataclass
class Person:
    name: Text = None
    age: Int = 0
    tags: list[Text] | None = None


def wrapped(number: int) -> int:
    """A sum as C# makes it: past the last of 32 bits it goes on with the first."""
    return (number + 2**31) % 2**32 - 2**31


class ReferenceClient(Client, Protocol):
    async def receive_message(self, sender: Text, text: Text, /) -> None: ...

    async def double(self, value: Int, /) -> Int: ...


class ReferenceHub(Hub[ReferenceClient]):
    """Every kind of method a hub can have."""

    async def on_connected(self) -> None:
        query = self.context.scope.query
        if "welcome" in query:
            await self.clients.caller.receive_message("System", "Welcome to the chat!")
        if "refuse" in query:
            raise HubError("refused")

    # request and reply
    async def echo(self, value: Any) -> Any:
        return value

    async def echo_text(self, value: Text) -> Text:
        return value

    async def echo_bytes(self, value: bytes | None) -> bytes | None:
        return value

    async def echo_date(self, value: datetime) -> datetime:
        return value

    async def echo_map(self, value: dict[str, Int] | None) -> dict[str, Int] | None:
        return value

    async def echo_person(self, person: Person | None) -> Person | None:
        return person

    async def add(self, a: Int, b: Int) -> Int:
        return wrapped(a + b)

    async def null(self) -> str | None:
        return None

    def nothing(self) -> None:
        """A plain function, so it runs in a worker thread."""

    async def nothing_async(self) -> None: ...

    async def connection_id(self) -> str:
        return self.context.connection_id

    async def user_id(self) -> str | None:
        return self.context.user_id

    async def throw(self) -> None:
        raise RuntimeError("secret detail")

    async def throw_hub(self, message: Text) -> None:
        raise HubError(NO_MESSAGE if message is None else message)

    async def slow(self, milliseconds: Int) -> Int:
        await asyncio.sleep(milliseconds / 1000)
        return milliseconds

    async def abort(self) -> None:
        self.context.abort()

    @hub_method(name="renamed")
    async def original(self) -> str:
        return "renamed"

    @authorize
    async def needs_user(self) -> str:
        return self.context.user_id or "?"

    @authorize(policy="PremiumUser")
    async def needs_premium(self) -> str:
        return "premium"

    # fan-out
    async def send_message(self, user: Text, message: Text) -> None:
        await self.clients.all.receive_message(user, message)

    async def to_caller(self, message: Text) -> None:
        await self.clients.caller.receive_message("caller", message)

    async def to_others(self, message: Text) -> None:
        await self.clients.others.receive_message("others", message)

    async def to_client(self, connection_id: str, message: Text) -> None:
        await self.clients.client(connection_id).receive_message("client", message)

    async def to_clients(self, connection_ids: list[str], message: Text) -> None:
        await self.clients.clients(connection_ids).receive_message("clients", message)

    async def to_all_except(self, connection_ids: list[str], message: Text) -> None:
        await self.clients.all_except(connection_ids).receive_message("allexcept", message)

    async def to_user(self, user: str, message: Text) -> None:
        await self.clients.user(user).receive_message("user", message)

    async def to_users(self, users: list[str], message: Text) -> None:
        await self.clients.users(users).receive_message("users", message)

    async def to_group(self, group: str, message: Text) -> None:
        await self.clients.group(group).receive_message(group, message)

    async def to_groups(self, groups: list[str], message: Text) -> None:
        await self.clients.groups(groups).receive_message("groups", message)

    async def to_others_in_group(self, group: str, message: Text) -> None:
        await self.clients.others_in_group(group).receive_message(group, message)

    async def to_group_except(self, group: str, connection_ids: list[str], message: Text) -> None:
        await self.clients.group_except(group, connection_ids).receive_message(group, message)

    async def join(self, group: str) -> None:
        await self.groups.add(self.context.connection_id, group)

    async def leave(self, group: str) -> None:
        await self.groups.remove(self.context.connection_id, group)

    async def join_other(self, connection_id: str, group: str) -> None:
        await self.groups.add(connection_id, group)

    async def ask_client(self, connection_id: str, value: Int) -> Int:
        return await self.clients.client(connection_id).double(value)

    # streams
    async def count(self, n: Int, delay_ms: Int) -> AsyncIterator[Int]:
        for i in range(n):
            if delay_ms > 0:
                await asyncio.sleep(delay_ms / 1000)
            yield i

    async def count_then_throw(self, n: Int) -> AsyncIterator[str]:
        for i in range(n):
            yield f"item {i}"
        raise HubError("stream broke")

    async def sum(self, numbers: AsyncIterator[Int]) -> Int:
        return wrapped(sum([number async for number in numbers]))

    async def shout(self, words: AsyncIterator[str]) -> AsyncIterator[str]:
        async for word in words:
            yield word.upper()

    # load
    async def broadcast(self, messages: Int, size: Int) -> None:
        for _ in range(messages):
            await self.clients.all.receive_message("alice", "x" * size)

    async def tokens(self, n: Int, size: Int) -> AsyncIterator[str]:
        for _ in range(n):
            yield "x" * size

    async def paced_tokens(self, n: Int, size: Int, every_ms: Int) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for _ in range(n):
            due += every_ms / 1000
            await asyncio.sleep(max(0.0, due - loop.time()))
            yield "x" * size


@authorize
class AuthorizedHub(Hub):
    """Needs a user."""

    async def user_id(self) -> str | None:
        return self.context.user_id

    @authorize(policy="PremiumUser")
    async def ask(self, prompt: str) -> AsyncIterator[str]:
        for word in prompt.split(" "):
            yield word


async def echo(connection: TransportConnection) -> None:
    """No hub protocol: every chunk goes back as it came."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            connection.write(Packet(await connection.receive()))
            await connection.drain()


async def authenticate(scope: ConnectionScope) -> Identity | None:
    """Who the bearer token names. Like the reference, it looks into the query of every request, and there first."""
    scheme, _, token = scope.headers.get("authorization", "").partition(" ")
    token = scope.query.get("access_token") or (token if scheme.lower() == "bearer" else "")
    return await BEARER.identify(token)


def is_premium(context: PolicyContext) -> bool:
    return context.identity.claims.get("tier") == "premium"


def backplane(environment: Mapping[str, str]) -> Backplane | None:
    """The PostgreSQL that the environment names, or the Redis, with what stands in front of the names of channels."""
    if "POSTGRES" in environment:
        from hubline.backplanes.postgres import PostgresBackplane

        return PostgresBackplane(environment["POSTGRES"])
    address, _, prefix = environment.get("REDIS", "").partition(",")
    if not address:
        return None
    from hubline.backplanes.redis import RedisBackplane  # it takes as long to import as all the rest

    mode: Any = environment.get("REDIS_MODE", "aspnetcore")
    return RedisBackplane(f"redis://{address}", mode=mode, prefix=prefix)


def nodes(environment: Mapping[str, str]) -> Nodes | None:
    """Where this server takes requests from the others of its fleet, as in `unix:/run/a.sock`."""
    return Nodes(secret=KEY, listen=environment["NODE"]) if "NODE" in environment else None


class RoomsOfAll(RoomsHub, rooms=Rooms(anyone, grace=1.0)):
    """Rooms for everybody."""


def hub_app(environment: Mapping[str, str], runs_hub_class: type[RunsHub] | None = None) -> HubApp:
    """The hubs, with the settings that the environment asks for. None of our own limits is below the original's."""
    times: dict[str, Any] = {option: int(environment[name]) / 1000 for name, option in TIMES if name in environment}
    options = HubOptions(
        detailed_errors=environment.get("DETAILED") == "1",
        maximum_parallel_invocations=int(environment.get("PARALLEL", "1")),
        maximum_streams=ENDLESS,
        **times,
    )

    def transport(*transports: Transport, same_user: bool = False, **settings: Any) -> TransportOptions:
        settings |= {"transports": frozenset(transports or Transport), "same_user": same_user}
        return TransportOptions(**UNLIMITED, **settings)

    polling, events = Transport.LONG_POLLING, Transport.SERVER_SENT_EVENTS
    runs_hub_class = runs_hub_class or runs_hub(environment)[0]
    return HubApp(
        {
            "/hub": HubRoute(ReferenceHub, name="ReferenceHub"),
            "/hub-stateful": HubRoute(ReferenceHub, transport=transport(stateful_reconnect=True)),
            "/hub-nows": HubRoute(ReferenceHub, transport=transport(polling, events)),
            "/hub-lp": HubRoute(ReferenceHub, transport=transport(polling)),
            "/hub-expiring": HubRoute(ReferenceHub, transport=transport(close_on_token_expiry=True)),
            "/hub-refresh": HubRoute(
                ReferenceHub, transport=transport(authentication_refresh=True, close_on_token_expiry=True)
            ),
            "/hub-strict": HubRoute(ReferenceHub, transport=transport(same_user=True)),
            "/hub-auth": HubRoute(AuthorizedHub, name="AuthorizedHub"),
            "/hub-runs": runs_hub_class,
            "/hub-rooms": RoomsOfAll,
            "/echo": ConnectionRoute(echo),
        },
        options=options,
        transport=transport(),
        authenticate=authenticate,
        policies={"PremiumUser": is_premium},
        backplane=backplane(environment),
        nodes=nodes(environment),
        allowed_origins=["*"],
        on_drain=runs_hub_class.hubline_runs.drain,
    )


async def home(request: Request) -> Response:
    return PlainTextResponse("contract server")


async def token(request: Request) -> Response:
    query = request.query_params
    user = query.get("sub", "alice")
    claims = {"name": user, **({"tier": query["tier"]} if "tier" in query else {})}
    return PlainTextResponse(make_token(KEY, user, claims=claims, expires_in=float(query.get("seconds", 3600))))


async def redirect(request: Request) -> Response:
    answer = {"url": f"{request.url.scheme}://{request.url.netloc}/hub", "accessToken": "redirected"}
    return JSONResponse(answer, media_type="application/json; charset=utf-8")


def application(hubs: HubApp, runs: Runs) -> Starlette:
    """The hubs at the root, beside the addresses of runs and the few pages that are neither."""
    anyone = Middleware(
        CORSMiddleware, allow_origin_regex=".*", allow_credentials=True, allow_methods=["*"], allow_headers=["*"]
    )
    return Starlette(
        routes=[
            Route("/", home),
            Route("/token", token, middleware=[anyone]),
            Route("/redirect/negotiate", redirect, methods=["POST", "OPTIONS"], middleware=[anyone]),
            Mount("/runs", routes=runs.http, middleware=[anyone]),
            Mount("/", hubs),
        ],
        lifespan=hubs.lifespan,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="The contract server on Hubline.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5800, help="0 takes a free one")
    parser.add_argument("--server", choices=sorted(SERVERS), default="accelerated")
    parser.add_argument(
        "--no-accelerate", action="store_const", dest="server", const="uvicorn", help="the same as --server uvicorn"
    )
    arguments = parser.parse_args()
    runs_hub_class, runs = runs_hub(os.environ)
    hubs = hub_app(os.environ, runs_hub_class)
    with listen(arguments.host, arguments.port) as listener:
        print(f"listening on http://{arguments.host}:{listener.getsockname()[1]}", flush=True)
        serve(arguments.server, application(hubs, runs), hubs.drain, listener)


if __name__ == "__main__":
    main()
