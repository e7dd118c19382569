"""`Inspect`: who may look, and what is at which address."""

import functools
import inspect
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.resources import files
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from hubline import HubApp, Identity
from hubline._mistakes import Mistakes
from hubline.contract.document import contract
from hubline.errors import ConfigurationError
from hubline.inspect.snapshot import Site, snapshot, together
from hubline.routes import path_below_mount
from hubline.runs import Runs
from hubline.transports.admission import Admission, token_given
from hubline.transports.admission import Refused as NotAdmitted

logger = logging.getLogger("hubline.inspect")

Allow: TypeAlias = Callable[[Identity], bool | Awaitable[bool]]

PAGE = "index.html"

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript"}

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The page loads nothing from elsewhere, sends nothing elsewhere, and is in no frame."""

HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": POLICY,
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
"""On every answer."""


class Inspect:
    """An ASGI application that shows what hubs are doing: connections, groups, queues, runs and rates. Mount it.

    `hubs` is the `HubApp`, or several by the paths at which they are mounted: `{"/live": hubs}`; one alone is at `/`.
    Who asks is what the first one's `authenticate` says. `allow` is the role of those who may look, or a function of
    the `Identity`, plain or async. Anybody else gets 401 or 403. `runs`: those that no class of a hub has. With `page`,
    the page for trying hubs is at the path of the mount; it has no data itself, so everybody may load it.

    `GET …/state` returns this process, and in `hubline run --workers` all workers; it never has what is said: neither
    arguments nor texts. `GET …/contract` returns `root`, the path of the application, and what `hubline contract`
    writes as `contract`.

    Raises:
        ConfigurationError: lists every mistake in the arguments.
    """

    def __init__(
        self,
        hubs: HubApp | Mapping[str, HubApp],
        *,
        allow: str | Allow,
        runs: Sequence[Runs] = (),
        page: bool = False,
    ) -> None:
        mistakes = Mistakes("Inspect")
        by_path: Any = {"": hubs} if isinstance(hubs, HubApp) else hubs
        right = isinstance(by_path, Mapping) and all(isinstance(each, HubApp) for each in by_path.values())
        mistakes.fits("hubs", hubs, right and bool(by_path), "a HubApp, or a dict of them by their paths")
        given: Any = allow
        named = isinstance(given, str) and bool(given)
        mistakes.fits("allow", given, named or callable(given), "the name of a role, or a function of the Identity")
        some: Any = runs
        right = isinstance(some, Sequence) and all(isinstance(each, Runs) for each in some)
        mistakes.fits("runs", some, right, "a list of `Runs`")
        mistakes.flag("page", page)
        mistakes.tell()
        if wrong := [path for path in by_path if path and (not path.startswith("/") or path != "/" + path.strip("/"))]:
            raise ConfigurationError([f"Inspect.hubs: the path {path!r} must be as in `/live`" for path in wrong])
        self._sites = [Site(path, app) for path, app in by_path.items()]
        self._runs, self._page = tuple(runs), page
        self._allow: Allow = (lambda identity: given in identity.roles) if named else given
        first = self._sites[0].app
        self._admission = Admission(authenticate=first._authenticate)
        if first._fellows is not None:
            first._fellows.describe = self._here

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close", "code": 1000, "reason": ""})
            return
        response = await self._answer(Request(scope))
        for name, value in HEADERS.items():
            response.headers[name] = value
        if scope["method"] == "HEAD":
            response.body = b""
        await response(scope, receive, send)

    async def state(self) -> dict[str, Any]:
        """What `GET …/state` returns. For code of the application, which has checked who asks."""
        for site in self._sites:
            site.app._enter_loop()
        fellows = self._sites[0].app._fellows
        others = [] if fellows is None else [each for each in await fellows.ask() if each is not None]
        return together([await self._here(), *others])

    def contract(self) -> dict[str, Any]:
        """What `GET …/contract` returns: see `hubline contract`."""
        return self._contract

    @functools.cached_property
    def _contract(self) -> dict[str, Any]:
        hubs = [(site.mount + hub.path, hub) for site in self._sites for hub in site.app.describe()]
        return contract(hubs, title="Hubline")

    async def _here(self) -> dict[str, Any]:
        return await snapshot(self._sites, self._runs)

    async def _answer(self, request: Request) -> Response:
        path = path_below_mount(request.scope).lstrip("/")
        if request.method not in ("GET", "HEAD"):
            return PlainTextResponse("Method Not Allowed", 405, {"allow": "GET, HEAD"})
        if path in ("state", "contract"):
            refusal = await self._refusal(request)
            if refusal is not None:
                return refusal
            if path == "contract":
                root = request.scope.get("app_root_path", request.scope.get("root_path", ""))
                return JSONResponse({"root": root, "contract": self.contract()})
            return JSONResponse(await self.state())
        if not self._page:
            return PlainTextResponse("Not Found", 404)
        if not path and not request.scope["path"].endswith("/"):
            return RedirectResponse(f"./{request.scope['path'].rpartition('/')[2]}/", 307)
        return _file(path or PAGE)

    async def _refusal(self, request: Request) -> Response | None:
        """401, 403 or 500, or `None` for somebody who may look."""
        try:
            admitted = await self._admission.admit(request.scope)
        except NotAdmitted as refused:
            return PlainTextResponse("The check who asks failed.", refused.response.status)
        identity = admitted.identity
        if identity is None:
            wrong = token_given(admitted)
            challenge = 'Bearer error="invalid_token"' if wrong else "Bearer"
            text = "The token is not valid, or not any more." if wrong else "Only administrators may look."
            return PlainTextResponse(text, 401, {"www-authenticate": challenge})
        try:
            verdict = self._allow(identity)
            allowed = await verdict if inspect.isawaitable(verdict) else verdict
        except Exception:
            logger.exception("Inspect.allow failed for the user %r", identity.user_id)
            return PlainTextResponse("The check who asks failed.", 500)
        return None if allowed else PlainTextResponse("Only administrators may look.", 403)


def _file(name: str) -> Response:
    body = _files().get(name)
    if body is None:
        return PlainTextResponse("Not Found", 404)
    return Response(body, media_type=TYPES[name[name.rindex(".") :]])


@functools.cache
def _files() -> dict[str, bytes]:
    """The files of the page by their names; nothing else of the disk can be asked for."""
    page = files("hubline.inspect") / "page"
    return {each.name: each.read_bytes() for each in page.iterdir() if each.name.endswith(tuple(TYPES))}
