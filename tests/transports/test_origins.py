from typing import Any

import pytest

from hubline.errors import ConfigurationError
from hubline.transports.origins import Origins


def admits(allowed: list[str], *origins: str, host: str = "app.example", scheme: str = "http") -> bool:
    headers = [(b"host", each.encode()) for each in host.split()]
    headers += [(b"origin", origin.encode("latin-1")) for origin in origins]
    return Origins(allowed).admits({"headers": headers, "scheme": scheme})


@pytest.mark.parametrize(
    ("allowed", "origin", "admitted"),
    [
        ([], "https://app.example", True),
        ([], "http://APP.example", True),
        ([], "https://other.example", False),
        ([], "https://app.example:8443", False),
        ([], "null", False),
        ([], "", False),
        (["https://other.example"], "https://other.example", True),
        (["https://Other.Example"], "https://other.example", True),
        (["https://other.example"], "http://other.example", False),
        (["https://other.example"], "https://other.example:444", False),
        (["https://other.example"], "https://other.example.evil", False),
        (["https://other.example"], "https://evil.example", False),
        (["https://otherXexample"], "https://other.example", False),
        (["https://a.example", "https://b.example"], "https://b.example", True),
        (["https://*.example.com"], "https://a.b.example.com", True),
        (["https://*.example.com"], "https://example.com", False),
        (["https://*.example.com"], "https://evil.com/.example.com", False),
        (["https://*.example.com"], "https://evil.com#.example.com", False),
        (["https://*.example.com"], "https://evil.com@x.example.com", False),
        (["https://*.example.com"], "https://x.example.com.evil", False),
        (["https://*.example.com"], "https://evil-example.com", False),
        (["https://*.example.com"], "https://evil.com\\.example.com", False),
        (["https://*.example.com"], "https://evil.com:80.example.com", False),
        (["https://*.example.com"], "https://x.example.com:8443", False),
        (["https://*.example.com"], "https://x.example.com.", False),
        (["https://*.example.com"], "http://x.example.com", False),
        (["https://*.example.com"], "https://x.example.com\n", False),
        (["https://pr-*.example.com"], "https://pr-7.example.com", True),
        (["https://pr-*.example.com"], "https://7.example.com", False),
        (["https://other.example:443"], "https://other.example", True),
        (["http://other.example:80"], "http://other.example", True),
        (["http://other.example:443"], "http://other.example", False),
        (["http://[::1]:5173"], "http://[::1]:5173", True),
        (["https://*"], "https://anything.example", True),
        (["https://*"], "null", False),
        (["http://localhost:*"], "http://localhost", True),
        (["http://localhost:*"], "http://localhost:5173", True),
        (["http://localhost:*"], "http://localhost:80.evil.com", False),
        (["*"], "https://anything.example", True),
        (["*"], "null", True),
        (["*"], "capacitor://localhost", True),
        # apps and extensions
        ([], "capacitor://localhost", False),
        (["capacitor://localhost"], "capacitor://localhost", True),
        (["capacitor://localhost"], "capacitor://localhost.evil", False),
        (["capacitor://localhost"], "capacitor://localhost:8080", False),
        (["capacitor://localhost"], "ionic://localhost", False),
        (["capacitor://localhost"], "http://localhost", False),
        (["capacitor://localhost"], "capacitor:localhost", False),
        (["ionic://localhost"], "ionic://localhost", True),
        (["tauri://localhost"], "tauri://localhost", True),
        (["http://tauri.localhost"], "http://tauri.localhost", True),
        (["app://"], "app://", True),
        (["app://"], "app://other", False),
        (["app://-"], "app://-", True),
        (["app://."], "app://.", True),
        (["app://."], "app://x", False),
        (["app://obsidian.md"], "app://obsidian.md", True),
        (["file://"], "file://", True),
        (
            ["chrome-extension://abcdefghijklmnopabcdefghijklmnop"],
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            True,
        ),
        (
            ["chrome-extension://abcdefghijklmnopabcdefghijklmnop"],
            "chrome-extension://bbcdefghijklmnopabcdefghijklmnop",
            False,
        ),
        (["chrome-extension://*"], "chrome-extension://abcdefghijklmnopabcdefghijklmnop", True),
        (["chrome-extension://*"], "moz-extension://abcdefghijklmnopabcdefghijklmnop", False),
        (["moz-extension://*"], "moz-extension://0f2d0a2c-6e2f-4b1c-9d7e-1a2b3c4d5e6f", True),
        (["safari-web-extension://0F2D0A2C-6E2F"], "safari-web-extension://0f2d0a2c-6e2f", True),
        (["safari-web-extension://*"], "safari-web-extension://0F2D0A2C-6E2F", True),
        (["com.example.app://localhost"], "comXexample.app://localhost", False),
        # only what has been written
        (["null"], "null", True),
        (["null"], "https://null", False),
        (["null"], "nullx", False),
        (["null", "https://a.example"], "https://evil.example", False),
        (["capacitor://localhost", "https://a.example"], "null", False),
        (["app://"], "null", False),
    ],
)
def test_whom_the_list_admits(allowed: list[str], origin: str, admitted: bool) -> None:
    assert admits(allowed, origin) is admitted


@pytest.mark.parametrize(
    ("origin", "host", "own"),
    [
        ("https://app.example", "APP.example", True),
        ("https://app.example", "app.example:443", True),
        ("https://app.example:443", "app.example", True),
        ("http://app.example", "app.example:80", True),
        ("http://app.example", "app.example:443", False),
        ("https://app.example", "app.example:80", False),
        ("https://app.example:8443", "app.example:8443", True),
        ("https://app.example:8443", "app.example", False),
        ("http://[::1]:8000", "[::1]:8000", True),
        ("http://[2001:DB8::1]", "[2001:db8::1]", True),
        ("http://[::1]", "[::2]", False),
        ("https://app.example.", "app.example.", True),
        ("https://app.example.", "app.example", False),
        ("https://app.example@evil.example", "app.example", False),
        ("https://evil.example@app.example", "app.example", False),
        ("https://app.example.evil.example", "app.example", False),
        ("https://app.example/", "app.example", False),
        ("https://app.example ", "app.example", False),
        ("ftp://app.example", "app.example", False),
        ("chrome-extension://app.example", "app.example", False),
        ("app.example", "app.example", False),
        ("https://\xe4pp.example", "\xe4pp.example", False),
        ("null", "null", False),
        ("null", "", False),
        ("https://", "", False),
        ("https://app.example", "", False),
        ("https://app.example", "app.example evil.example", False),
        ("https://app.example", "evil.example@app.example", False),
    ],
)
def test_the_servers_own_origin_is_its_host_with_the_port(origin: str, host: str, own: bool) -> None:
    assert admits([], origin, host=host) is own


@pytest.mark.parametrize(
    ("origin", "scheme", "own"),
    [
        ("https://app.example", "https", True),
        ("https://app.example", "wss", True),
        ("http://app.example", "https", False),
        ("http://app.example", "wss", False),
        ("http://app.example", "http", True),
        ("http://app.example", "ws", True),
        ("https://app.example", "http", True),
        ("https://app.example", "ws", True),
    ],
)
def test_a_page_that_anybody_on_the_line_can_change_is_not_a_secure_servers_own(
    origin: str, scheme: str, own: bool
) -> None:
    assert admits([], origin, scheme=scheme) is own
    assert admits([origin], origin, scheme=scheme), "unless it is listed"


def test_what_is_no_browser_names_no_origin_and_may() -> None:
    assert admits([])


def test_of_several_origins_all_must_be_admitted() -> None:
    assert not admits([], "https://app.example", "https://evil.example")
    assert admits(["https://b.example"], "https://app.example", "https://b.example")


@pytest.mark.parametrize(
    "origin",
    [
        "example.com",
        "https://a.example/",
        "https://a.example/path",
        "ftp://a",
        "https://",
        "https://user@a.example",
        "https://a.example:port",
        "https://a.example:1:2",
        "https://b\u00fccher.example",
        "wss://a.example",
        "capacitor:localhost",
        "capacitor://localhost/",
        "://localhost",
        "Null",
        "",
    ],
)
def test_what_is_no_origin_is_refused_with_a_hint(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="is no origin: write `https://host`"):
        Origins([origin])


@pytest.mark.parametrize(
    "origin",
    ["https://*example.com", "https://example.*", "https://*-a.example", "https://*.", "https://a.*", "https://**"],
)
def test_a_pattern_that_admits_hosts_of_others_is_refused_with_a_hint(origin: str) -> None:
    with pytest.raises(ConfigurationError, match="would admit hosts of others: behind a `\\*` write a dot"):
        Origins([origin])


def test_every_mistake_is_named() -> None:
    with pytest.raises(ConfigurationError) as caught:
        Origins(["a", "https://fine.example", "b"])
    assert len(caught.value.problems) == 2


async def application(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def ask(
    allowed: list[str], method: str, *, others: list[str] | None = None, **headers: str
) -> tuple[int, dict[str, str]]:
    scope = {
        "type": "http",
        "method": method,
        "path": "/hub",
        "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
    }
    sent: list[Any] = []

    async def send(event: Any) -> None:
        sent.append(event)

    await Origins(allowed, others or []).cors(application)(scope, None, send)  # type: ignore[arg-type]
    return sent[0]["status"], {name.decode(): value.decode() for name, value in sent[0]["headers"]}


def test_without_other_origins_there_is_no_cors() -> None:
    assert Origins([]).cors(application) is application


@pytest.mark.parametrize(
    ("allowed", "origin"),
    [
        ("https://a.example", "https://a.example"),
        ("*", "https://a.example"),
        ("https://A.example", "https://a.example"),
        ("https://*.example", "https://a.example"),
        ("capacitor://localhost", "capacitor://localhost"),
        ("moz-extension://*", "moz-extension://0f2d0a2c-6e2f"),
        ("safari-web-extension://*", "safari-web-extension://0F2D0A2C-6E2F"),
        ("app://", "app://"),
        ("null", "null"),
    ],
)
async def test_the_origin_is_answered_with_credentials_and_never_a_star(allowed: str, origin: str) -> None:
    status, headers = await ask([allowed], "GET", origin=origin)
    assert status == 200
    assert headers["access-control-allow-origin"] == origin
    assert headers["access-control-allow-credentials"] == "true"
    assert "Origin" in headers["vary"]


async def test_another_origin_gets_no_permission() -> None:
    _, headers = await ask(["https://a.example"], "GET", origin="https://evil.example")
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_a_preflight_allows_what_official_clients_send(method: str) -> None:
    status, headers = await ask(
        ["https://a.example"],
        "OPTIONS",
        origin="https://a.example",
        access_control_request_method=method,
        access_control_request_headers="authorization,content-type,x-requested-with,x-signalr-user-agent",
    )
    assert status == 200
    assert headers["access-control-allow-origin"] == "https://a.example"
    assert headers["access-control-allow-credentials"] == "true"
    assert method in headers["access-control-allow-methods"]


@pytest.mark.parametrize(
    ("origin", "method", "header"),
    [
        ("https://evil.example", "GET", "content-type"),
        ("https://a.example", "PUT", "content-type"),
        ("https://a.example", "GET", "x-other"),
    ],
)
async def test_a_preflight_for_anything_else_is_refused(origin: str, method: str, header: str) -> None:
    status, headers = await ask(
        ["https://a.example"],
        "OPTIONS",
        origin=origin,
        access_control_request_method=method,
        access_control_request_headers=header,
    )
    assert status == 400
    assert headers.get("access-control-allow-origin") == (None if "evil" in origin else origin)
    assert headers["vary"].startswith("Origin")


@pytest.mark.parametrize(
    ("allowed", "asked", "status"),
    [
        (["X-CSRF-Token"], "x-csrf-token,content-type", 200),
        (["X-CSRF-Token"], "X-CSRF-TOKEN", 200),
        (["X-CSRF-Token"], "x-csrf-token,x-other", 400),
        (["traceparent", "tracestate"], "authorization,traceparent,tracestate", 200),
        (["*"], "x-whatever", 200),
    ],
)
async def test_a_preflight_may_ask_for_the_headers_that_are_named_besides(
    allowed: list[str], asked: str, status: int
) -> None:
    answer, headers = await ask(
        ["capacitor://localhost"],
        "OPTIONS",
        others=allowed,
        origin="capacitor://localhost",
        access_control_request_method="POST",
        access_control_request_headers=asked,
    )
    assert answer == status
    assert headers["access-control-allow-origin"] == "capacitor://localhost"
    assert headers["access-control-allow-credentials"] == "true"
    if status == 200:
        answered = {name.strip().lower() for name in headers["access-control-allow-headers"].split(",")}
        assert answered >= set(asked.lower().split(","))


@pytest.mark.parametrize(
    ("origins", "headers", "problem"),
    [
        (["*"], ["x csrf"], "allowed_headers: 'x csrf' is no name of a header"),
        (["*"], [""], "allowed_headers: '' is no name of a header"),
        ([], ["x-csrf"], "allowed_headers is for pages of other origins: name them in allowed_origins"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused(origins: Any, headers: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Origins(origins, headers)
    assert caught.value.problems == (problem,)
