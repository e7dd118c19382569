"""Authentication refresh: a newer identity for an open connection, by request or by poll, as in .NET 11.

`POST {hub}/refresh?id={token}` answers JSON; statuses, error codes and the order of the checks are the original's.
"""

import asyncio
import inspect
import logging
import time
from collections.abc import Callable

from msgspec.json import encode

from hubline._tasks import ends_its_task
from hubline.connection import AuthenticationRefresh, ConnectionScope, Identity
from hubline.transports.options import TransportOptions
from hubline.transports.responses import Answer, json
from hubline.transports.session import Session
from hubline.transports.session_states import SessionState

logger = logging.getLogger("hubline.transports")


def lifetime(identity: Identity | None) -> int | None:
    """Whole seconds until an identity expires, never negative; None if it never does."""
    if identity is None or identity.expires_at is None:
        return None
    return max(0, int(identity.expires_at - time.time()))


def rejected() -> Answer:
    """The answer if the application or `same_user` refuses this identity."""
    return _json(403, {"error": "permission_change_rejected"})


def log_another_user(session: Session, user_id: str | None) -> None:
    """Log that `same_user` refused a request."""
    text = "connection %s: a request of user %r was refused, because the connection is that of user %r"
    logger.warning(text, session.id, user_id, session.scope.user_id)


async def answer_refresh(
    scope: ConnectionScope, token: str | None, find: Callable[[str], Session | None], options: TransportOptions
) -> Answer:
    """Refresh, and return the answer to `POST {hub}/refresh`. `find` finds a connection of this endpoint."""
    if not options.authentication_refresh:
        return _json(404, {"error": "refresh_disabled"})
    if not token:
        return _json(400, {"error": "missing_connection_token"})
    session = find(token)
    if session is None:
        return _json(404, {"error": "connection_not_found"})
    if session.token == session.id:
        return _json(400, {"error": "unsupported_negotiate_version"})
    if scope.identity is None:
        return _json(401, {"error": "invalid_token"})
    if session.state is SessionState.NEGOTIATED:
        return _refreshed(scope.identity)  # the request that opens the connection will bring its identity
    if options.same_user is True and session.scope.user_id != scope.user_id:
        log_another_user(session, scope.user_id)
        return rejected()
    if not await refresh(session, scope):
        return rejected()
    if session.state is SessionState.ENDED:
        return _json(404, {"error": "connection_not_found"})
    return _refreshed(session.scope.identity)


async def refresh(session: Session, scope: ConnectionScope) -> bool:
    """Give a connection the identity of `scope`. False if the application refuses it.

    A missing identity, the same identity, and one that expires earlier than the present one are ignored, because
    requests can overtake each other.
    """
    async with session.refreshing:
        old, new = session.scope.identity, scope.identity
        if new is None or _same(session.scope, scope) or _older(new, old):
            return True
        if not await _wanted(
            AuthenticationRefresh(connection_id=session.id, old=old, new=new, scope=scope), session.options
        ):
            return False
        if session.state is not SessionState.ENDED:
            session.renew(scope)
        return True


def _same(before: ConnectionScope, now: ConnectionScope) -> bool:
    return before.identity == now.identity and before.user_id == now.user_id


def _older(new: Identity, old: Identity | None) -> bool:
    if old is None or old.expires_at is None or new.expires_at is None:
        return False
    return new.expires_at < old.expires_at


async def _wanted(asked: AuthenticationRefresh, options: TransportOptions) -> bool:
    if options.on_authentication_refresh is None:
        return True
    task = asyncio.current_task()
    try:
        verdict = options.on_authentication_refresh(asked)
        return bool(await verdict if inspect.isawaitable(verdict) else verdict)
    except BaseException as error:
        if ends_its_task(error, task):
            raise
        logger.exception(
            "connection %s: on_authentication_refresh failed, so the refresh is refused", asked.connection_id
        )
        return False


def _refreshed(identity: Identity | None) -> Answer:
    seconds = lifetime(identity)
    return _json(200, {} if seconds is None else {"tokenLifetimeSeconds": seconds})


def _json(status: int, body: dict[str, str] | dict[str, int]) -> Answer:
    return json(status, encode(body))
