"""Which path leads where: alone, below what a proxy cut off, and mounted in Starlette and FastAPI."""

from typing import Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route, Router

from hubline import ConfigurationError, Hub, HubApp
from hubline.routes import path_below_mount
from hubline.testing import RefusedError, connect, running
from hubline.testing.channels import TransportName
from tests.test_app import TRANSPORTS, chat, request


class Where(Hub):
    async def path(self) -> str:
        return self.context.scope.path

    async def tenant(self) -> str | None:
        return self.context.scope.path_params.get("tenant")


class Elsewhere(Where): ...


async def asked_at(app: Any, path: str, **settings: Any) -> str:
    async with connect(app, path, **settings) as client:
        return str(await client.invoke("Path"))


# The path itself


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("path", ["/chatHub", "/chathub", "/CHATHUB", "/chatHub/"])
async def test_a_path_is_found_without_regard_to_case_and_with_a_slash_behind_it(
    path: str, transport: TransportName
) -> None:
    app = HubApp({"/chatHub": Where})
    assert await asked_at(app, path, transport=transport) == path


@pytest.mark.parametrize("path", ["/CHAT/NEGOTIATE", "/chat/Negotiate/"])
async def test_the_segments_below_a_hub_are_found_in_any_case(path: str) -> None:
    app = HubApp({"/chat": chat()})
    assert (await request(app, "POST", path, query="negotiateVersion=1")).status == 200
    answer = await request(app, "POST", path.lower().replace("negotiate", "Refresh"))
    assert (answer.status, answer.body) == (404, b'{"error":"refresh_disabled"}')


@pytest.mark.parametrize("path", ["//chat", "/chat//", "/chat//negotiate", "/chat/negotiate//", "/chat/x", "/chat "])
async def test_what_is_no_path_to_the_original_is_none_here(path: str) -> None:
    app = HubApp({"/chat": chat()})
    answer = await request(app, "POST", path)
    assert (answer.status, answer.body) == (404, b"Not Found")


async def test_a_path_of_any_letters_is_found_decoded_and_in_any_case() -> None:
    app = HubApp({"/Größe/чат": Where})
    assert await asked_at(app, "/gRÖße/ЧАТ") == "/gRÖße/ЧАТ"


@pytest.mark.parametrize("path", ["/readyz", "/READYZ", "/readyz/"])
async def test_the_readiness_path_is_found_in_the_same_way(path: str) -> None:
    for written in ("/readyz", "/Readyz/"):
        app = HubApp({"/chat": chat()}, readiness_path=written)
        assert (await request(app, "GET", path)).body == b"ready"


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (("/chat", "/Chat"), "/Chat: clients of '/chat' ask for the same path: case does not count"),
        (
            ("/chat", "/CHAT/negotiate"),
            "/CHAT/negotiate: clients of '/chat' ask for the same path: case does not count",
        ),
        (
            ("/chat/negotiate", "/chat"),
            "/chat: clients of '/chat/negotiate' ask for the same path: case does not count",
        ),
        (("/a//b",), "the path '/a//b' must be the path of an address alone, with single slashes"),
        (("/a?b=c",), "the path '/a?b=c' must be the path of an address alone, with single slashes"),
        (
            ("/{tenant}/a",),
            "the path '/{tenant}/a' has a parameter: give it to the mount, as `Mount('/{tenant}', hubs)`",
        ),
        (("/gr%C3%B6sse",), "the path '/gr%C3%B6sse' must be written decoded: '/grösse'"),
    ],
)
def test_a_path_that_nobody_can_reach_is_found_at_start_up(paths: tuple[str, ...], problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        HubApp(dict(zip(paths, (Where, Elsewhere), strict=False)))
    assert caught.value.problems == (problem,)


# Below what was cut off


@pytest.mark.parametrize("framework", [None, FastAPI, Starlette])
@pytest.mark.parametrize("root_path", ["", "/", "/live", "/live/", "/live/one/"])
async def test_a_root_path_may_end_with_a_slash(framework: Any, root_path: str) -> None:
    hubs = HubApp({"/chat": Where, "/": Elsewhere})
    if framework is None:
        paths, app = ["/chat", "/"], hubs
    else:
        paths, app = ["/api/chat", "/api/", "/api"], framework(lifespan=hubs.lifespan)
        app.mount("/api", hubs)
    async with running(app) as served:
        for path in paths:
            assert await asked_at(served, path, root_path=root_path) == root_path + path


@pytest.mark.parametrize(
    ("path", "root_path", "app_root_path", "below"),
    [
        ("/live/chat", "/live", None, "/chat"),
        ("/live/chat", "/live/", None, "/chat"),
        ("/live", "/live", None, "/"),
        ("/live", "/live/", None, "/"),
        ("/lively/chat", "/live", None, "/lively/chat"),
        ("//chat", "", None, "//chat"),
        ("//chat", "/", None, "/chat"),
        # hypercorn, alone and with a mount
        ("/chat", "/live", None, "/chat"),
        ("/hubs/chat", "/live/hubs", "/live", "/chat"),
        ("/hubs", "/live/hubs", "/live", "/"),
    ],
)
def test_the_path_below_a_mount(path: str, root_path: str, app_root_path: str | None, below: str) -> None:
    scope = {"path": path, "root_path": root_path}
    if app_root_path is not None:
        scope["app_root_path"] = app_root_path
    assert path_below_mount(scope) == below


# Mounted


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
@pytest.mark.parametrize("lifespan", [True, False])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_hub_at_the_root_of_a_mount_is_reached_at_the_mounts_own_path(
    framework: Any, lifespan: bool, transport: TransportName
) -> None:
    hubs = HubApp({"/": Where})
    app = framework(lifespan=hubs.lifespan if lifespan else None)
    app.mount("/hubs", hubs)
    async with running(app) as served:
        for path in ("/hubs", "/hubs/"):
            assert await asked_at(served, path, transport=transport) == path
        if lifespan:
            assert await asked_at(served, "/hubs", negotiate=False) == "/hubs"
        for path in ("/hubsters", "/hubs/other", "/hubs//"):
            with pytest.raises(RefusedError):
                await asked_at(served, path, negotiate=False)


async def test_a_mount_is_found_behind_middleware_below_other_mounts_and_once() -> None:
    async def before(request: Request) -> PlainTextResponse:
        return PlainTextResponse("the application's own")

    hubs = HubApp({"/": Where})
    inner = Starlette(routes=[Mount("/hubs", hubs, middleware=[Middleware(GZipMiddleware)])])
    routes = [
        Route("/own", before),
        Mount("/own", hubs),
        Mount("/outer", inner),
        Host("other.example", app=Starlette(routes=[Mount("/there", hubs)])),
    ]
    app = Starlette(routes=routes, lifespan=hubs.lifespan)
    for _ in range(2):
        async with running(app) as served:
            assert await asked_at(served, "/outer/hubs", negotiate=False) == "/outer/hubs"
            there = await asked_at(served, "/there", negotiate=False, headers={"host": "other.example"})
            assert there == "/there"
            assert (await request(served, "GET", "/own")).body == b"the application's own"
            assert await asked_at(served, "/own", negotiate=False) == "/own"
    assert len(inner.routes) == 2


async def test_mounted_in_a_router_without_an_application() -> None:
    hubs = HubApp({"/": Where, "/chat": Elsewhere})
    async with running(Router(routes=[Mount("/hubs", hubs)], lifespan=hubs.lifespan)) as served:
        for path in ("/hubs/chat", "/hubs/", "/hubs"):
            assert await asked_at(served, path) == path


async def test_an_application_without_a_hub_at_its_root_changes_nothing_where_it_is_mounted() -> None:
    hubs = HubApp({"/chat": Where})
    app = Starlette(routes=[Mount("/hubs", hubs)], lifespan=hubs.lifespan)
    async with running(app) as served:
        assert await asked_at(served, "/hubs/chat") == "/hubs/chat"
        assert (await request(served, "GET", "/hubs")).status == 307
    assert len(app.routes) == 1


@pytest.mark.parametrize("framework", [FastAPI, Starlette])
async def test_parameters_of_the_mounts_path_reach_the_hub(framework: Any) -> None:
    hubs = HubApp({"/": Where, "/chat": Elsewhere})
    app = framework(lifespan=hubs.lifespan)
    app.mount("/{tenant}/hubs", hubs)
    async with running(app) as served:
        for path in ("/acme/hubs/chat", "/acme/hubs", "/acme/hubs/"):
            async with connect(served, path) as client:
                assert await client.invoke("Tenant") == "acme"


async def test_without_a_mount_there_are_no_parameters() -> None:
    async with connect(HubApp({"/chat": Where}), "/chat") as client:
        assert await client.invoke("Tenant") is None
