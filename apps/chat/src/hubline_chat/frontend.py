"""The built page, with headers that let browsers cache files that never change and check the others."""

from mimetypes import guess_type
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

HEADERS = {
    "cache-control": "no-cache",
    "content-security-policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
FOREVER = "public, max-age=31536000, immutable"
ENCODINGS = {"br": ".br", "gzip": ".gz"}
"""What the build has compressed, smallest first, by its name in HTTP."""
MEDIA_TYPES = {".webmanifest": "application/manifest+json"}
"""Of files that systems do not know."""
LONGEST = 200
"""Characters of the paths of files; ours are shorter."""

NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Hubline Chat</title>
<h1>The page has not been built</h1><p>Run <code>make chat</code>, which builds it and starts the server.</p></html>"""


class Assets(StaticFiles):
    """Files with a hash of their content in their names, as the build has compressed them."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        encoding = self._encoding(path, Headers(scope=scope).get("accept-encoding", ""))
        response = await super().get_response(path + ENCODINGS.get(encoding, ""), scope)
        if encoding and response.status_code in (200, 206):
            response.headers["content-encoding"] = encoding
            response.headers["content-type"] = f"{guess_type(path)[0] or 'application/octet-stream'}; charset=utf-8"
        response.headers["vary"] = "accept-encoding"
        response.headers["x-content-type-options"] = "nosniff"
        if response.status_code in (200, 304):
            response.headers["cache-control"] = FOREVER
        return response

    async def check_config(self) -> None:
        """Before the page is built there is no directory: then no file is found, and that is no error."""

    def _encoding(self, path: str, accepted: str) -> str:
        """The smallest form that is there and that the browser takes; empty: the file as it is."""
        if not _can_be_file(path):
            raise HTTPException(404)
        wanted = [each.replace(" ", "").lower().partition(";") for each in accepted.split(",")]
        taken = {name for name, _, weight in wanted if weight not in ("q=0", "q=0.0", "q=0.00", "q=0.000")}
        return next((name for name, end in ENCODINGS.items() if name in taken and self.lookup_path(path + end)[1]), "")


def add_frontend(app: FastAPI, built: Path) -> None:
    """Serve the page at `/`, and the files beside it. Paths without a dot are left to others."""

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def page() -> Response:
        index = built / "index.html"
        if not index.is_file():
            return HTMLResponse(NOT_BUILT, status_code=503, headers=HEADERS)
        return FileResponse(index, headers=HEADERS)

    @app.api_route("/{stem}.{suffix}", methods=["GET", "HEAD"], include_in_schema=False)
    def beside_the_page(stem: str, suffix: str) -> Response:
        if not _can_be_file(f"{stem}.{suffix}"):
            raise HTTPException(404)
        file = (built / f"{stem}.{suffix}").resolve()
        if file.parent != built.resolve() or not file.is_file():
            raise HTTPException(404)
        return FileResponse(file, headers=HEADERS, media_type=MEDIA_TYPES.get(file.suffix))

    app.mount("/assets", Assets(directory=built / "assets", check_dir=False))


def _can_be_file(path: str) -> bool:
    """Whether a system can look for a file of this path: some raise errors of their own instead of finding none."""
    return len(path) <= LONGEST and path.isprintable()
