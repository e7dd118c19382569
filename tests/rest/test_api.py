"""Who may publish, and requests that are refused."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from hubline import BackplaneError, ConfigurationError, Hub, HubApp
from hubline.backplanes import MemoryBackplane
from hubline.rest import RestApi
from hubline.testing import connect, running
from tests.rest.publisher import HOST, KEY, VERSION, Publisher, path, publisher, signed, token_for
from tests.rest.site import Chat, hub_app, site

SEND = f"{HOST}/api/hubs/chat/:send"
DAY = 86_400
OTHER_KEY = "another-access-key-of-the-same-service-as-before"


@pytest.fixture
async def rest() -> AsyncIterator[Publisher]:
    async with running(site()) as app, publisher(app) as made:
        yield made


async def posted(rest: Publisher, authorization: str | None, url: str = SEND, **more: Any) -> httpx.Response:
    headers = {} if authorization is None else {"Authorization": authorization}
    body = {"json": {"target": "Told"}} | more
    return await rest.client.post(f"{url}?api-version={VERSION}", headers=headers, **body)


def bearer(url: str = SEND, **claims: Any) -> str:
    return f"Bearer {token_for(url, **claims)}"


def claims(**more: Any) -> dict[str, Any]:
    return {"aud": SEND, "exp": int(time.time()) + DAY} | more


@pytest.mark.parametrize(
    "authorization",
    [
        bearer(),
        bearer().replace("Bearer", "bearer"),
        bearer(f"{SEND}/"),
        bearer("HTTP://Service.Test:80/api/hubs/chat/%3Asend"),
        bearer(aud=["http://elsewhere.test", SEND]),
        bearer(nameid="server_1", nbf=int(time.time()), iat=int(time.time())),
        f"Bearer {signed(claims(), OTHER_KEY)}",
    ],
)
async def test_tokens_that_are_valid(authorization: str) -> None:
    settings = {"access_keys": [f"Endpoint=https://x.example;AccessKey={KEY};Version=1.0;", OTHER_KEY]}
    async with running(site(settings=settings)) as app, publisher(app) as rest:
        assert (await posted(rest, authorization)).status_code == 202


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Basic eDp5",
        "Bearer x.y.z",
        f"Bearer {signed(claims(), OTHER_KEY)}",
        f"Bearer {signed(claims(), '')}",
        f"Bearer {signed(claims(), algorithm='none')}",
        f"Bearer {signed(claims(), algorithm='HS512')}",
        f"Bearer {signed({'aud': SEND})}",
        bearer(exp=int(time.time()) - 60),
        bearer(nbf=int(time.time()) + DAY),
        bearer(aud=None),
        bearer(aud=7),
        bearer(aud=[]),
        bearer(aud="http://[bad"),
        bearer(HOST),
        bearer(f"{HOST}/api/hubs/chat"),
        bearer(SEND.replace("http:", "https:")),
        bearer(SEND.replace("service.test", "service.test:8080")),
        bearer(SEND.replace("service", "other")),
        bearer(SEND.replace("chat", "news")),
        bearer(SEND.replace("/:send", "/:closeConnections")),
        bearer(SEND.replace("/:send", "/users/ada/:send")),
    ],
)
async def test_tokens_that_are_not(rest: Publisher, authorization: str | None) -> None:
    found = await posted(rest, authorization)
    assert found.status_code == 401
    assert found.headers["www-authenticate"].startswith("Bearer")
    assert found.headers["x-ms-error-code"] == found.json()["code"] == "Unauthorized"
    assert KEY not in found.text


async def test_the_audience_that_is_needed_is_told_as_publishers_write_it(rest: Publisher) -> None:
    found = await posted(rest, bearer(HOST))
    assert found.json()["message"] == f"The token is not for {SEND}, the audience that this address needs."


async def test_a_token_for_one_name_is_none_for_another_that_decodes_to_the_same_path(rest: Publisher) -> None:
    url = f"{HOST}/api/hubs/chat/users/a%2F:send/:send"
    assert (await posted(rest, bearer(url.replace("%2F", "/")), url)).status_code == 401
    assert (await posted(rest, bearer(url), url)).status_code == 202
    assert (await posted(rest, bearer(url.replace("%2F", "%2f")), url)).status_code == 202


@pytest.mark.parametrize(
    ("endpoint", "mount", "audience"),
    [
        ("https://rt.example.com", "/api", "https://rt.example.com/api"),
        ("https://rt.example.com/", "/inner/api", "https://rt.example.com/api"),
        ("https://rt.example.com:8443/live", "/api", "https://rt.example.com:8443/live/api"),
    ],
)
async def test_behind_a_proxy_the_audience_is_the_address_that_publishers_know(
    endpoint: str, mount: str, audience: str
) -> None:
    app = hub_app()
    api = RestApi(app, {"chat": Chat}, access_keys=[KEY], endpoint=endpoint)
    async with running(Starlette(routes=[Mount(mount, api)], lifespan=app.lifespan)) as outer, publisher(outer) as rest:
        url = f"{HOST}{mount}/hubs/chat/:send"
        assert (await posted(rest, bearer(f"{audience}/hubs/chat/:send"), url)).status_code == 202
        assert (await posted(rest, bearer(url), url)).status_code == 401


async def test_with_a_root_path_and_without_a_raw_path() -> None:
    app = hub_app()
    inner = site(app)
    outer = Starlette(routes=[Mount("/live", inner)], lifespan=app.lifespan)

    async def bare(scope: Any, receive: Any, send: Any) -> None:
        scope.pop("raw_path", None)
        await outer(scope, receive, send)

    async with running(outer), connect(outer, "/live/chat") as client:
        connection = await client.invoke("Ready")
        for served in (outer, bare):
            async with publisher(served) as rest:
                rest.hub = f"{HOST}/live/api/hubs/chat"
                assert await rest.send(path("connections", connection), "Told") == 202
                assert await client.expect("Told") == []


@pytest.mark.parametrize(
    ("content", "media_type", "status"),
    [
        (b"", "application/json", 400),
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b'"x"', "application/json", 400),
        (b'{"arguments":[]}', "application/json", 400),
        (b'{"target":""}', "application/json", 400),
        (b'{"target":1}', "application/json", 400),
        (b'{"target":"T","arguments":{}}', "application/json", 400),
        (b'{"target":"T","arguments":[NaN]}', "application/json", 400),
        (b'{"target":"T","arguments":[1e999]}', "application/json", 400),
        (b'{"target":"T","arguments":["\xff"]}', "application/json", 400),
        (b'{"target":"T","arguments":["\\ud800"]}', "application/json", 400),
        (b'{"target":"T","arguments":[' + b"[" * 100_000 + b"]" * 100_000 + b"]}", "application/json", 400),
        (b'{"target":"T"}', "application/json; charset=utf-8", 202),
        (b'{"target":"T"}', "", 202),
        (b'{"target":"T"}', "text/plain", 415),
        (b"\x81", "application/x-msgpack", 400),
        (b"\x81\xa6target\xa1T", "application/x-msgpack", 202),
        (b"\x81\xa6target\xa1T", "application/octet-stream", 415),
        (b'{"target":"' + b"x" * (1_048_576 - 13) + b'"}', "application/json", 202),
        (b'{"target":"' + b"x" * (1_048_576 - 12) + b'"}', "application/json", 413),
    ],
)
async def test_bodies(rest: Publisher, content: bytes, media_type: str, status: int) -> None:
    headers = {"content-type": media_type} if media_type else {}
    found = await rest.request("POST", "/:send", content=content, headers=headers)
    assert found.status_code == status, found.text
    if status != 202:
        assert found.json()["code"] == found.headers["x-ms-error-code"]


async def test_a_body_without_a_length_is_counted_as_it_comes(rest: Publisher) -> None:
    """It is read to its end, so that its sender reads the answer; but not if it has no end."""
    read = 0

    async def parts(number: int) -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(number):
            read += 1
            yield b" " * 65_536

    assert (await rest.request("POST", "/:send", content=parts(20))).status_code == 413
    assert read == 20
    assert (await rest.request("POST", "/:send", content=parts(1_000))).status_code == 413
    assert read == 20 + 8 * 16 + 1


@pytest.mark.parametrize(
    ("url", "status"),
    [
        ("/api/hubs/nothing/:send", 404),
        ("/api/hubs/1chat/:send", 400),
        ("/api/hubs/ch%2Fat/:send", 400),
        ("/api/hubs/chat/:send?api-version=2019-01-01", 400),
        ("/api/hubs/chat/:send?", 400),
        ("/api/hubs/CHAT/:SEND", 202),
        ("/api/hubs/chat/users/ada/:send", 202),
        ("/api/hubs/chat/users//:send", 404),
        ("/api/hubs/chat/users", 404),
        ("/api/hubs/chat", 404),
        ("/api/hubs", 404),
        ("/api/", 404),
        ("/api/hubs/chat/users/%FF/:send", 400),
        ("/api/v1/hubs/chat", 404),
        ("/api/hubs/chat/:execute", 404),
        ("/api/hubs/chat/groups/g", 405),
    ],
)
async def test_addresses(rest: Publisher, url: str, status: int) -> None:
    headers = {"Authorization": f"Bearer {token_for(HOST + url)}"}
    query = "" if "?" in url else f"?api-version={VERSION}"
    found = await rest.client.post(f"{HOST}{url}{query}", json={"target": "Told"}, headers=headers)
    assert found.status_code == status, found.text


async def test_a_method_that_an_address_does_not_have_names_those_that_it_has(rest: Publisher) -> None:
    found = await rest.request("PATCH", path("users", "ada", "groups", "g"))
    assert (found.status_code, found.headers["allow"]) == (405, "HEAD, PUT, DELETE")


async def test_the_name_of_an_application_precedes_that_of_the_hub() -> None:
    app = hub_app()
    api = RestApi(app, {"App_Chat": Chat}, access_keys=[KEY])
    async with running(app), publisher(api) as rest:  # not mounted: its paths begin at the root
        rest.hub = f"{HOST}/hubs/chat"
        assert await rest.status("HEAD", path("users", "x"), ("application", "app")) == (404, "Warning.User.NotExisted")
        assert await rest.status("HEAD", path("users", "x")) == (404, "NotFound")
        assert await rest.status("HEAD", path("users", "x"), ("application", "a b")) == (400, "BadRequest")


async def test_health_needs_no_token() -> None:
    app = hub_app()
    async with running(site(app)) as outer, publisher(outer) as rest:
        for method in ("HEAD", "GET"):
            assert (await rest.client.request(method, f"{HOST}/api/health?api-version={VERSION}")).status_code == 200
        await app.drain()
        assert (await rest.client.head(f"{HOST}/api/health")).status_code == 503


async def test_answers_to_head_have_no_body_and_none_is_cached(rest: Publisher) -> None:
    found = await rest.request("HEAD", path("users", "nobody"))
    assert (found.content, found.headers["cache-control"]) == (b"", "no-store")
    assert found.headers["x-ms-error-code"] == "Warning.User.NotExisted"


async def test_too_many_requests_at_once() -> None:
    async with running(site(settings={"maximum_requests": 1})) as app, connect(app, "/chat") as client:
        asked, go = asyncio.Event(), asyncio.Event()

        async def wait() -> str:
            asked.set()
            await go.wait()
            return "done"

        client.on("Wait", wait)
        async with publisher(app) as rest:
            waiting = asyncio.gather(rest.invoke(str(client.connection_id), "Wait"))
            await asked.wait()
            refused = await rest.request("POST", "/:send", json={"target": "Told"})
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            go.set()
            ((answered),) = await waiting
            assert answered.json() == {"result": "done"}
            assert await rest.send("", "Told") == 202


async def test_a_backplane_that_is_away_and_an_error_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    class Away(MemoryBackplane):
        async def connect(self, listener: Any) -> Any:
            raise BackplaneError("it is gone")

    api = RestApi(hub_app(backplane=Away()), {"chat": Chat}, access_keys=[KEY])
    async with publisher(api) as rest:
        rest.hub = f"{HOST}/hubs/chat"
        found = await rest.request("POST", "/:send", json={"target": "Told"})
        assert (found.status_code, json.loads(found.text)["message"]) == (503, "it is gone")
        api._hubs["chat"].connections.close = None  # type: ignore[assignment, method-assign]
        caplog.clear()
        assert (await rest.status("POST", "/:closeConnections"))[0] == 500
        assert "TypeError" in caplog.text


async def test_a_client_that_hangs_up_in_the_middle_of_its_body(caplog: pytest.LogCaptureFixture) -> None:
    api = RestApi(hub_app(), {"chat": Chat}, access_keys=[KEY])
    url = f"{HOST}/hubs/chat/:send"
    headers = [(b"host", b"service.test"), (b"authorization", bearer(url).encode())]
    scope: dict[str, Any] = {
        "type": "http",
        "method": "POST",
        "scheme": "http",
        "path": "/hubs/chat/:send",
        "headers": headers,
    }
    scope["query_string"] = f"api-version={VERSION}".encode()
    events = [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    answered = []

    async def receive() -> Any:
        return events.pop(0)

    async def send(event: Any) -> None:
        answered.append(event.get("status"))

    await api(scope, receive, send)
    assert answered[0] == 400
    assert caplog.records == []


async def test_a_websocket_is_refused() -> None:
    api = RestApi(hub_app(), {"chat": Chat}, access_keys=[KEY])
    sent = []

    async def send(event: Any) -> None:
        sent.append(event)

    await api({"type": "websocket", "path": "/"}, None, send)  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1000, "reason": ""}]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"hubs": {}}, "hubs must not be empty"),
        ({"hubs": ["chat"]}, "hubs must be a dict"),
        ({"hubs": {"a b": Chat}}, "'a b' cannot be the name of a hub"),
        ({"hubs": {"a": Chat, "A": Chat}}, "'A' is there twice"),
        ({"hubs": {"a": Hub}}, "the app has no hub Hub"),
        ({"access_keys": []}, "access_keys must not be empty"),
        ({"access_keys": KEY}, "access_keys must be a list of texts"),
        ({"access_keys": ["short"]}, "the secret has 5 bytes"),
        ({"access_keys": ["Endpoint=https://x.example;Version=1.0;"]}, "has no AccessKey"),
        ({"endpoint": "rt.example.com"}, "endpoint must begin with"),
        ({"endpoint": 1}, "endpoint must be a text"),
        ({"maximum_body_size": 0}, "maximum_body_size must be"),
        ({"maximum_requests": True}, "maximum_requests must be"),
        ({"app": None}, "app must be a HubApp"),
    ],
)
def test_mistakes_in_settings(settings: dict[str, Any], problem: str) -> None:
    given: dict[str, Any] = {"app": HubApp({"/chat": Chat}), "hubs": {"chat": Chat}, "access_keys": [KEY]} | settings
    with pytest.raises(ConfigurationError, match=problem):
        RestApi(given.pop("app"), given.pop("hubs"), **given)
