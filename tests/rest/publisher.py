"""A publisher as Azure's documentation describes it, with a token that is made by hand for each request.

`aud` is the address of the request without the query, `exp` a time, the signature HMAC-SHA256 with the access key
(learn.microsoft.com, "Azure SignalR Service data-plane REST API reference").
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx

from hubline.testing.asgi import ASGIApp

KEY = "an-access-key-of-a-service-that-does-not-exist"
HOST = "http://service.test"
VERSION = "2024-12-01"


def signed(claims: Mapping[str, Any], key: str = KEY, algorithm: str = "HS256") -> str:
    parts = [{"alg": algorithm, "typ": "JWT"}, claims]
    text = ".".join(_encoded(json.dumps(each).encode()) for each in parts)
    return f"{text}.{_encoded(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())}"


def token_for(url: str, **claims: Any) -> str:
    return signed({"aud": url.partition("?")[0], "exp": int(time.time()) + 86_400} | claims)


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def path(*names: str) -> str:
    """A path of these segments: names may have slashes, operations begin with a colon."""
    return "".join("/" + (each if each.startswith(":") else quote(each, safe="")) for each in names)


class Publisher:
    """Publishes to one hub of a service. Requests are relative to the hub."""

    def __init__(self, client: httpx.AsyncClient, base: str = HOST, hub: str = "chat") -> None:
        self.client, self.hub = client, f"{base}/api/hubs/{hub}"

    async def request(
        self, method: str, below: str, query: Sequence[tuple[str, str]] = (), **more: Any
    ) -> httpx.Response:
        url = self.hub + below
        headers = {"Authorization": f"Bearer {token_for(url)}"} | more.pop("headers", {})
        params: list[tuple[str, Any]] = [*query, ("api-version", VERSION)]
        return await self.client.request(method, url, params=params, headers=headers, **more)

    async def get(self, url: str) -> httpx.Response:
        """Any address, as it stands."""
        return await self.client.get(url, headers={"Authorization": f"Bearer {token_for(url)}"})

    async def send(self, below: str, target: str, *arguments: Any, query: Sequence[tuple[str, str]] = ()) -> int:
        body = {"target": target, "arguments": arguments}
        return (await self.request("POST", f"{below}/:send", query, json=body)).status_code

    async def status(self, method: str, below: str, *query: tuple[str, str]) -> tuple[int, str]:
        """The status and the error code."""
        found = await self.request(method, below, query)
        return found.status_code, found.headers.get("x-ms-error-code", "")

    async def invoke(self, connection_id: str, target: str, *arguments: Any) -> httpx.Response:
        body = {"target": target, "arguments": arguments}
        return await self.request("POST", path("connections", connection_id, ":invoke"), json=body)


@asynccontextmanager
async def publisher(app: ASGIApp, hub: str = "chat", **client: Any) -> AsyncIterator[Publisher]:
    """A publisher without a network."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, **client)) as made:
        yield Publisher(made, hub=hub)
