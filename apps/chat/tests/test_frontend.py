"""The page, its files, and how long browsers may keep them."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from hubline.models import ScriptedModel
from hubline.testing import running
from hubline_chat.app import create_app
from hubline_chat.frontend import FOREVER
from hubline_chat.settings import ChatSettings


@pytest.fixture
def built(tmp_path: Path) -> Path:
    built = tmp_path / "dist"
    (built / "assets").mkdir(parents=True)
    (built / "index.html").write_text("<title>Chat</title>")
    (built / "favicon.svg").write_text("<svg/>")
    (built / "assets" / "index-a1b2.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    return built


@pytest.fixture
async def client(built: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(ChatSettings(web=built, data=built.parent), model=ScriptedModel([]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chat.example") as client:
        yield client


async def test_the_page_is_asked_for_every_time_and_guarded(client: httpx.AsyncClient) -> None:
    page = await client.get("/")
    assert (page.status_code, page.text) == (200, "<title>Chat</title>")
    assert page.headers["cache-control"] == "no-cache"
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert (await client.get("/", headers={"if-none-match": page.headers["etag"]})).status_code in (200, 304)
    assert (await client.head("/")).status_code == 200


async def test_files_with_a_hash_in_their_names_are_kept_forever(client: httpx.AsyncClient) -> None:
    script = await client.get("/assets/index-a1b2.js")
    assert (script.status_code, script.headers["cache-control"]) == (200, FOREVER)
    assert script.headers["x-content-type-options"] == "nosniff"


async def test_files_beside_the_page_are_served(client: httpx.AsyncClient) -> None:
    icon = await client.get("/favicon.svg")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")


@pytest.mark.parametrize(
    "path", ["/nothing.js", "/assets/nothing.js", "/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt"]
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_a_page_that_was_not_built_says_what_to_do(built: Path, client: httpx.AsyncClient) -> None:
    (built / "index.html").unlink()
    page = await client.get("/")
    assert (page.status_code, "make chat" in page.text) == (503, True)


async def test_health_tells_how_the_assistant_stands(client: httpx.AsyncClient) -> None:
    health = (await client.get("/api/health")).json()
    assert (health["status"], health["assistant"]) == (
        "ok",
        {"model": "scripted", "state": "starting", "detail": None},
    )


async def test_the_hub_is_where_the_page_looks_for_it_and_wants_a_token(built: Path) -> None:
    app = create_app(ChatSettings(web=built, data=built.parent), model=ScriptedModel([]))
    async with running(app) as served:
        transport = httpx.ASGITransport(served)
        async with httpx.AsyncClient(transport=transport, base_url="http://chat.example") as client:
            answer = await client.post("/chatHub/negotiate?negotiateVersion=1")
    assert answer.status_code == 401
