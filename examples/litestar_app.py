"""Hubs in a Litestar application: mounted beside its routes, with its session's user, and called from a route."""

import os
from hashlib import sha256
from typing import Any

from litestar import Litestar, Request, asgi, post
from litestar.middleware.session.client_side import CookieBackendConfig
from litestar.params import FromPath

from hubline import Client, ConnectionScope, Hub, HubApp, Identity, authorize

sessions = CookieBackendConfig(secret=sha256(os.environ.get("SECRET_KEY", "for this example").encode()).digest())


def authenticate(scope: ConnectionScope) -> Identity | None:
    """The user of Litestar's session, which its middleware has put into the ASGI scope."""
    session = scope.raw.get("session") or {}
    return Identity(session["name"]) if "name" in session else None


@authorize
class NewsHub(Hub[Client]):
    async def who(self) -> str | None:
        return self.context.user_id


hubs = HubApp({"/news": NewsHub}, authenticate=authenticate)


@asgi("/live", is_mount=True, copy_scope=True)
async def live(scope: Any, receive: Any, send: Any) -> None:
    await hubs(scope, receive, send)


@post("/sign-in/{name:str}")
async def sign_in(request: Request[Any, Any, Any], name: FromPath[str]) -> str:
    request.set_session({"name": name})  # yours asks for a password
    return "welcome"


@post("/publish/{headline:str}")
async def publish(headline: FromPath[str]) -> str:
    await hubs.context(NewsHub).clients.all.send("Headline", headline)
    return "published"


app = Litestar([live, sign_in, publish], middleware=[sessions.middleware], lifespan=[hubs.lifespan])
