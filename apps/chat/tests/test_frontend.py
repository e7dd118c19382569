"""The page, its files, and how long browsers may keep them."""

import gzip
import re
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
    (built / "assets" / "index-a1b2.js.br").write_bytes(b"by brotli")
    (built / "assets" / "index-a1b2.js.gz").write_bytes(gzip.compress(b"1"))
    (built / "assets" / "plain-c3d4.css").write_text("a{}")
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


@pytest.mark.parametrize(
    ("accepted", "encoding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),
        ("br;q=0, gzip;q=0.5", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
async def test_scripts_travel_as_the_build_compressed_them(
    client: httpx.AsyncClient, built: Path, accepted: str, encoding: str | None
) -> None:
    async with client.stream("GET", "/assets/index-a1b2.js", headers={"accept-encoding": accepted}) as script:
        content = b"".join([piece async for piece in script.aiter_raw()])
    ending = {"br": ".br", "gzip": ".gz", None: ""}[encoding]
    assert content == (built / "assets" / f"index-a1b2.js{ending}").read_bytes()
    assert (script.headers.get("content-encoding"), script.headers["vary"]) == (encoding, "accept-encoding")
    assert script.headers["content-type"].startswith("text/javascript")
    assert script.headers["cache-control"] == FOREVER


async def test_a_file_that_the_build_did_not_compress_is_served_as_it_is(client: httpx.AsyncClient) -> None:
    styles = await client.get("/assets/plain-c3d4.css", headers={"accept-encoding": "br, gzip"})
    assert (styles.text, styles.headers.get("content-encoding")) == ("a{}", None)


async def test_files_beside_the_page_are_served(client: httpx.AsyncClient, built: Path) -> None:
    icon = await client.get("/favicon.svg")
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
    (built / "manifest.webmanifest").write_text("{}")
    manifest = await client.get("/manifest.webmanifest")
    assert manifest.headers["content-type"] == "application/manifest+json"
    (built / "sw.js").write_text("1")
    worker = await client.get("/sw.js")  # asked for every time, so that a new version is noticed
    assert (worker.headers["content-type"].partition(";")[0], worker.headers["cache-control"]) == (
        "text/javascript",
        "no-cache",
    )


@pytest.mark.parametrize(
    "path", ["/nothing.js", "/assets/nothing.js", "/..%2fsecret.txt", "/assets/..%2f..%2fsecret.txt"]
)
async def test_nothing_else_is_served(client: httpx.AsyncClient, path: str) -> None:
    assert (await client.get(path)).status_code == 404


async def test_a_page_that_was_not_built_says_what_to_do(built: Path, client: httpx.AsyncClient) -> None:
    (built / "index.html").unlink()
    page = await client.get("/")
    assert (page.status_code, "make chat" in page.text) == (503, True)


@pytest.mark.parametrize("name", ["%00", "a%00b", "x" * 3_000, "..%2fsecret"], ids=["NUL", "a NUL", "long", "above"])
async def test_a_path_that_no_file_can_have_is_not_found(client: httpx.AsyncClient, name: str) -> None:
    for path in (f"/{name}.js", f"/assets/{name}.js", f"/assets/{name}"):
        answer = await client.get(path, headers={"accept-encoding": "br"})
        assert answer.status_code == 404, path


async def test_before_the_page_is_built_there_are_no_files(tmp_path: Path) -> None:
    app = create_app(ChatSettings(web=tmp_path / "nowhere", data=tmp_path), model=ScriptedModel([]))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://chat.example") as client:
        assert (await client.get("/assets/index-a1b2.js")).status_code == 404


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


def test_what_a_page_loads_at_once_is_below_its_limit() -> None:
    """KaTeX, Mermaid and the languages of code are fetched when they are needed."""
    built = ChatSettings().web
    if not (built / "index.html").is_file():
        pytest.skip("the page has not been built: make chat")
    page = (built / "index.html").read_text("utf-8")
    files = set(re.findall(r"assets/[\w.-]+\.(?:js|css)", page))
    assert any(name.endswith(".js") for name in files)
    assert sum(len(gzip.compress((built / name).read_bytes())) for name in files) <= 250_000
