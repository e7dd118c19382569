"""The tokens that open the hub: short-lived, made from a session."""

import time
from collections.abc import Awaitable, Callable

import jwt

from hubline import ConnectionScope, Identity
from hubline_chat.store import Session

ALGORITHM = "HS256"
AUDIENCE = "hubline-chat"


def make_token(session: Session, key: str, seconds: float) -> tuple[str, int]:
    """A token, and for how many seconds it is valid: never longer than its session."""
    now = time.time()
    expires = min(now + seconds, session.expires_at.timestamp())
    user = session.user
    claims = {"sub": user.id, "name": user.name, "role": user.role, "tier": user.tier, "sid": session.id}
    token = jwt.encode({**claims, "aud": AUDIENCE, "iat": now, "exp": expires}, key, algorithm=ALGORITHM)
    return token, max(1, int(expires - now))


def identify(key: Callable[[], Awaitable[str]]) -> Callable[[ConnectionScope], Awaitable[Identity | None]]:
    """Who a token says its bearer is."""

    async def authenticate(scope: ConnectionScope) -> Identity | None:
        scheme, _, token = scope.headers.get("authorization", "").partition(" ")
        token = token if scheme.lower() == "bearer" else scope.query.get("access_token", "")
        try:
            claims = jwt.decode(token, await key(), algorithms=[ALGORITHM], audience=AUDIENCE)
        except jwt.InvalidTokenError:
            return None
        return Identity(claims["sub"], claims, claims["exp"])

    return authenticate
