"""Bearer tokens (RFC 6750, RFC 7519) with PyJWT: checking them, and making them for development and tests."""

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import jwt
from jwt.algorithms import get_default_algorithms
from jwt.exceptions import InvalidKeyError

from hubline._mistakes import Mistakes
from hubline.auth import jwks
from hubline.connection import ConnectionScope, Identity
from hubline.errors import ConfigurationError

__all__ = ["JwtBearer", "make_token"]

logger = logging.getLogger("hubline.auth")

MAXIMUM_TOKEN = 8_192
"""Characters of a token; a longer one is refused without reading it. Ours: what servers allow for one header."""

_checker = jwt.PyJWT({"enforce_minimum_key_length": True, "verify_sub": False})
"""Hubline checks `sub` itself: PyJWT accepts only a text, and many issuers write a number."""

_HMAC = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Algorithms of shared secrets, with the minimum length of a secret in bytes (RFC 7518, section 3.2)."""


class JwtBearer:
    """Finds the user of a request by its bearer token. Use it as `HubApp(authenticate=…)`.

    The token is read from the header `Authorization: Bearer …`. Browsers cannot set headers on WebSockets and
    Server-Sent Events. Official clients send the token of these requests as `access_token` in the query, and the query
    of other requests is not read. `query_token_everywhere` reads the query of every request.

    A token must have `exp`. `nbf` and `iat` are checked if the token has them, `issuer` and `audience` if they are set.
    If no `audience` is set, a token that has an audience is refused, unless `verify_audience` is false. A caller whose
    token is not valid is a stranger, who gets 401 at a hub with `@authorize`.
    """

    def __init__(
        self,
        key: str | bytes | None = None,
        *,
        jwks_url: str | None = None,
        algorithms: Sequence[str],
        issuer: str | Sequence[str] | None = None,
        audience: str | Sequence[str] | None = None,
        verify_audience: bool = True,
        leeway: float = 30.0,
        user_id_claim: str = "sub",
        role_claims: Sequence[str] = ("role", "roles"),
        query_token_everywhere: bool = False,
    ) -> None:
        """Set `key`, a shared secret or a public key in PEM, or `jwks_url`, where the issuer publishes its keys.

        `algorithms` are those that the issuer uses, and no others. `leeway` is the allowed difference of clocks in
        seconds. `role_claims` have one role or a list of roles. Numbers are read as text, in `user_id_claim` too.

        `verify_audience=False` accepts tokens that the issuer made for any audience. Then everybody who has a user's
        token for another service of that issuer, and that service itself, can connect as that user.

        Raises:
            ConfigurationError: lists every mistake in the arguments.
        """
        mistakes = Mistakes("JwtBearer")
        for name, names in (("issuer", issuer), ("audience", audience)):
            if names is not None and not isinstance(names, str):
                mistakes.texts(name, names)
        mistakes.number("leeway", leeway, least=0)
        mistakes.text("user_id_claim", user_id_claim)
        mistakes.texts("role_claims", role_claims)
        mistakes.flag("verify_audience", verify_audience)
        mistakes.flag("query_token_everywhere", query_token_everywhere)
        problems = _problems(key, jwks_url, algorithms)
        if audience is not None and not verify_audience:
            problems.append("`audience` and `verify_audience=False` cannot be used together")
        mistakes.found += [f"JwtBearer: {problem}" for problem in problems]
        mistakes.tell()
        self._key = key
        self._everywhere = query_token_everywhere
        self._keys = jwks.KeySet(jwks_url) if jwks_url is not None else None
        self._algorithms = list(algorithms)
        self._issuer, self._audience, self._leeway = issuer, audience, leeway
        self._options: jwt.types.Options = {"require": ["exp"], "verify_aud": verify_audience}
        self._user_id_claim, self._role_claims = user_id_claim, tuple(role_claims)

    def __repr__(self) -> str:
        return f"JwtBearer(algorithms={self._algorithms})"

    async def __call__(self, scope: ConnectionScope) -> Identity | None:
        """The user of the request's token; None if there is no token or it is not valid."""
        token = token_of(scope, everywhere=self._everywhere)
        return None if token is None else await self.identify(token)

    async def identify(self, token: str) -> Identity | None:
        """The user of a token that the application has read elsewhere, such as in a cookie; None if it is not valid."""
        try:
            return self._identity(await self._verified(token))
        except Exception as error:  # anybody can send any token: whatever PyJWT raises for it, the token is not valid
            logger.debug("a bearer token was refused: %s", type(error).__name__)  # PyJWT's texts may quote the token
            return None

    async def _verified(self, token: str) -> dict[str, Any]:
        if len(token) > MAXIMUM_TOKEN:
            raise jwt.DecodeError
        claims: dict[str, Any] = _checker.decode(
            token,
            await self._key_for(token),
            algorithms=self._algorithms,
            options=self._options,
            issuer=self._issuer,
            audience=self._audience,
            leeway=self._leeway,
        )
        return claims

    async def _key_for(self, token: str) -> Any:
        if self._keys is None:
            return self._key
        header = jwt.get_unverified_header(token)
        if header.get("alg") not in self._algorithms:
            raise jwt.InvalidAlgorithmError
        found = await self._keys.find(header.get("kid"))
        if found is None:
            raise InvalidKeyError
        return found.key

    def _identity(self, claims: dict[str, Any]) -> Identity:
        user = claims.get(self._user_id_claim)
        user_id = None if user is None else _text(user)
        if user_id is None and user is not None:
            raise jwt.InvalidTokenError(f"{self._user_id_claim} names no user")
        roles: set[str] = set()
        for name in self._role_claims:
            value = claims.get(name)
            roles.update(filter(None, map(_text, value if isinstance(value, list) else [value])))
        return Identity(user_id, claims, float(claims["exp"]), frozenset(roles))


def _text(value: Any) -> str | None:
    """A claim as text; `None` if it cannot be a name. Numbers are written as in the original, 7.0 as `7`."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else None


def token_of(scope: ConnectionScope, *, everywhere: bool = False) -> str | None:
    """The token of a request. The query is read `everywhere`, or only if browsers cannot send a header."""
    scheme, _, token = scope.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    events = scope.raw.get("method") == "GET" and scope.wants_events
    if everywhere or scope.raw["type"] == "websocket" or events:
        return scope.query.get("access_token")
    return None


def make_token(
    key: str | bytes,
    subject: str,
    *,
    claims: Mapping[str, Any] | None = None,
    roles: Sequence[str] = (),
    expires_in: float = 3600.0,
    issuer: str | None = None,
    audience: str | None = None,
    algorithm: str = "HS256",
) -> str:
    """Make a token that `JwtBearer` with the same key accepts for `expires_in` seconds. `key` must be able to sign.

    Raises:
        ConfigurationError: the key is too short, or not a key for this algorithm; `expires_in` is not a number.
    """
    mistakes = Mistakes("make_token")
    mistakes.number("expires_in", expires_in)
    mistakes.tell()
    now = int(time.time())
    payload: dict[str, Any] = {**(claims or {}), "sub": subject, "iat": now, "exp": now + int(expires_in)}
    optional = {"roles": list(roles) or None, "iss": issuer, "aud": audience}
    payload |= {name: value for name, value in optional.items() if value is not None}
    if algorithm in _HMAC and (problem := _weakness(key, [algorithm])):
        raise ConfigurationError([problem])
    try:
        return jwt.encode(payload, key, algorithm)
    except (InvalidKeyError, NotImplementedError, TypeError, ValueError) as error:
        raise ConfigurationError([f"cannot make a token with this key and {algorithm!r}: {error}"]) from None


def _problems(key: Any, jwks_url: Any, algorithms: Any) -> list[str]:
    problems = []
    known = set(get_default_algorithms()) - {"none"}
    several = isinstance(algorithms, Collection) and not isinstance(algorithms, str)
    if not several or not algorithms or not all(isinstance(each, str) and each in known for each in algorithms):
        problems.append(f"`algorithms` must be a list of some of {sorted(known)}, got {algorithms!r}")
        return problems
    shared = [name for name in algorithms if name in _HMAC]
    if shared and len(shared) < len(algorithms):
        problems.append(f"`algorithms` mixes shared secrets and public keys: {list(algorithms)}")
    if (key is None) == (jwks_url is None):
        problems.append("give either `key` or `jwks_url`")
    if jwks_url is not None:
        problems += filter(None, [jwks.problem(jwks_url)])
        if shared:
            problems.append(f"the keys of `jwks_url` are public, but {', '.join(shared)} needs a secret")
    if key is not None and len(problems) == 0:
        problems += filter(None, [_weakness(key, shared) if shared else _unfit(key, algorithms)])
    return problems


def _weakness(key: Any, algorithms: Sequence[str]) -> str | None:
    """The mistakes in a shared secret. The text never contains the secret."""
    if not isinstance(key, str | bytes):
        return f"a secret is a text or bytes, got one of type {type(key).__name__}"
    secret = key.encode() if isinstance(key, str) else key
    if b"-----BEGIN" in secret or secret.startswith((b"ssh-", b"ecdsa-")):
        return f"the key is a public or private key, which must not be the secret of {', '.join(algorithms)}"
    needed = max(_HMAC[name] for name in algorithms)
    if len(secret) < needed:
        return f"the secret has {len(secret)} bytes, and {', '.join(algorithms)} needs {needed} or more"
    return None


def _unfit(key: str | bytes, algorithms: Sequence[str]) -> str | None:
    """The mistakes in a public key."""
    for name in algorithms:
        try:
            algorithm = get_default_algorithms()[name]
            prepared: Any = algorithm.prepare_key(key)
        except (InvalidKeyError, TypeError, ValueError, AttributeError) as error:
            return f"the key is not a public key for {name}: {error}"
        if hasattr(prepared, "private_bytes"):
            return (
                "the key is a private one; give the public key, so that the server can check tokens but not make them"
            )
        if (weakness := algorithm.check_key_length(prepared)) is not None:
            return f"{name}: {weakness}"
    return None
