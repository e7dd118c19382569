"""Signing in by an OpenID Connect provider: the authorization code flow with PKCE (OpenID Connect Core; RFC 7636)."""

import base64
import hashlib
import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import httpx

from hubline.auth.jwt import JwtBearer
from hubline_chat.settings import OpenIdSettings, is_safe_url

logger = logging.getLogger("hubline_chat")

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Signatures with public keys. An id_token that the client's secret signs would need no JWKS, and is refused."""
DISCOVERY_SECONDS = 600.0
PENDING_SECONDS = 600.0
"""The time for somebody to sign in at the provider."""
PENDING = 2_000
"""Sign-ins that have begun and not ended; a further one forgets the oldest."""
TIME_LIMIT = 10.0
SUBJECT_LENGTH = 255
NAME_CLAIMS = ("name", "preferred_username", "nickname", "given_name")


class OpenIdError(Exception):
    """A sign-in that failed. `code` is for the page, which has a sentence for each."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        super().__init__(detail or code)


@dataclass(frozen=True, slots=True)
class Pending:
    """A sign-in at the provider that has not ended. `seat` and `place`: the window that began it, and its room."""

    redirect_uri: str
    seat: str | None
    place: str
    state: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    nonce: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    began: float = 0.0


@dataclass(frozen=True, slots=True)
class Claimed:
    """Whom the provider has signed in: `subject` is the provider's id of the person, `names` what to call them."""

    issuer: str
    subject: str
    names: list[str]


@dataclass(frozen=True, slots=True)
class Provider:
    """The part of a discovery document that is used."""

    authorization: str
    token: str
    keys: str
    userinfo: str | None
    algorithms: tuple[str, ...]


class OpenId:
    """The sign-ins by one provider. What has begun is in memory: whoever is at the provider when the server restarts
    begins again.
    """

    def __init__(self, settings: OpenIdSettings, now: Callable[[], float] = time.monotonic) -> None:
        self.settings, self._now = settings, now
        self._pending: OrderedDict[str, Pending] = OrderedDict()
        self._provider: Provider | None = None
        self._bearer: JwtBearer | None = None
        self._discovered = float("-inf")

    async def begin(self, redirect_uri: str, seat: str | None, place: str) -> tuple[str, str]:
        """The address at the provider to go to, and the secret that the cookie of this browser keeps until it is back.

        Raises:
            OpenIdError: the provider cannot be reached.
        """
        provider = await self._found()
        pending, binding = Pending(redirect_uri, seat, place, began=self._now()), secrets.token_urlsafe(32)
        self._pending[binding] = pending
        if len(self._pending) > PENDING:
            self._pending.popitem(last=False)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(pending.verifier.encode()).digest()).rstrip(b"=").decode()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": redirect_uri,
            "scope": "openid profile",
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        separator = "&" if "?" in provider.authorization else "?"
        return f"{provider.authorization}{separator}{urlencode(query)}", binding

    def take(self, binding: str | None) -> Pending | None:
        """The sign-in that this browser has begun, once; `None` if there is none, or it took too long."""
        pending = self._pending.pop(binding or "", None)
        return pending if pending is not None and self._now() - pending.began < PENDING_SECONDS else None

    async def finish(self, pending: Pending, state: str | None, code: str | None, error: str | None) -> Claimed:
        """Exchange the code for an id_token, and check it.

        Raises:
            OpenIdError: it is not what this browser began, or the provider refused it, or its token is not valid.
        """
        if state is None or not secrets.compare_digest(state.encode(), pending.state.encode()):
            raise OpenIdError("expired")
        if error is not None or not code:
            raise OpenIdError("cancelled" if error == "access_denied" else "refused", error or "no code")
        provider = await self._found()
        async with self._client() as client:
            tokens = await self._tokens(client, provider, pending, code)
            claims = await self._claims(pending, tokens)
            if not _names(claims) and provider.userinfo and isinstance(tokens.get("access_token"), str):
                claims |= await self._userinfo(client, provider.userinfo, tokens["access_token"], claims["sub"])
        return Claimed(self.settings.issuer, claims["sub"], _names(claims))

    async def _tokens(self, client: httpx.AsyncClient, provider: Provider, pending: Pending, code: str) -> Any:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": pending.redirect_uri,
            "client_id": self.settings.client_id,
            "code_verifier": pending.verifier,
        }
        if self.settings.client_secret is not None:
            form["client_secret"] = self.settings.client_secret.get_secret_value()
        return await _json(client.post(provider.token, data=form, headers={"accept": "application/json"}))

    async def _claims(self, pending: Pending, tokens: dict[str, Any]) -> dict[str, Any]:
        """The claims of a valid id_token for this sign-in."""
        token = tokens.get("id_token")
        assert self._bearer is not None
        identity = await self._bearer.identify(token) if isinstance(token, str) else None
        if identity is None:
            raise OpenIdError("invalid", "the id_token is not valid")
        claims, audience = dict(identity.claims), identity.claims.get("aud")
        if not secrets.compare_digest(str(claims.get("nonce")).encode(), pending.nonce.encode()):
            raise OpenIdError("invalid", "the nonce of the id_token is another one")
        others = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if others else self.settings.client_id) != self.settings.client_id:
            raise OpenIdError("invalid", "the id_token is for another client")
        if not isinstance(claims.get("sub"), str) or not 0 < len(claims["sub"]) <= SUBJECT_LENGTH:
            raise OpenIdError("invalid", "the id_token names nobody")
        return claims

    async def _userinfo(self, client: httpx.AsyncClient, url: str, token: str, subject: str) -> dict[str, Any]:
        """More claims about the same person; without an answer, none."""
        try:
            found = await _json(client.get(url, headers={"authorization": f"Bearer {token}"}))
        except OpenIdError:
            return {}
        return {name: found.get(name) for name in NAME_CLAIMS} if found.get("sub") == subject else {}

    async def _found(self) -> Provider:
        """The provider, by its discovery document (OpenID Connect Discovery, section 4)."""
        if self._provider is None or self._now() - self._discovered >= DISCOVERY_SECONDS:
            async with self._client() as client:
                url = f"{self.settings.issuer.rstrip('/')}/.well-known/openid-configuration"
                document = await _json(client.get(url))
            found, self._discovered = self._described(document), self._now()
            if found != self._provider:  # otherwise the keys that were fetched are kept
                self._provider = found
                self._bearer = JwtBearer(
                    jwks_url=found.keys,
                    algorithms=found.algorithms,
                    issuer=self.settings.issuer,
                    audience=self.settings.client_id,
                )
        return self._provider

    def _described(self, document: dict[str, Any]) -> Provider:
        issuer = self.settings.issuer
        if document.get("issuer") != issuer:
            raise OpenIdError("unavailable", f"the provider calls itself {document.get('issuer')!r}, not {issuer!r}")
        addresses = [document.get(name) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")]
        authorization, token, keys = (each if is_safe_url(each) else None for each in addresses)
        if authorization is None or token is None or keys is None:
            raise OpenIdError("unavailable", "the provider's document lacks an https address")
        offered = document.get("id_token_signing_alg_values_supported") or ["RS256"]
        algorithms = tuple(each for each in ALGORITHMS if each in offered)
        if not algorithms:
            raise OpenIdError("unavailable", f"the provider signs with {offered}, and none of {ALGORITHMS}")
        userinfo = document.get("userinfo_endpoint")
        return Provider(authorization, token, keys, userinfo if is_safe_url(userinfo) else None, algorithms)

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(timeout=TIME_LIMIT, follow_redirects=False)


async def _json(asked: Any) -> dict[str, Any]:
    """The object that a provider answers."""
    try:
        response = await asked
        document = response.json() if response.is_success else None
    except (httpx.HTTPError, ValueError) as error:
        raise OpenIdError("unavailable", f"no answer: {error!r}") from error
    if response.is_server_error:
        raise OpenIdError("unavailable", f"status {response.status_code}")
    if not isinstance(document, dict):
        raise OpenIdError("refused", f"status {response.status_code}")
    return document


def _names(claims: dict[str, Any]) -> list[str]:
    """What the claims call somebody, the best first."""
    return [claims[name] for name in NAME_CLAIMS if isinstance(claims.get(name), str) and claims[name].strip()]
