"""An OpenID Connect provider of our own: its people are those whom a test names, and it errs where a test wants it."""

import base64
import hashlib
import json
import secrets
import socket
import threading
import time
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "chat", "a secret of the client"


class Provider:
    """Signs in `claims`, after a click of somebody when `asks`. `wrong`: what its id_tokens say instead."""

    def __init__(self) -> None:
        self.claims: dict[str, Any] = {"sub": "1", "name": "Grace Hopper"}
        self.userinfo: dict[str, Any] = {}
        self.wrong: dict[str, Any] = {}
        self.asks = False
        self.key = self._signing = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._codes: dict[str, dict[str, str]] = {}
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.issuer = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.settings = {"issuer": self.issuer, "client_id": CLIENT, "client_secret": SECRET, "name": "Example"}

    def signs_with(self, key: rsa.RSAPrivateKey) -> None:
        """From now on; the published key stays."""
        self._signing = key

    def __enter__(self) -> Self:
        routes = [
            Route("/.well-known/openid-configuration", self._document),
            Route("/authorize", self._authorize),
            Route("/token", self._token, methods=["POST"]),
            Route("/userinfo", self._userinfo),
            Route("/keys", self._keys),
        ]
        config = uvicorn.Config(Starlette(routes=routes), log_level="error", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._socket.close()

    def code(self, query: dict[str, str]) -> str:
        """What somebody brings back to the chat who was sent here with this query."""
        code = secrets.token_urlsafe(8)
        self._codes[code] = query
        return code

    async def _document(self, _: Request) -> Response:
        paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        paths |= {"userinfo_endpoint": "userinfo"}
        document = {"issuer": self.issuer, "id_token_signing_alg_values_supported": ["RS256", "HS256"]}
        return JSONResponse(document | {name: f"{self.issuer}/{path}" for name, path in paths.items()})

    async def _authorize(self, request: Request) -> Response:
        query = dict(request.query_params)
        right = {"response_type": "code", "client_id": CLIENT, "code_challenge_method": "S256"}
        assert right.items() <= query.items()
        assert "openid" in query["scope"].split()
        yes, no = (
            f"{query['redirect_uri']}?{urlencode(answer | {'state': query['state']})}"
            for answer in ({"code": self.code(query)}, {"error": "access_denied"})
        )
        if self.asks:
            return HTMLResponse(f"<h1>Example</h1><a href='{yes}'>Continue</a> <a href='{no}'>Cancel</a>")
        return RedirectResponse(yes, 303)

    async def _token(self, request: Request) -> Response:
        async with request.form() as form:
            given = {name: str(value) for name, value in form.items()}
        query = self._codes.pop(given["code"], None)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(given["code_verifier"].encode()).digest()).rstrip(b"=")
        if query is None or challenge.decode() != query["code_challenge"]:
            return JSONResponse({"error": "invalid_grant"}, 400)
        if (given["client_secret"], given["redirect_uri"]) != (SECRET, query["redirect_uri"]):
            return JSONResponse({"error": "invalid_client"}, 401)
        now = int(time.time())
        claims = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 60, "nonce": query["nonce"]}
        token = jwt.encode(claims | self.claims | self.wrong, self._signing, "RS256", headers={"kid": "1"})
        return JSONResponse({"access_token": "access", "token_type": "Bearer", "id_token": token})

    async def _userinfo(self, request: Request) -> Response:
        assert request.headers["authorization"] == "Bearer access"
        return JSONResponse(self.userinfo)

    async def _keys(self, _: Request) -> Response:
        key = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        return JSONResponse({"keys": [key | {"kid": "1", "use": "sig", "alg": "RS256"}]})
