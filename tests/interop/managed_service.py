"""A stand-in for a managed SignalR service: its client address with a check of tokens, and its REST API.

Addresses and tokens as Azure SignalR Service documents them (docs/decisions/rest-api.md): clients come to
`/client/?hub=chat` with a token whose `aud` is that address and whose `nameid` is the user.
"""

import asyncio
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.types import ASGIApp, Receive, Scope, Send

from hubline import ConnectionScope, Hub, HubApp, Identity, authorize
from hubline.auth.jwt import JwtBearer
from hubline.rest import RestApi

CLIENT = "/client"


class Serverless:
    """Makes of the hub in the query a path: `/client/negotiate?hub=chat` is `/chat/negotiate`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan" and scope["path"].startswith(CLIENT):
            hub = parse_qs(scope["query_string"].decode()).get("hub", [""])[0]
            scope = {**scope, "path": f"/{hub}{scope['path'].removeprefix(CLIENT).removesuffix('/')}"}
        await self._app(scope, receive, send)


class StandIn:
    """`app` is the service. `users` are those who have connected."""

    def __init__(self, access_key: str) -> None:
        bearer = JwtBearer(access_key, algorithms=["HS256"], verify_audience=False, user_id_claim="nameid")

        async def authenticate(scope: ConnectionScope) -> Identity | None:
            identity = await bearer(scope)
            address = f"http://{scope.headers['host']}{CLIENT}/?hub={scope.query.get('hub')}"
            return identity if identity is not None and identity.claims["aud"] == address else None

        self.users: asyncio.Queue[str | None] = asyncio.Queue()
        connected = self.users

        @authorize
        class Chat(Hub):
            async def on_connected(self) -> None:
                connected.put_nowait(self.context.user_id)

        hubs = HubApp({"/chat": Chat}, authenticate=authenticate)
        api = RestApi(hubs, {"chat": Chat}, access_keys=[access_key])
        routes: list[Any] = [Mount("/api", api), Mount("/", Serverless(hubs))]
        self.app = Starlette(routes=routes, lifespan=hubs.lifespan)
