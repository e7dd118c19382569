"""Starting the chat from a terminal."""

import errno
import fcntl
import io
import os
import re
import socket
import sqlite3
import subprocess
from pathlib import Path

import pytest
from pydantic import SecretStr
from rich.console import Console

from apps.chat.tests.harness import QUICK
from hubline_chat.accounts import administrator
from hubline_chat.accounts.administrator import NewPassword
from hubline_chat.accounts.passwords import Passwords
from hubline_chat.launch import TAKEN, Progress, listen, main
from hubline_chat.settings import ChatSettings

MAKEFILE = Path(__file__).parents[3] / "Makefile"


def console() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, highlight=False, width=200), out


def test_a_port_in_use_is_said_and_the_next_free_one_is_taken() -> None:
    terminal, out = console()
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        sockets = listen(ChatSettings(port=port), terminal)
        taken = sockets[0].getsockname()[1]
        for sock in sockets:
            sock.close()
    assert taken > port
    assert f"Port {port} is in use, taking {taken}." in out.getvalue()


def test_an_address_of_another_machine_is_an_error() -> None:
    with pytest.raises(OSError, match=str(errno.EADDRNOTAVAIL)):
        listen(ChatSettings(host="192.0.2.1", port=0), console()[0])


def test_progress_without_a_terminal_is_one_line_for_each_step() -> None:
    terminal, out = console()
    with Progress(terminal, ChatSettings(data=Path("/data"))) as progress:
        progress.listening("http://127.0.0.1:8000")
        progress.model("starting", "loading SmolLM2")
        progress.model("ready", "SmolLM2 is ready")
        progress.model("starting", "starting SmolLM2 again: killed")
        progress.model("failed", "no memory")
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "✓ Hubline Chat is open at http://127.0.0.1:8000",
        "Two people in two windows: http://127.0.0.1:8000/?guest in each. Ctrl+C ends it.",
        "What is said is kept in /data/hubline-chat.db",
        "… Assistant: loading SmolLM2",
        "✓ Assistant: SmolLM2 is ready",
        "… Assistant: starting SmolLM2 again: killed",
        "✗ Assistant: no memory",
    ]


def test_an_endpoint_is_named_and_not_praised_before_it_was_asked() -> None:
    terminal, out = console()
    with Progress(terminal, ChatSettings(model_url="http://127.0.0.1:11434/v1", model="llama3.2")) as progress:
        progress.model("ready", None)
    assert "llama3.2 at http://127.0.0.1:11434/v1, which the first question will try" in out.getvalue()


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("HUBLINE_CHAT_PORT", "99999", "✗ HUBLINE_CHAT_PORT is '99999': input should be less than or equal to 65535"),
        ("HUBLINE_CHAT_MODEL_SLOTS", "many", "✗ HUBLINE_CHAT_MODEL_SLOTS is 'many': input should be a valid integer"),
    ],
)
def test_a_wrong_setting_is_told_by_the_name_under_which_it_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str, said: str
) -> None:
    monkeypatch.setenv(name, value)
    assert main() == 2
    assert capsys.readouterr().out.startswith(said)


def test_wrong_settings_are_told_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HUBLINE_CHAT_MODEL_URL", "http://127.0.0.1/v1")
    monkeypatch.delenv("HUBLINE_CHAT_MODEL", raising=False)
    assert main() == 2
    assert capsys.readouterr().out.strip() == (
        "✗ HUBLINE_CHAT_MODEL_URL is set, so HUBLINE_CHAT_MODEL must name the model"
    )


@pytest.fixture
def _nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No settings but a directory of our own; and no server: it would run until Ctrl+C."""
    for name in [name for name in os.environ if name.startswith("HUBLINE_CHAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HUBLINE_CHAT_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(administrator, "Passwords", lambda: Passwords(QUICK))


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("mysql://ada:secret@localhost/x", "HUBLINE_CHAT_DATABASE begins with mysql: write sqlite:///path or"),
        ("postgresql://ada:secret@127.0.0.1:1/x", "cannot be used: connection failed"),
        ("sqlite:////proc/nowhere/chat.db", "the database /proc/nowhere/chat.db cannot be used"),
    ],
)
def test_a_database_that_cannot_be_used_is_one_line_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], url: str, said: str
) -> None:
    monkeypatch.setenv("HUBLINE_CHAT_DATABASE", url)
    assert main() == 2
    captured = capsys.readouterr()
    assert captured.out.startswith("✗ ")
    assert said in captured.out
    assert (len(captured.out.splitlines()), captured.err, "secret" in captured.out) == (1, "", False)


@pytest.mark.usefixtures("_nowhere")
def test_a_database_of_a_newer_version_is_one_line_and_status_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["reset-admin"]) == 0
    capsys.readouterr()
    with sqlite3.connect(tmp_path / "data" / "hubline-chat.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    assert main() == 2
    assert capsys.readouterr().out == (
        "✗ the database belongs to a newer version of Hubline Chat (its tables are 9999): update the program\n"
    )


@pytest.mark.usefixtures("_nowhere")
def test_a_second_chat_on_the_same_database_is_one_line_and_status_3(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["reset-admin"]) == 0
    capsys.readouterr()
    with (tmp_path / "data" / "hubline-chat.db.lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert main() == TAKEN
    told = capsys.readouterr().out
    assert told.startswith("✗ another Hubline Chat serves the database ")
    assert len(told.splitlines()) == 1


@pytest.mark.usefixtures("_nowhere")
def test_a_lost_password_is_replaced_from_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reset-admin"]) == 0
    first = capsys.readouterr().out
    assert main(["reset-admin"]) == 0
    second = capsys.readouterr().out
    assert re.search("The administrator is admin with the password .{16}\n", first)
    assert first != second


def test_the_database_is_told_without_its_password() -> None:
    terminal, out = console()
    with Progress(terminal, ChatSettings(database=SecretStr("postgresql://ada:secret@db/chat"))) as progress:
        progress.listening("http://127.0.0.1:8000")
    assert "What is said is kept in postgresql://ada:***@db/chat" in out.getvalue()


def test_make_chat_ends_well_when_a_chat_is_running_and_not_otherwise(tmp_path: Path) -> None:
    recipe = re.search(r"^chat:.*\n(?:\t.*\n)*", MAKEFILE.read_text("utf-8"), re.MULTILINE)
    assert recipe is not None
    *_, start = recipe[0].splitlines()
    for status, ended in ((0, 0), (1, 2), (2, 2), (TAKEN, 0)):
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\nexit {status}\n")
        program.chmod(0o755)
        (tmp_path / "Makefile").write_text(f"PY := {program}\nchat:\n{start}\n")
        done = subprocess.run(["make", "-C", str(tmp_path), "chat"], capture_output=True, check=False)
        assert (done.returncode, b"***" in done.stderr) == (ended, ended != 0)


def test_other_arguments_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reset"]) == 2
    assert capsys.readouterr().out.startswith("✗ unknown: reset. Write reset-admin")


@pytest.mark.parametrize("asked", ["--help", "-h"])
def test_help_names_what_can_be_done_and_set(asked: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([asked]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("python -m hubline_chat ")
    assert {"  HUBLINE_CHAT_PORT", "  HUBLINE_CHAT_DATA", "  HUBLINE_CHAT_MODELS"} < set(told)


def test_without_guests_nobody_is_sent_to_their_door() -> None:
    terminal, out = console()
    with Progress(terminal, ChatSettings(guests=False)) as progress:
        progress.listening("http://127.0.0.1:8000")
        progress.administrator(NewPassword("Root", "secret"))
    assert "?guest" not in out.getvalue()
    assert "The administrator is Root with the password secret" in out.getvalue()
