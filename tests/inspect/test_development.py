"""`hubline run --try`: the page is for this machine only."""

import httpx
import pytest
from starlette.types import ASGIApp

from hubline.inspect.development import is_loopback, with_page
from hubline.testing import running
from tests.inspect.application import app, hubs


async def answer(target: ASGIApp, path: str, *, client: str = "127.0.0.1", **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(target, client=(client, 1))
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost:8000") as asking:
        return await asking.get(path, headers=given)


@pytest.mark.parametrize("path", ["/hubline/", "/hubline/state", "/hubline/contract", "/hubline/page.js"])
async def test_the_page_and_its_data_are_for_this_machine(path: str) -> None:
    async with running(app):
        tried = with_page(app, {"/live": hubs})
        assert (await answer(tried, path)).status_code == 200
        assert (await answer(tried, path, host="127.0.0.1:8000")).status_code == 200
        assert (await answer(tried, path, host="[::1]:8000", client="::1")).status_code == 200
        assert (await answer(tried, path, client="192.0.2.1")).status_code == 403
        assert (await answer(tried, path, host="rebound.example")).status_code == 403
        assert (await answer(tried, path, host="localhost.example")).status_code == 403
        assert (await answer(tried, path, host="[")).status_code == 403
        for header in ("x_forwarded_for", "forwarded", "x_forwarded_host"):
            assert (await answer(tried, path, **{header: "127.0.0.1"})).status_code == 403


async def test_everything_else_is_the_application() -> None:
    async with running(app):
        tried = with_page(app, {"/live": hubs})
        moved = await answer(tried, "/hubline")
        assert (moved.status_code, moved.headers["location"]) == (307, "./hubline/")
        assert (await answer(tried, "/hublines")).status_code == 404
        assert (await answer(tried, "/live/readyz", client="192.0.2.1")).text == "ready"


async def test_below_the_path_of_a_proxy() -> None:
    async with running(app):
        tried = with_page(app, {"/live": hubs})
        transport = httpx.ASGITransport(tried, client=("127.0.0.1", 1), root_path="/under")
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as asking:
            found = (await asking.get("/under/hubline/contract")).json()
    assert found["root"] == "/under"


@pytest.mark.parametrize(
    ("host", "is_it"),
    [
        *(("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("::ffff:127.0.0.1", True)),
        *(("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("localhost", False), ("", False)),
    ],
)
def test_loopback(host: str, is_it: bool) -> None:
    assert is_loopback(host) is is_it
