"""The chat of `channels_before.py` as a hub, beside Django."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from asgiref.sync import sync_to_async
from channels_site import django_app
from django.conf import settings
from django.contrib.auth import aget_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import close_old_connections
from django.http import HttpRequest
from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import ConnectionScope, Hub, HubApp, Identity, authorize

refresh_connections = sync_to_async(close_old_connections)  # as Django does around each of its requests


async def authenticate(scope: ConnectionScope) -> Identity | None:
    """Django's user, by the cookie of its session: what `AuthMiddlewareStack` did."""
    key = scope.cookies.get(settings.SESSION_COOKIE_NAME)
    if key is None:
        return None
    await refresh_connections()
    request: Any = HttpRequest()
    request.session = SessionStore(key)
    user = await aget_user(request)
    return Identity(user.get_username()) if user.is_authenticated else None


class ChatClient(Protocol):
    async def said(self, room: str, name: str, text: str) -> None: ...


@authorize
class ChatHub(Hub[ChatClient]):
    async def join(self, room: str) -> None:
        await self.groups.add(self.context.connection_id, room)

    async def say(self, room: str, text: str) -> None:
        await self.clients.group(room).said(room, self.context.user_id or "", text)

    async def ask(self, question: str) -> AsyncIterator[str]:
        for word in question.split():
            yield word


hubs = HubApp({"/chat": ChatHub}, authenticate=authenticate)
app = Starlette(routes=[Mount("/live", hubs), Mount("/", django_app)], lifespan=hubs.lifespan)
