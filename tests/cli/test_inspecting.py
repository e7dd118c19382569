"""`hubline inspect` against a small server of this process, and `hubline run --try` before it serves."""

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from hubline.cli import inspecting
from hubline.cli.commands import commands
from hubline.cli.inspecting import address_of, age, rates, size, view
from hubline.errors import ConfigurationError

PROCESS = {
    "pid": 7,
    "worker": None,
    "time": 10.0,
    "ready": True,
    "receivedMessages": 100,
    "writtenMessages": 1_000,
    "queuedBytes": 2_048,
    "droppedMessages": 3,
}
STATE: dict[str, Any] = {
    "processes": [PROCESS],
    "hubs": [
        {"name": "app.Chat", "paths": ["/chat"], "connections": 1, "groups": 1, "streams": 0, "waitingCalls": 0},
    ],
    "backplane": {"ready": True, "lag": 0.004, "gaps": 0},
    "connections": {
        "count": 4_000,
        "listed": [
            {
                "id": "c1",
                "hub": "/chat",
                "user": "[bold]ada",
                "transport": "WebSockets",
                "age": 7_300.0,
                "queuedBytes": 10,
            }
        ],
    },
    "groups": {"count": 1, "listed": [{"name": "readers", "hub": "app.Chat", "connections": 2}]},
    "runs": {
        "count": 1,
        "listed": [
            {"id": "r1", "state": "running", "room": None, "starter": None, "startedAt": "2026-01-01", "viewers": 2}
        ],
    },
}
ANSWERS: dict[str, tuple[int, str]] = {
    "/hubline/state": (200, ""),
    "/who/state": (401, ""),
    "/not/state": (403, ""),
    "/moved/state": (307, ""),
    "/broken/state": (500, ""),
    "/text/state": (200, "hello"),
    "/other/state": (200, '{"a": 1}'),
}


class Handler(BaseHTTPRequestHandler):
    asked = 0

    def do_GET(self) -> None:  # the name that the library calls
        status, text = ANSWERS.get(self.path, (404, ""))
        if self.path == "/hubline/state" and self.headers["authorization"] != "Bearer secret":
            status = 401
        Handler.asked += 1
        later = PROCESS | {"time": 10.0 + Handler.asked, "receivedMessages": 100 + 5 * Handler.asked}
        body = (text or json.dumps(STATE | {"processes": [later]})).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if status == 307:
            self.send_header("location", "http://elsewhere.test/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: Any) -> None: ...


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def command(*arguments: str) -> tuple[int, str]:
    found = CliRunner().invoke(commands, ["inspect", *arguments, "--every", "0.1"])
    return found.exit_code, found.output


def test_once_as_json_with_rates(url: str) -> None:
    status, output = command(url, "--token", "secret", "--json")
    assert status == 0
    found = json.loads(output)
    assert found["rates"] == {"receivedMessages": 5.0, "writtenMessages": 0.0}
    assert found["connections"] == STATE["connections"]


def test_a_table_where_there_is_no_terminal(url: str) -> None:
    status, output = command(url, "--token", "secret")
    assert status == 0
    assert "5 in, 0 out" in output
    assert "[bold]ada" in output, "what users are called is no markup"


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("", "401"),
        ("/who", "give the token of an administrator with --token"),
        ("/not", "refuses (403)"),
        ("/nothing", "nothing is mounted at"),
        ("/moved", "redirects to http://elsewhere.test/"),
        ("/broken", "status 500"),
        ("/text", "is no `Inspect` of Hubline"),
        ("/other", "is no `Inspect` of Hubline"),
    ],
)
def test_what_is_wrong(url: str, path: str, text: str) -> None:
    status, output = command(url + path, "--json")
    assert status == 1
    assert text in output


def test_no_server(url: str) -> None:
    for given, text in (("http://127.0.0.1:1", "no server answers"), ("ftp://host", "is not the address of a server")):
        status, output = command(given)
        assert status == 1
        assert text in output
    assert command(url, "--token", "two\nlines")[0] == 1, "no header has a line break"


def test_the_live_view_goes_on_until_ctrl_c(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    out, looks = io.StringIO(), iter([None])

    def wait(seconds: float) -> None:
        if next(looks, "over") == "over":
            raise KeyboardInterrupt

    monkeypatch.setattr("hubline.cli.inspecting.time.sleep", wait)
    monkeypatch.setattr(inspecting, "Console", lambda **_: Console(file=out, force_terminal=True, width=200))
    inspecting.run_inspect(url, {"Authorization": "Bearer secret"}, as_json=False, every=1)
    assert "5 in, 0 out" in out.getvalue()


def test_addresses() -> None:
    assert address_of("http://host:1") == "http://host:1/hubline/state"
    assert address_of("https://host/") == "https://host/hubline/state"
    assert address_of("http://host/admin/live/") == "http://host/admin/live/state"
    assert address_of("http://host/admin/state?x=1") == "http://host/admin/state"
    for wrong in ("host:8000", "http://[host", "http://host:port"):
        with pytest.raises(ConfigurationError):
            address_of(wrong)


def test_rates_are_those_of_the_processes_in_both_states() -> None:
    before = {"processes": [PROCESS, PROCESS | {"pid": 8}]}
    new = PROCESS | {"pid": 9, "receivedMessages": 10_000}
    same = PROCESS | {"pid": 8}
    later = PROCESS | {"time": 12.0, "receivedMessages": 110, "writtenMessages": 900}
    found = rates(before, {"processes": [later, same, new]})
    assert found == {"receivedMessages": 5.0, "writtenMessages": 0.0}, "a count that went back is no rate"


def test_the_view() -> None:
    console = Console(file=io.StringIO(), record=True, width=160)
    workers = [PROCESS, PROCESS | {"pid": 8, "ready": False}]
    console.print(view("http://host", STATE | {"processes": workers, "backplane": None}, None))
    text = console.export_text()
    for each in ("not ready", "workers", "4.0 KiB", "1 of 4,000", "2 h", "readers", "running"):
        assert each in text
    assert "backplane" not in text
    console.print(view("http://host", STATE | {"backplane": STATE["backplane"] | {"ready": False}}, None))
    assert "out of reach, 4 ms, 0 gaps" in console.export_text()


def test_names_that_users_chose_command_no_terminal() -> None:
    console = Console(file=(out := io.StringIO()), force_terminal=True, width=200)
    connection = STATE["connections"]["listed"][0] | {"user": "\x1b]52;c;AA==\x07\neve"}
    console.print(view("http://host", STATE | {"connections": {"count": 1, "listed": [connection]}}, None))
    assert "\\u001b]52;c;AA==\\u0007\\u000aeve" in out.getvalue()
    assert "\x1b]52" not in out.getvalue()


def test_units() -> None:
    assert [size(each) for each in (0, 1_023, 1_024, 5 << 20, 3 << 30, 1 << 41)] == [
        "0 B",
        "1023 B",
        "1.0 KiB",
        "5.0 MiB",
        "3.0 GiB",
        "2048.0 GiB",
    ]
    assert [age(each) for each in (1.4, 119, 120, 7_200)] == ["1 s", "119 s", "2 min", "2 h"]


@pytest.mark.parametrize("place", [("--host", "0.0.0.0"), ("--uds", "server.sock")])
def test_the_page_for_trying_is_never_served_to_others(place: tuple[str, str]) -> None:
    found = CliRunner().invoke(commands, ["run", "tests.inspect.application:app", "--try", *place])
    assert found.exit_code == 1
    assert "--try is for development, on this machine only" in found.output


def test_an_application_without_hubs_cannot_be_tried() -> None:
    found = CliRunner().invoke(commands, ["run", "tests.inspect.application:identify", "--try", "--port", "0"])
    assert found.exit_code == 1
    assert "has no hubs to try" in found.output
