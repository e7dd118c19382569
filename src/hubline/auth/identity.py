"""Who a request comes from: by the application's function, or by Starlette's `AuthenticationMiddleware`."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from hubline.connection import ConnectionScope, Identity

Authenticate: TypeAlias = Callable[[ConnectionScope], Identity | Awaitable[Identity | None] | None]


def asynchronous(authenticate: Authenticate) -> Callable[[ConnectionScope], Awaitable[Identity | None]]:
    """Return the function as an `async` one."""
    if inspect.iscoroutinefunction(authenticate):
        return authenticate

    async def call(scope: ConnectionScope) -> Identity | None:
        identity = authenticate(scope)
        return await identity if inspect.isawaitable(identity) else identity

    return call


async def application_user(scope: ConnectionScope) -> Identity | None:
    """Return the user that a middleware of the application has put into the ASGI scope, if it is authenticated.

    The user id is the user's `identity`, or its `display_name` if it has no identity. The scopes of `scope["auth"]` are
    its roles. The user object itself is in `context.scope.raw["user"]`.
    """
    user = scope.raw.get("user")
    if getattr(user, "is_authenticated", False) is not True:  # if `is_authenticated` is a method, it is always true
        return None
    scopes = tuple(getattr(scope.raw.get("auth"), "scopes", ()))
    name, user_id = (_attribute(user, each) for each in ("display_name", "identity"))
    return Identity(name if user_id is None else user_id, {"name": name, "scopes": scopes}, roles=frozenset(scopes))


def _attribute(user: Any, name: str) -> str | None:
    try:
        found = getattr(user, name, None)
    except NotImplementedError:  # how Starlette's `BaseUser` says that a user has none
        return None
    return None if found is None else str(found)
