"""Hubs in a FastAPI application: mounted beside its routes, with dependencies that both share, called from a route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException, Request

from hubline import Client, ConnectionScope, Hub, HubApp, Identity, authorize

USERS = {"token-of-ada": "ada", "token-of-bob": "bob"}  # stands for your check of tokens


class Headlines:
    """A service that routes and hubs share. Yours has a database."""

    def __init__(self) -> None:
        self.latest = "nothing yet"


def authenticate(scope: ConnectionScope) -> Identity | None:
    token = scope.headers.get("authorization", "").removeprefix("Bearer ") or scope.query.get("access_token", "")
    return Identity(USERS[token]) if token in USERS else None


def user(request: Request) -> str:
    """The same check for routes."""
    identity = authenticate(ConnectionScope(request.scope))
    if identity is None or identity.user_id is None:
        raise HTTPException(401)
    return identity.user_id


service = Headlines()
News = Annotated[Headlines, Depends(lambda: service)]


@authorize
class NewsHub(Hub[Client]):
    async def latest(self, news: News) -> str:  # FastAPI's own `Depends`; clients cannot set it
        return news.latest


hubs = HubApp({"/news": NewsHub}, authenticate=authenticate)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with hubs.lifespan(app):  # what else your application opens, it opens here
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/publish/{headline}")
async def publish(headline: str, by: Annotated[str, Depends(user)], news: News) -> str:
    news.latest = headline
    await hubs.context(NewsHub).clients.all.send("Headline", headline, by)
    return "published"


app.mount("/live", hubs)
