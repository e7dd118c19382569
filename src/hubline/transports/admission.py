"""Decides whether a request is admitted: by its origin, its user, and the policies."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeAlias

from starlette.types import Scope

from hubline._tasks import ends_its_task
from hubline.connection import ConnectionScope, Identity
from hubline.transports.addresses import Addresses
from hubline.transports.responses import Answer, plain, refused

logger = logging.getLogger("hubline.transports")

Authenticate: TypeAlias = Callable[[ConnectionScope], Awaitable[Identity | None]]
Authorize: TypeAlias = Callable[[ConnectionScope], Awaitable[int | None]]
UserId: TypeAlias = Callable[[ConnectionScope], str | None]
OriginAllowed: TypeAlias = Callable[[Mapping[str, Any]], bool]


class Refused(Exception):
    """The request is refused with `response`."""

    def __init__(self, response: Answer) -> None:
        self.response = response


async def anonymous(scope: ConnectionScope) -> Identity | None:
    """The default `authenticate`: every client is a stranger."""
    return None


def identity_user_id(scope: ConnectionScope) -> str | None:
    """The default `user_id`: that of the identity."""
    return scope.identity.user_id if scope.identity is not None else None


async def everybody(scope: ConnectionScope) -> int | None:
    """The default `authorize`: everybody is admitted."""
    return None


def any_origin(scope: Mapping[str, Any]) -> bool:
    """The default `origin_allowed`: every origin is allowed."""
    return True


class Admission:
    """Calls, in this order: `origin_allowed` (403), `authenticate`, `authorize` (401 or 403, or `None`)."""

    def __init__(
        self,
        *,
        authenticate: Authenticate = anonymous,
        user_id: UserId | None = None,
        authorize: Authorize = everybody,
        origin_allowed: OriginAllowed = any_origin,
        addresses: Addresses | None = None,
    ) -> None:
        self._authenticate = authenticate
        self._user_id = user_id or identity_user_id
        self._authorize = authorize
        self._origin_allowed = origin_allowed
        self._addresses = addresses or Addresses()

    async def admit(self, scope: Scope) -> ConnectionScope:
        """The request with its identity. Raises Refused."""
        if not self._origin_allowed(scope):
            raise Refused(plain(403))
        connection_scope, task = ConnectionScope(scope, address=self._addresses.of(scope)), asyncio.current_task()
        try:
            connection_scope.identity = await self._authenticate(connection_scope)
            connection_scope.user_id = self._user_id(connection_scope)
            status = await self._authorize(connection_scope)
        except BaseException as error:  # users' code raised it; every server should answer the same
            if ends_its_task(error, task):
                raise
            logger.exception("%s: the check whether the request is admitted failed", connection_scope.path)
            status = 500
        if status is not None:
            raise Refused(refused(status, token_given=token_given(connection_scope)))
        return connection_scope


def token_given(scope: ConnectionScope) -> bool:
    """Whether a request has a bearer token, valid or not."""
    bearer = scope.headers.get("authorization", "").lower().startswith("bearer ")
    return bearer or bool(scope.query.get("access_token"))
