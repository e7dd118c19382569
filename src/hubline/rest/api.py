"""`RestApi`: who may publish, and which operation a request asks for."""

import functools
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from hubline import HubApp
from hubline._mistakes import Mistakes
from hubline.auth.jwt import JwtBearer
from hubline.errors import BackplaneError, ConfigurationError
from hubline.rest.addresses import Path, address, base_of, path_of, url_of
from hubline.rest.answers import Problem, empty
from hubline.rest.memberships import Memberships, Remembered
from hubline.rest.operations import OPERATIONS, Call, Query
from hubline.server.fanout import FanOut
from hubline.server.hub import Hub

logger = logging.getLogger("hubline.rest")

VERSIONS = ("2022-06-01", "2022-11-01", "2023-07-01", "2024-12-01")
"""Values of `api-version`. The older ones have a part of the operations of the newest, in the same shape."""

_HUB = re.compile(r"[A-Za-z][A-Za-z0-9_`,.\[\]]{0,127}")
"""The name of a hub. Source: the pattern in Azure's description."""

_ACCESS_KEY = re.compile(r"(?:^|;)\s*AccessKey=([^;]+)", re.IGNORECASE)


class RestApi:
    """An ASGI application for publishing over HTTP, in the shape of Azure SignalR Service's data plane 2024-12-01.

    Mount it at `/api`, beside the `HubApp` whose hubs it serves. `hubs` are hub classes by the names in the addresses;
    the case of a name does not count. With `?application=a`, the name is `a_` and that of the hub.

    Every request needs a bearer token that is signed with HS256 and one of the `access_keys`, each a key of 32 bytes or
    more, or a connection string with `AccessKey=…`. Its audience is the address of the request without the query.
    `endpoint` is the address in front of `/api` as publishers know it; the default is what the request says.

    With `memberships`, groups of users are remembered as Azure does: connections that a user makes later join them too,
    for as long as `ttl` says, a year at most. Every server of the hubs then needs a `RestApi` with them.

    A body has at most `maximum_body_size` bytes. More than `maximum_requests` at once are answered with 429.

    Raises:
        ConfigurationError: lists every mistake in the arguments.
    """

    def __init__(
        self,
        app: HubApp,
        hubs: Mapping[str, type[Hub[Any]]],
        *,
        access_keys: Sequence[str],
        endpoint: str | None = None,
        memberships: Memberships | None = None,
        maximum_body_size: int = 1_048_576,
        maximum_requests: int = 1_000,
    ) -> None:
        mistakes = Mistakes("RestApi")
        mistakes.instance("app", app, HubApp)
        given: Any = hubs
        mistakes.fits("hubs", given, isinstance(given, Mapping), "a dict of hub classes by their names")
        mistakes.texts("access_keys", access_keys)
        mistakes.text("endpoint", endpoint, optional=True)
        mistakes.has("memberships", memberships, "a store", "add", "remove", "groups", "expired", optional=True)
        mistakes.whole("maximum_body_size", maximum_body_size, above=0)
        mistakes.whole("maximum_requests", maximum_requests, above=0)
        mistakes.tell()
        if not hubs:
            mistakes.found.append("RestApi.hubs must not be empty")
        if not access_keys:
            mistakes.found.append("RestApi.access_keys must not be empty: without a key nobody may publish")
        if endpoint is not None and not re.match(r"https?://[^/]+", endpoint):
            mistakes.found.append(f"RestApi.endpoint must begin with http:// or https://, got {endpoint!r}")
        self._app, self._endpoint = app, endpoint
        self._hubs = _hubs(app, hubs, mistakes)
        made = [mistakes.check(functools.partial(_bearer, key)) for key in access_keys]
        self._bearers = [bearer for bearer in made if bearer is not None]
        mistakes.tell()
        self._remembered = (
            None if memberships is None else Remembered(memberships, list(self._hubs.values()), app._tasks, app._clock)
        )
        self._largest, self._most = maximum_body_size, maximum_requests
        self._under_way = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        self._under_way += 1
        try:
            response = await self._answer(Request(scope, receive))
        finally:
            self._under_way -= 1
        response.headers["cache-control"] = "no-store"
        if scope["method"] == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            if self._under_way > self._most:
                raise Problem(429, "Too many requests are under way.", headers={"retry-after": "1"})
            return await self._handle(request)
        except Problem as problem:
            return problem.response()
        except BackplaneError as error:
            logger.warning("%s %s: %s", request.method, request.url.path, error)
            return Problem(503, f"{error}", headers={"retry-after": "1"}).response()
        except ClientDisconnect:
            return empty(400)  # nobody reads it
        except Exception:
            logger.exception("%s %s failed", request.method, request.url.path)
            return Problem(500, "An error happened on the server.").response()

    async def _handle(self, request: Request) -> Response:
        try:
            path = path_of(request.scope)
        except ValueError:
            raise Problem(400, "The path is not UTF-8.") from None
        query = Query(request.scope.get("query_string", b""))
        if [each.lower() for each in path.segments] == ["health"] and request.method in ("HEAD", "GET"):
            return empty(200 if self._app.ready else 503)
        base = base_of(request, self._endpoint, path)
        url = url_of(base, path)
        await self._admit(request, url)
        if query.text("api-version") not in VERSIONS:
            raise Problem(400, f"api-version must be one of {', '.join(VERSIONS)}.", target="api-version")
        handler, parameters = _operation(request.method, path)
        hub = self._hub(path.segments[1], query)
        call = Call(request, hub, query, url, self._largest, self._remembered)
        return await handler(call, **parameters)  # type: ignore[no-any-return]

    async def _admit(self, request: Request, url: str) -> None:
        """Raises Problem: 401, unless the request has a token for its own address."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Problem(401, "A bearer token is needed.", headers={"www-authenticate": "Bearer"})
        challenge = {"www-authenticate": 'Bearer error="invalid_token"'}
        for bearer in self._bearers:
            identity = await bearer.identify(token.strip())
            if identity is not None:
                break
        else:
            raise Problem(401, "The token is not valid, or not any more.", headers=challenge)
        claimed = identity.claims.get("aud")
        wanted = address(url)
        audiences = claimed if isinstance(claimed, list) else [claimed]
        if wanted is None or not any(isinstance(each, str) and address(each) == wanted for each in audiences):
            raise Problem(401, f"The token is not for {url}, the audience that this address needs.", headers=challenge)

    def _hub(self, name: str, query: Query) -> FanOut:
        """Raises Problem: 400 or 404."""
        application = query.text("application")
        for target, given in (("hub", name), ("application", application)):
            if (given or target == "hub") and not _HUB.fullmatch(given):
                raise Problem(400, f"{given!r} cannot be the name of a hub or an application.", target=target)
        full = f"{application}_{name}" if application else name
        found = self._hubs.get(full.lower())
        if found is None:
            raise Problem(404, f"There is no hub {full!r} here.", target="hub")
        self._app._enter_loop()
        return found


def _operation(method: str, path: Path) -> tuple[Any, dict[str, str]]:
    """Raises Problem: 404 or 405."""
    allowed = []
    if len(path.segments) > 2 and path.segments[0].lower() == "hubs":
        for each in OPERATIONS:
            parameters = each.match(path.segments[2:])
            if parameters is not None and "" not in parameters.values():
                if each.method == method:
                    return each.handler, parameters
                allowed.append(each.method)
    if allowed:
        raise Problem(405, f"{method} is not an operation of this address.", headers={"allow": ", ".join(allowed)})
    raise Problem(404, "There is no operation at this address.")


def _hubs(app: HubApp, hubs: Mapping[str, type[Hub[Any]]], mistakes: Mistakes) -> dict[str, FanOut]:
    found: dict[str, FanOut] = {}
    for name, hub in hubs.items():
        if not _HUB.fullmatch(str(name)):
            mistakes.found.append(f"RestApi.hubs: {name!r} cannot be the name of a hub")
        elif name.lower() in found:
            mistakes.found.append(f"RestApi.hubs: {name!r} is there twice: case does not count")
        else:
            try:
                found[name.lower()] = app._hubs[hub].fanout
            except KeyError:
                mistakes.found.append(f"RestApi.hubs: the app has no hub {getattr(hub, '__qualname__', hub)!s}")
    return found


def _bearer(key: str) -> JwtBearer:
    """Checks tokens that are signed with a key. Raises ConfigurationError, without the key in its text."""
    found = _ACCESS_KEY.search(key)
    if found is None and ";" in key:
        raise ConfigurationError(["RestApi.access_keys: a connection string has no AccessKey"])
    secret = key if found is None else found[1].strip()
    return JwtBearer(secret, algorithms=["HS256"], verify_audience=False, user_id_claim="nameid")
