"""The built page, with headers that let browsers keep what never changes and ask for what may."""

from pathlib import Path

from fastapi import FastAPI
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

NOT_BUILT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Hubline Chat</title>
<h1>The page has not been built</h1><p>Run <code>make chat</code>, which builds it and starts the server.</p></html>"""


class Assets(StaticFiles):
    """Files with a hash of their content in their names."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["x-content-type-options"] = "nosniff"
        if response.status_code in (200, 304):
            response.headers["cache-control"] = FOREVER
        return response


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
        file = (built / f"{stem}.{suffix}").resolve()
        if file.parent != built.resolve() or not file.is_file():
            raise HTTPException(404)
        return FileResponse(file, headers=HEADERS)

    app.mount("/assets", Assets(directory=built / "assets", check_dir=False))
