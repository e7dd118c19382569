"""Starting the chat from a terminal."""

import errno
import io
import socket

import pytest
from rich.console import Console

from hubline_chat.launch import Progress, listen, main
from hubline_chat.settings import ChatSettings


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
    with Progress(terminal, ChatSettings()) as progress:
        progress.listening("http://127.0.0.1:8000")
        progress.model("starting", "loading SmolLM2")
        progress.model("ready", "SmolLM2 is ready")
        progress.model("starting", "starting SmolLM2 again: killed")
        progress.model("failed", "no memory")
    assert [line.strip() for line in out.getvalue().splitlines()] == [
        "✓ Hubline Chat is open at http://127.0.0.1:8000",
        "Two people in two windows: http://127.0.0.1:8000/?guest in each. Ctrl+C ends it.",
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
