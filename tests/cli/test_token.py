import sys

import pytest
from typer.testing import CliRunner

from hubline import ConnectionScope
from hubline.auth.jwt import JwtBearer
from hubline.cli.commands import commands

KEY = "a secret of 32 bytes or more: yes"


def ran(*arguments: str, key: str | None = KEY) -> tuple[int, str, str]:
    result = CliRunner().invoke(commands, ["token", *arguments], env={"HUBLINE_TOKEN_KEY": key})
    return result.exit_code, result.stdout, result.stderr


async def test_the_token_is_printed_alone_and_is_accepted() -> None:
    status, printed, _ = ran("--sub", "alice", "--claim", "tier=premium", "--role", "admin", "--audience", "chat")
    assert status == 0
    token = printed.removesuffix("\n")
    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope = ConnectionScope({"type": "http", "path": "/", "headers": headers})
    found = await JwtBearer(KEY, algorithms=["HS256"], audience="chat")(scope)
    assert found is not None
    assert (found.user_id, found.claims["tier"], found.roles) == ("alice", "premium", frozenset({"admin"}))


def test_the_key_may_be_an_option() -> None:
    assert ran("--key", KEY, key=None)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "key", "problems"),
    [
        ((), None, ["there is no key: set HUBLINE_TOKEN_KEY, or give --key"]),
        ((), "short", ["the secret has 5 bytes, and HS256 needs 32 or more"]),
        (("--algorithm", "HS512"), KEY, ["the secret has 33 bytes, and HS512 needs 64 or more"]),
        (
            ("--claim", "tier", "--claim", "=x", "--algorithm", "RS256"),
            KEY,
            ["--claim 'tier': write NAME=VALUE", "--claim '': write NAME=VALUE", "--algorithm RS256: one of HS256"],
        ),
    ],
)
def test_what_is_wrong_is_said_without_the_key(
    arguments: tuple[str, ...], key: str | None, problems: list[str]
) -> None:
    status, printed, said = ran(*arguments, key=key)
    assert (status, printed) == (1, "")
    assert [problem for problem in problems if problem not in said] == []
    assert KEY not in said


def test_the_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "hubline.auth.jwt", raising=False)
    monkeypatch.setitem(sys.modules, "jwt", None)
    assert ran() == (1, "", "error: the package 'jwt' is missing: pip install 'hubline[jwt]'\n")


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "0"])
def test_how_long_it_is_valid_is_a_number(seconds: str) -> None:
    status, printed, said = ran("--expires", seconds)
    assert (status, printed, "Invalid value for '--expires'" in said) == (2, "", True)
