"""The commands: their options, and how their outcome is told. What they do is in modules of their own."""

import socket
import sys
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated, NoReturn

import typer
from rich.console import Console
from rich.text import Text
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload

from hubline.cli.check import trees
from hubline.cli.loading import load
from hubline.errors import ConfigurationError
from hubline.servers.uvicorn import Server, bind, configure

commands = typer.Typer(
    help="Hubs for Python: real-time channels that speak SignalR.", no_args_is_help=True, pretty_exceptions_enable=False
)
problems_console = Console(stderr=True, highlight=False)

Target = Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the application is, such as `chat.app:app`.")]
AppDir = Annotated[str, typer.Option(help="Directory that modules are looked for in first.")]


class LogLevel(StrEnum):
    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


def _show_version(wanted: bool) -> None:
    if wanted:
        Console(highlight=False).print(f"hubline {version('hubline')}")
        raise typer.Exit


@commands.callback()
def options(
    show_version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options that stand before a command."""


@commands.command()
def run(
    target: Target,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65535)] = 8000,
    uds: Annotated[str | None, typer.Option(help="Unix socket to listen on instead.")] = None,
    log_level: Annotated[LogLevel, typer.Option(help="What is logged.")] = LogLevel.INFO,
    access_log: Annotated[bool, typer.Option(help="Log every request; tokens are blotted out.")] = True,
    drain_timeout: Annotated[float, typer.Option(help="Seconds that clients get to leave in good order.")] = 15.0,
    root_path: Annotated[str, typer.Option(help="Path that a proxy in front has cut off.")] = "",
    forwarded_allow_ips: Annotated[
        str | None,
        typer.Option(
            help="Proxies whose X-Forwarded-For and -Proto are believed, by address or network. [this machine]"
        ),
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when a source file changes.")] = False,
    accelerate: Annotated[
        bool, typer.Option(help="Take the accelerated WebSocket path where this version has one.")
    ] = True,
    app_dir: AppDir = ".",
) -> None:
    """Serve an application on uvicorn. SIGTERM and Ctrl+C drain it first; a second signal ends it at once."""
    application = _loaded(target, app_dir)
    try:
        sockets = bind(host, port) if uds is None else None
    except OSError as error:
        _fail(f"cannot listen on {host}:{port}: {error.strerror}")
    config = configure(
        target if reload else application,
        host=host,
        port=port,
        uds=uds,
        log_level=log_level.value,
        access_log=access_log,
        root_path=root_path,
        forwarded_allow_ips=forwarded_allow_ips,
        reload=reload,
    )
    server = Server(config, drain_timeout=drain_timeout, ready=_announce)
    if reload:
        for sock in sockets or ():
            sock.set_inheritable(True)  # only here: a child process of the application must not keep the port
        ChangeReload(config, target=server.run, sockets=sockets or [config.bind_socket()]).run()
    else:
        _serve(server, sockets)


@commands.command()
def check(target: Target, app_dir: AppDir = ".") -> None:
    """List the hubs of an application with their methods, or every mistake in them. Mistakes give status 1."""
    found = trees(_loaded(target, app_dir))
    if not found:
        _fail(f"{target} has no hubs: there is no HubApp in it, or it is mounted where this cannot be seen")
    console = Console(highlight=False, soft_wrap=True)
    for tree in found:
        console.print(tree)


def _serve(server: Server, sockets: list[socket.socket] | None) -> None:
    try:
        server.run(sockets)
    except OSError as error:
        _fail(f"cannot listen on {server.config.uds}: {error.strerror}")
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def _announce(url: str) -> None:
    Console(stderr=True, highlight=False).print(f"Hubline listens on [bold]{url}[/bold] (Ctrl+C to quit)")


def _loaded(target: str, app_dir: str) -> object:
    try:
        return load(target, app_dir)
    except ConfigurationError as error:
        _fail(*error.problems)


def _fail(*problems: str) -> NoReturn:
    for problem in problems:
        problems_console.print("[bold red]error:[/bold red]", Text(problem), soft_wrap=True)
    raise typer.Exit(1)
