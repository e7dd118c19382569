"""Starts the chat on this machine and prints its progress: the program of `make chat`."""

import asyncio
import errno
import socket
from collections.abc import Sequence
from typing import Literal

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from rich.console import Console
from rich.status import Status
from rich.text import Text

from hubline import ConfigurationError, HublineError
from hubline.servers.uvicorn import Server, bind, configure
from hubline_chat.accounts.administrator import NewPassword, check_free, prepare, reset
from hubline_chat.app import create_app
from hubline_chat.settings import ChatSettings
from hubline_chat.store import Taken, database_name

PORTS = 20
"""Ports that are tried from the one in the settings upwards."""
TAKEN = 3
"""Exit status when another process serves the database: nothing is wrong, and `make chat` ends well."""
HELP = """\
python -m hubline_chat               starts the chat, and prints its address and where its data are
python -m hubline_chat reset-admin   makes a new password for the administrator, and prints it

Everything can be set by environment variables; without any, the local model answers. apps/chat/README.md explains them:
"""
DRAIN_SECONDS = 5.0
"""Seconds for open browsers to disconnect at Ctrl+C; they need a fraction of them."""


class Progress:
    """The output in the terminal while the server and the model start: a line for each that is ready."""

    def __init__(self, console: Console, settings: ChatSettings) -> None:
        self._console = console
        named = (
            f"{settings.model} at {settings.model_url}"
            if settings.models is None
            else f"the models of {settings.models}"
        )
        self._endpoint = f"{named}, which the first question will try"
        self._guests = settings.guests_allowed
        self._database = database_name(settings.database_url)
        self._status = Status("Starting", console=console)
        self._open = {"server", "model"}

    def __enter__(self) -> "Progress":
        self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._status.stop()

    def listening(self, url: str) -> None:
        """The page can be opened."""
        self._done("server")
        self._line("[green]✓[/green]", Text.assemble("Hubline Chat is open at ", (url, "bold underline")))
        if self._guests:
            self._line(" ", Text(f"Two people in two windows: {url}/?guest in each. Ctrl+C ends it.", "dim"))
        else:
            self._line(" ", Text("Sign in there. Ctrl+C ends it.", "dim"))
        self._line(" ", Text(f"What is said is kept in {self._database}", "dim"))

    def administrator(self, made: NewPassword) -> None:
        """A password was made, which is shown only here."""
        password = (made.password, "bold")
        text = Text.assemble("The administrator is ", (made.name, "bold"), " with the password ", password)
        self._line("[green]✓[/green]", text)
        self._line(" ", Text("It is shown this once. If it gets lost: python -m hubline_chat reset-admin", "dim"))

    def model(self, state: Literal["starting", "ready", "failed"], detail: str | None) -> None:
        """The status of the assistant's model: starting, ready, or failed."""
        text = Text(detail or self._endpoint)
        if state == "starting":
            self._open.add("model")
            self._status.update(Text.assemble("Assistant: ", text))
            self._status.start()
            if not self._console.is_terminal:
                self._line("…", Text.assemble("Assistant: ", text))
            return
        if "model" in self._open:
            sign = "[green]✓[/green]" if state == "ready" else "[red]✗[/red]"
            self._line(sign, Text.assemble("Assistant: ", text))
        self._done("model")

    def _done(self, what: str) -> None:
        self._open.discard(what)
        if not self._open:
            self._status.stop()

    def _line(self, sign: str, text: Text) -> None:
        self._console.print(sign, text, soft_wrap=True)


def main(arguments: Sequence[str] = ()) -> int:
    """Run until Ctrl+C or SIGTERM, or do what the arguments say; the exit status."""
    console = Console(highlight=False)
    if set(arguments) & {"--help", "-h", "help"}:
        console.print(
            Text(HELP + "\n".join(f"  HUBLINE_CHAT_{name.upper()}" for name in ChatSettings.model_fields)),
            soft_wrap=True,
        )
        return 0
    if arguments and list(arguments) != ["reset-admin"]:
        return _refuse(console, f"unknown: {' '.join(arguments)}. Write reset-admin, or nothing to start the chat")
    try:
        settings = ChatSettings()
        progress = Progress(console, settings)
        if arguments:
            progress.administrator(asyncio.run(reset(settings)))
            return 0
        app = create_app(settings, on_model=progress.model)
        made = asyncio.run(prepare(settings))
        asyncio.run(check_free(settings))
        if made is not None:
            progress.administrator(made)
        sockets = listen(settings, console)
    except ValidationError as error:
        return _refuse(console, *(problem(each) for each in error.errors()))
    except Taken as error:
        _refuse(console, *error.problems)
        return TAKEN
    except ConfigurationError as error:
        return _refuse(console, *error.problems)
    except HublineError as error:
        return _refuse(console, str(error))
    except OSError as error:
        return _refuse(console, f"cannot listen on {settings.host}: {error.strerror}")
    if not (settings.web / "index.html").is_file():
        console.print("[yellow]![/yellow] The page has not been built; [bold]make chat[/bold] does that.")
    # The application handles proxies: it has the settings for them.
    config = configure(app, host=settings.host, log_level="warning", access_log=False, proxy_headers=False)
    server = Server(config, drain_timeout=DRAIN_SECONDS, ready=progress.listening)
    with progress:
        server.run(sockets)
    console.print("Stopped." if server.started else "The server could not be started.")
    return 0 if server.started else 1


def listen(settings: ChatSettings, console: Console) -> list[socket.socket]:
    """Sockets on the port of the settings or, when that is in use, on the next free one.

    Raises:
        OSError: no port was free, or the address is not one of this machine.
    """
    port = settings.port
    while True:
        try:
            sockets = bind(settings.host, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not settings.port or port + 1 >= min(settings.port + PORTS, 65536):
                raise
            port += 1
            continue
        if port != settings.port:
            console.print(f"[yellow]![/yellow] Port {settings.port} is in use, taking {port}.")
        return sockets


def problem(error: ErrorDetails) -> str:
    """The mistake in a setting, with the name of its variable."""
    reason = error["msg"].removeprefix("Value error, ")
    if not error["loc"]:
        return reason
    name = str(error["loc"][0]).upper().removeprefix("HUBLINE_CHAT_")
    return f"HUBLINE_CHAT_{name} is {error['input']!r}: {reason[:1].lower()}{reason[1:]}"


def _refuse(console: Console, *problems: str) -> int:
    for problem in problems:
        console.print("[red]✗[/red]", Text(problem), soft_wrap=True)
    return 2
