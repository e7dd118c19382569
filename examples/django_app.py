"""Hubs beside Django: its signed-in user is the user of the hub, its views call clients, its ORM is used in methods."""

import os
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.auth import aget_user, get_user_model
from django.contrib.sessions.backends.db import SessionStore
from django.core.asgi import get_asgi_application
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.urls import path
from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import Client, ConnectionScope, Hub, HubApp, HubFilter, Identity, InvocationContext, authorize

settings.configure(  # a project has a module for them
    SECRET_KEY=os.environ.get("SECRET_KEY", "only for this example"),
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ.get("DATABASE", "site.sqlite3")}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware"],
)
django_app = get_asgi_application()


class FreshConnections(HubFilter):
    """Closes database connections that are broken or too old, as Django does around each of its requests."""

    async def invoke(self, call: InvocationContext, next: Callable[[InvocationContext], Awaitable[Any]]) -> Any:
        await sync_to_async(close_old_connections)()
        return await next(call)


async def authenticate(scope: ConnectionScope) -> Identity | None:
    request: Any = HttpRequest()
    request.session = SessionStore(scope.cookies.get(settings.SESSION_COOKIE_NAME))
    await sync_to_async(close_old_connections)()
    user = await aget_user(request)
    return Identity(str(user.pk)) if user.is_authenticated else None


@authorize
class DeskHub(Hub[Client]):
    async def colleagues(self) -> list[str]:
        others = get_user_model().objects.exclude(pk=self.context.user_id)
        return [user.get_username() async for user in others]


async def tell(user_id: str, text: str) -> None:
    await hubs.context(DeskHub).clients.user(user_id).send("Ring", text)


def ring(request: HttpRequest, name: str) -> HttpResponse:
    """A view calls the clients of a user; an `async` view would await `tell`."""
    user = get_user_model().objects.get(username=name)
    async_to_sync(tell)(str(user.pk), "somebody is at the door")
    return HttpResponse("rung")


hubs = HubApp({"/desk": DeskHub}, authenticate=authenticate, filters=[FreshConnections()])
urlpatterns = [path("ring/<str:name>", ring)]
app = Starlette(routes=[Mount("/live", hubs), Mount("/", django_app)], lifespan=hubs.lifespan)
