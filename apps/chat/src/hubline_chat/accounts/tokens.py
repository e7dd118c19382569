"""The tokens for the hub: short-lived, made from a session."""

import secrets
import time

import jwt

from hubline import ConnectionScope, Identity
from hubline.auth.jwt import JwtBearer
from hubline_chat.store import Session
from hubline_chat.store.values import Values

ALGORITHM = "HS256"
AUDIENCE = "hubline-chat"


def make_token(session: Session, key: str, seconds: float) -> tuple[str, int]:
    """A token, and the seconds for which it is valid: never longer than its session."""
    now = time.time()
    expires = min(now + seconds, session.expires_at.timestamp())
    user = session.user
    claims = {"sub": user.id, "name": user.name, "role": user.role, "tier": user.tier, "sid": session.id}
    token = jwt.encode({**claims, "aud": AUDIENCE, "iat": now, "exp": expires}, key, algorithm=ALGORITHM)
    return token, max(1, int(expires - now))


class Bearers:
    """Returns the user of a token, for `HubApp(authenticate=…)`. The key is in the store."""

    def __init__(self, values: Values) -> None:
        self._values = values
        self._bearer: JwtBearer | None = None

    async def key(self) -> str:
        return await self._values.once("token_key", secrets.token_hex(32))

    async def __call__(self, scope: ConnectionScope) -> Identity | None:
        if self._bearer is None:
            # No leeway: the tokens are ours, so there is one clock.
            self._bearer = JwtBearer(await self.key(), algorithms=[ALGORITHM], audience=AUDIENCE, leeway=0)
        return await self._bearer(scope)
