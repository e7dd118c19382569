"""`hubline client` on a scripted server. With a real one: tests/interop/test_python_client_uses.py."""

import asyncio
import io
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput
from rich.console import Console
from typer.testing import CliRunner

from hubline.cli.client import Terminal, cancelled_by_signal, shown
from hubline.cli.commands import commands
from hubline.cli.lines import PipedLines, PromptLines
from hubline.client import HubConnection
from hubline.errors import ConfigurationError, ConnectionClosed
from hubline.testing import ManualClock, settle
from hubline.wire.messages import Completion
from tests.client.scripted import URL, Script, clock, script

fixtures = (clock, script)


class Keyboard:
    """Somebody who types."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()

    async def type(self, line: str | None) -> None:
        self._lines.put_nowait(line)
        await settle()

    async def read(self) -> str | None:
        return await self._lines.get()


class Seat:
    """A terminal with somebody in front of it."""

    def __init__(self, hub: HubConnection, *, interactive: bool = False) -> None:
        self.out, self.errors, self.keyboard = io.StringIO(), io.StringIO(), Keyboard()
        self.terminal = Terminal(hub, Console(file=self.out), Console(file=self.errors, width=1_000))
        talk = self.terminal.talk(self.keyboard, interactive=interactive)
        self.talk = asyncio.ensure_future(talk)
        self.type = self.keyboard.type

    def printed(self) -> list[str]:
        """What has been printed since the last look."""
        found = self.out.getvalue().splitlines()
        self.out.seek(0)
        self.out.truncate()
        return found


@pytest.fixture
async def seat(script: Script, clock: ManualClock) -> AsyncIterator[Seat]:
    found = Seat(HubConnection(URL, clock=clock))
    await settle()
    yield found
    if not found.talk.done():
        await found.type(None)
    await found.talk


async def test_calls_and_streams(script: Script, seat: Seat) -> None:
    await seat.type('Send hello "x" 1')
    assert script.peer.heard(1)[-1]["arguments"] == ["hello", "x", 1]
    script.peer.answer("0", {"a": "ż"})
    await settle()
    assert seat.printed() == ['{"a":"ż"}']
    await seat.type("invoke stream")
    assert script.peer.heard(1)[-1]["target"] == "stream"
    script.peer.answer("1", None)
    await seat.type("send Tell 1")
    assert "invocationId" not in script.peer.heard(1)[-1]
    await seat.type('stream Ask "to be"')
    script.peer.item("2", "to", "be")
    script.peer.answer("2", None)
    await settle()
    assert seat.printed() == ['"to"', '"be"']
    await seat.type("state")
    await seat.type("help")
    first, *rest = seat.printed()
    assert first == "connected as id"
    assert len(rest) > 10
    assert {"Send", "Tell", "Ask"} <= seat.terminal.words
    await seat.type("quit")
    assert await seat.talk == 0
    assert script.peer.closed


async def test_what_the_hub_calls(script: Script, seat: Seat) -> None:
    script.peer.call("ReceiveMessage", "Ada", [1])
    await settle()
    assert seat.printed() == ['< ReceiveMessage "Ada" [1]']
    await seat.type("on Confirm true")
    script.peer.call("Confirm", "sure?", id="7")
    await settle()
    assert script.peer.heard(3)[-1]["result"] is True
    await seat.type("off Confirm")
    script.peer.call("Confirm", "sure?", id="8")
    await settle()
    assert script.peer.heard(3)[-1]["error"] == "Client didn't provide a result."
    assert seat.printed() == ['< Confirm "sure?"'] * 2
    await seat.type("wait ReceiveMessage")
    await seat.type("wait ReceiveMessage")
    await seat.type("state")
    assert seat.printed() == [], "the second one waits"
    script.peer.call("ReceiveMessage")
    await settle()
    assert seat.printed() == ["< ReceiveMessage", "connected as id"]


async def test_what_a_hub_says_commands_no_terminal(script: Script, seat: Seat) -> None:
    script.peer.call("\x1b]0;title\x07\n< Other", "\x9b31m\u202e")
    await settle()
    assert seat.printed() == ['< \\u001b]0;title\\u0007\\u000a< Other "\\u009b31m\\u202e"']
    await seat.type("Fail")
    script.peer.say(Completion(invocation_id=script.peer.heard(1)[-1]["invocationId"], error="\x1b[2Jtwo\nlines"))
    await settle()
    assert seat.errors.getvalue() == "error: Fail: \\u001b[2Jtwo\nlines\n"
    assert shown({(1, "\x9b"): 1}) == "{(1, '\\x9b'): 1}"


async def test_a_run(script: Script, seat: Seat) -> None:
    await seat.type("run r")
    assert script.peer.heard(4)[-1]["arguments"] == ["r", None]
    end: dict[str, Any] = {
        "kind": "end",
        "state": "completed",
        "error": None,
        "usage": [],
        "unread": [],
        "position": "z",
    }
    script.peer.item("0", end)
    await settle()
    assert seat.printed()[0].startswith('{"kind":"end"')


def joined(position: str, *said: str) -> dict[str, Any]:
    epoch, _, number = position.rpartition("-")
    first = int(number) - len(said) + 1
    messages = [{"position": f"{epoch}-{first + n}", "at": "", "by": "bob", "data": d} for n, d in enumerate(said)]
    members = [{"key": "u:bob", "user": "bob"}]
    return {"position": position, "complete": True, "messages": messages, "members": members}


async def test_a_room_is_joined_again_after_a_loss_and_left_at_the_end(
    script: Script, seat: Seat, clock: ManualClock
) -> None:
    await seat.type("room kitchen")
    assert script.peer.heard(1)[-1]["arguments"][:2] == ["kitchen", None]
    script.peer.answer("0", joined("e-1", "tea?"))
    await settle()
    message, members = seat.printed()
    assert message.startswith('< RoomMessage "kitchen" {"position":"e-1"')
    assert members == '< RoomPresence "kitchen" {"kind":"members","members":["bob"]}'
    script.peer.call("RoomPresence", "kitchen", {"kind": "leave", "member": {"key": "u:bob", "user": "bob"}})
    await settle()
    assert seat.printed()[0].startswith('< RoomPresence "kitchen" {"kind":"leave","member":{"key":"u:bob"')
    await seat.type("room kitchen")
    script.peer.hang_up()
    await settle()
    await clock.advance(0.0)
    await settle()
    again = script.peer.heard(1)[-1]
    assert again["arguments"][:2] == ["kitchen", "e-1"]
    script.peer.answer(again["invocationId"], joined("e-2", "with milk?"))
    await settle()
    assert "with milk?" in seat.printed()[0]
    await seat.type("wait RoomMessage")
    await seat.type("room garden")
    garden = script.peer.heard(1)[-1]
    script.peer.answer(garden["invocationId"], joined("f-0"))
    await settle()
    await seat.type("leave cellar")
    await seat.type("leave garden")
    left = script.peer.heard(1)[-1]
    assert (left["target"], left["arguments"]) == ("LeaveRoom", ["garden"])
    script.peer.answer(left["invocationId"], None)
    await settle()
    errors = [each for each in seat.errors.getvalue().splitlines() if each.startswith("error")]
    assert errors == ["error: the room kitchen is joined already", "error: the room cellar is not joined"]
    await seat.type(None)
    left = script.peer.heard(1)[-1]
    assert (left["target"], left["arguments"]) == ("LeaveRoom", ["kitchen"])
    script.peer.answer(left["invocationId"], None)
    assert await seat.talk == 1


async def test_a_room_that_may_not_be_used(script: Script, seat: Seat) -> None:
    await seat.type("room kitchen")
    script.peer.answer("0", joined("e-0"))
    await settle()
    script.peer.call("RoomClosed", "kitchen")
    await settle()
    assert seat.errors.getvalue() == "error: the room kitchen: JoinRoom: The room does not exist.\n"
    await seat.type("room cellar")
    script.peer.say(Completion(invocation_id="1", error="The room does not exist."))
    await settle()
    assert seat.errors.getvalue().splitlines()[1] == "error: JoinRoom: The room does not exist."


async def test_errors_are_told_and_give_a_status(script: Script, seat: Seat) -> None:
    await seat.type("Fail")
    script.peer.say(Completion(invocation_id="0", error="no"))
    await settle()
    for line in ('Send "open', "stream", "on 1", "state 1 2", "", "# nothing"):
        await seat.type(line)
    errors = seat.errors.getvalue().splitlines()
    assert errors[0] == "error: Fail: no"
    assert errors[1].startswith('error: not JSON: "open')
    assert errors[2:4] == ["error: stream needs a name; `help` shows how", "error: on needs a name; `help` shows how"]
    assert "positional argument" in errors[4]
    assert len(errors) == 5
    await seat.type(None)
    assert await seat.talk == 1


async def test_a_connection_that_is_lost(script: Script, seat: Seat, clock: ManualClock) -> None:
    script.peer.hang_up()
    await settle()
    await clock.advance(0.0)
    await settle()
    assert seat.errors.getvalue().splitlines() == ["reconnecting …", "connected"]
    await seat.type("wait Never")
    script.peer.hang_up(allow_reconnect=False)
    await settle()
    assert await seat.talk == 1
    said = seat.errors.getvalue().splitlines()[2:]
    assert said[0] == "error: the connection ended before the hub has called Never"
    assert "The server closed the connection" in said[1]


async def test_a_hub_that_is_not_there(script: Script) -> None:
    script.posts.append(ConnectionClosed("nobody there"))
    seat = Seat(HubConnection(URL))
    assert await seat.talk == 1
    assert seat.errors.getvalue() == "error: nobody there\n"


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
async def test_ctrl_c_leaves_a_stream_and_not_the_terminal(script: Script, clock: ManualClock) -> None:
    seat = Seat(HubConnection(URL, clock=clock), interactive=True)
    await settle()
    await seat.type("stream Ask")
    signal.raise_signal(signal.SIGINT)
    await settle()
    assert len(script.peer.heard(5)) == 1
    await seat.type("state")
    assert seat.printed() == ["connected as id"]
    await seat.type("Fail")
    script.peer.say(Completion(invocation_id="1", error="no"))
    await settle()
    await seat.type("exit")
    assert await seat.talk == 0, "a person has seen the errors"


async def test_where_signals_cannot_be_had() -> None:
    task = asyncio.ensure_future(asyncio.sleep(0))

    async def elsewhere() -> None:
        with cancelled_by_signal(task):
            pass

    await asyncio.to_thread(lambda: asyncio.run(elsewhere()))
    await task


def test_values_that_json_has_not() -> None:
    assert shown({"a": b"\0"}) == '{"a":"AA=="}'
    assert shown({(1, 2): "x"}) == "{(1, 2): 'x'}"


async def test_lines_from_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\ntwo"))
    lines = PipedLines()
    assert [await lines.read() for _ in range(3)] == ["one\n", "two", None]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\n"), "utf-8"))
    with pytest.raises(ConfigurationError, match="the input cannot be read"):
        await lines.read()


async def test_lines_from_a_prompt() -> None:
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        lines = PromptLines(lambda: ("ReceiveMessage",))
        completer = lines._session.completer
        assert completer is not None
        found = completer.get_completions(Document("wait Rec"), CompleteEvent())
        assert [each.text for each in found] == ["ReceiveMessage"]
        keys.send_text("Send 1\r")
        assert await lines.read() == "Send 1"
        keys.send_text("half\x03")
        assert await lines.read() == ""
        keys.send_text("\x04")
        assert await lines.read() is None


def test_options_are_those_of_the_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    found: dict[str, Any] = {}

    def run(url: str, settings: dict[str, Any]) -> int:
        HubConnection(url, **settings)
        found.update(settings)
        return 7

    monkeypatch.setattr("hubline.cli.client.run_client", run)
    options = "--token t --header A=b --codec messagepack --transport websocket --transport long_polling --stateful"
    command = ["client", URL, *options.split(), "--proxy", "http://127.0.0.1:3128"]
    assert CliRunner().invoke(commands, command).exit_code == 7
    assert found == {
        "token": "t",
        "headers": {"A": "b"},
        "codec": "messagepack",
        "transports": ["websocket", "long_polling"],
        "stateful": True,
        "proxy": "http://127.0.0.1:3128",
        "unix_socket": None,
    }
    assert "exclude each other" in CliRunner().invoke(commands, [*command, "--unix-socket", "/run/x.sock"]).output


def test_mistakes_in_options(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def run(*arguments: str) -> Any:
        return CliRunner().invoke(commands, ["client", *arguments])

    wrong = run("nowhere")
    assert wrong.exit_code == 1
    assert "is not the address of a hub" in wrong.output
    wrong = run("http://127.0.0.1:1/hub", "--header", "nothing")
    assert wrong.exit_code == 1
    assert "write NAME=VALUE" in wrong.output
    monkeypatch.setitem(sys.modules, "prompt_toolkit", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'hubline\[cli\]'"):
        PromptLines(lambda: ())
    monkeypatch.setitem(sys.modules, "hubline.cli.client", None)
    assert "pip install" in run("http://127.0.0.1:1/hub").output
