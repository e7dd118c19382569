"""Hubs in a Starlette application: beside its routes, with the user of its sessions, and called from a route."""

import os

from starlette.applications import Starlette
from starlette.authentication import AuthCredentials, AuthenticationBackend, BaseUser, SimpleUser
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from hubline import Client, Hub, HubApp, authorize


class FromSession(AuthenticationBackend):
    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        name = conn.session.get("name")
        return (AuthCredentials(["member"]), SimpleUser(name)) if name else None


@authorize(roles=("member",))  # the scopes of the credentials; hubs take over Starlette's user by themselves
class NewsHub(Hub[Client]):
    async def who(self) -> str | None:
        return self.context.user_id


async def sign_in(request: Request) -> PlainTextResponse:
    request.session["name"] = request.path_params["name"]  # yours asks for a password
    return PlainTextResponse("welcome")


async def publish(request: Request) -> PlainTextResponse:
    await hubs.context(NewsHub).clients.all.send("Headline", request.path_params["headline"])
    return PlainTextResponse("published")


hubs = HubApp({"/news": NewsHub})
app = Starlette(
    routes=[
        Route("/sign-in/{name}", sign_in, methods=["POST"]),
        Route("/publish/{headline}", publish, methods=["POST"]),
        Mount("/live", hubs),
    ],
    middleware=[
        Middleware(SessionMiddleware, secret_key=os.environ.get("SECRET_KEY", "for this example")),
        Middleware(AuthenticationMiddleware, backend=FromSession()),
    ],
    lifespan=hubs.lifespan,
)
