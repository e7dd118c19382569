from pathlib import Path

import pytest
from typer.testing import CliRunner

from hubline.cli.commands import commands

HUBS = """
from collections.abc import AsyncIterator
from typing import Protocol

from fastapi import FastAPI
from starlette.middleware.gzip import GZipMiddleware

from hubline import Hub, HubApp, all_of, allow_anonymous, any_of, authorize, hub_method

class ChatClient(Protocol):
    async def receive_message(self, user: str, message: str) -> None: ...
    async def double(self, number: int) -> int: ...

class ChatHub(Hub[ChatClient]):
    async def send_message(self, user: str, message: str = "") -> None: ...
    @hub_method(name="renamed")
    def blocking(self, value: list[int] | None) -> dict[str, int]: ...
    @authorize
    @authorize(policy="PremiumUser")
    async def ask(self, prompt: str) -> AsyncIterator[str]:
        yield prompt
    async def sum(self, numbers: AsyncIterator[int]) -> int:
        return 0

@authorize(roles=("admin", "staff"))
class EmptyHub(Hub):
    pass

@allow_anonymous
class OpenHub(EmptyHub):
    @authorize(roles="admin", policy=any_of("PremiumUser", all_of("Member", "PremiumUser")))
    async def tidy(self) -> None: ...

policies = dict.fromkeys(("PremiumUser", "Member"), lambda context: True)
hubs = HubApp({"/chat": ChatHub, "/empty": EmptyHub, "/open": OpenHub}, policies=policies)
app = FastAPI(lifespan=hubs.lifespan)
app.mount("/live", hubs)
wrapped = GZipMiddleware(app)
without = FastAPI()
"""

EXPECTED = """\
/live/chat  ChatHub
├── clients call
│   ├── Ask(prompt: str) -> stream of str  needs policy PremiumUser and any user
│   ├── renamed(value: list[int] | None) -> dict[str, int]  in a thread
│   ├── SendMessage(user: str, message: str = …)
│   └── Sum(numbers: stream of int) -> int
└── the server calls
    ├── Double -> int
    └── ReceiveMessage
/live/empty  EmptyHub  needs role admin or staff
├── clients call nothing
└── the server calls by name
/live/open  OpenHub
├── clients call
│   └── Tidy()  needs role admin and policy (PremiumUser or (Member and PremiumUser))
└── the server calls by name
"""

MISTAKES = """
from hubline import Hub, HubApp

class BrokenHub(Hub):
    async def first(self, *args: int) -> None: ...
    async def second(self, value: "Nowhere") -> None: ...
    async def send_it(self) -> None: ...
    async def sendIt(self) -> None: ...

app = HubApp({"/a": BrokenHub, "b": BrokenHub})
"""


def check(target: str, directory: Path) -> tuple[int, str]:
    result = CliRunner().invoke(commands, ["check", target, "--app-dir", str(directory)])
    return result.exit_code, result.output


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


def test_hubs_are_listed_with_signatures_streams_and_authorisation(directory: Path) -> None:
    (directory / "checked_hubs.py").write_text(HUBS)
    assert check("checked_hubs:app", directory) == (0, EXPECTED)


def test_middleware_is_looked_through_and_a_bare_app_has_no_prefix(directory: Path) -> None:
    (directory / "checked_wrapped.py").write_text(HUBS)
    assert check("checked_wrapped:wrapped", directory) == (0, EXPECTED)
    assert check("checked_wrapped:hubs", directory) == (0, EXPECTED.replace("/live", ""))


def test_an_application_without_hubs_is_a_mistake(directory: Path) -> None:
    (directory / "checked_without.py").write_text(HUBS)
    status, output = check("checked_without:without", directory)
    assert status == 1
    assert output.startswith("error: checked_without:without has no hubs")


def test_every_mistake_is_told_at_once(directory: Path) -> None:
    (directory / "checked_mistakes.py").write_text(MISTAKES)
    status, output = check("checked_mistakes:app", directory)
    assert status == 1
    lines = output.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    for part in ("BrokenHub.first", "BrokenHub.second", "BrokenHub.send", "'b' must begin with a slash"):
        assert any(part in line for line in lines), output


def test_an_app_without_lifespan_or_routes_has_no_hubs(directory: Path) -> None:
    (directory / "checked_bare.py").write_text("async def app(scope, receive, send): ...\n")
    assert check("checked_bare:app", directory)[0] == 1
