"""The page for trying hubs, around an application in development: `hubline run --try`. For this machine only."""

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from hubline import HubApp
from hubline.inspect.api import Inspect
from hubline.routes import path_below_mount

PATH = "/hubline"

FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
"""Headers of proxies. What came through one may have come from anywhere."""


class OnThisMachine(Inspect):
    """An `Inspect` with the page, for everybody on this machine and nobody else. Not for production.

    Admitted are requests whose peer has a loopback address, that no proxy has passed on, and that are for `localhost`
    or a loopback address: otherwise a page of the internet could ask by a name of its own that leads here. Pages of
    other origins get no answer that a browser would let them read.
    """

    def __init__(self, hubs: Mapping[str, HubApp]) -> None:
        super().__init__(hubs, allow=lambda identity: False, page=True)

    async def _answer(self, request: Request) -> Response:
        if not from_this_machine(request):
            return PlainTextResponse("This page is for the machine on which the server runs.", 403)
        return await super()._answer(request)

    async def _refusal(self, request: Request) -> Response | None:
        return None


def from_this_machine(request: Request) -> bool:
    """Whether a program or a page of this machine asks."""
    client = request.scope.get("client")
    try:
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
    except ValueError:  # brackets without a pair
        return False
    return (
        client is not None
        and is_loopback(client[0])
        and (host == "localhost" or is_loopback(host))
        and not any(name in request.headers for name in FORWARDED)
    )


def is_loopback(host: str) -> bool:
    """Whether it is an address of this machine that no other one can reach."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback if mapped is None else mapped.is_loopback


def with_page(app: ASGIApp, hubs: Mapping[str, HubApp]) -> ASGIApp:
    """The application with the page at `/hubline` in front of it."""
    page = OnThisMachine(hubs)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        root = scope.get("root_path", "")
        path = path_below_mount(scope) if scope["type"] == "http" else ""
        if path == PATH or path.startswith(PATH + "/"):
            await page({**scope, "app_root_path": root, "root_path": root + PATH}, receive, send)
        else:
            await app(scope, receive, send)

    return application
