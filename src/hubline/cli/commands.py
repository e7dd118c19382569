"""The commands: their options and their output. Other modules do the work."""

import ssl
from enum import StrEnum
from importlib.metadata import version
from typing import Annotated

import typer
from rich.console import Console

from hubline.cli.check import trees
from hubline.cli.loading import load
from hubline.cli.problems import fail, finite
from hubline.cli.serving import check_tls, serve, supervise
from hubline.cli.tokens import KEY_VARIABLE, development_token
from hubline.errors import ConfigurationError
from hubline.servers.uvicorn import MAX_SIZE, Server, bind, configure

commands = typer.Typer(
    help="Hubs for Python: real-time channels that speak SignalR.", no_args_is_help=True, pretty_exceptions_enable=False
)

Target = Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the application is, such as `chat.app:app`.")]
AppDir = Annotated[str, typer.Option(help="Directory that modules are looked for in first.")]


class LogLevel(StrEnum):
    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


class Protocol(StrEnum):
    JSON = "json"
    MESSAGEPACK = "messagepack"


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
    drain_timeout: Annotated[float, typer.Option(help="Seconds for clients to leave.", min=0, callback=finite)] = 15.0,
    root_path: Annotated[str, typer.Option(help="Path that a proxy in front has cut off.")] = "",
    forwarded_allow_ips: Annotated[
        str | None,
        typer.Option(
            help="Proxies whose X-Forwarded-For and -Proto are believed, by address or network. [this machine]"
        ),
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when a source file changes.")] = False,
    accelerate: Annotated[
        bool, typer.Option(help="Take the accelerated WebSocket path; without it, uvicorn's own.")
    ] = True,
    ws_max_size: Annotated[
        int,
        typer.Option(
            help="Bytes of one WebSocket message; on the accelerated path hubs have only their own limit.", min=1
        ),
    ] = MAX_SIZE,
    ssl_certfile: Annotated[str | None, typer.Option(help="Certificate for TLS, with those between, as PEM.")] = None,
    ssl_keyfile: Annotated[str | None, typer.Option(help="Its key, unless it is in the same file.")] = None,
    ssl_keyfile_password: Annotated[str | None, typer.Option(help="What the key is encrypted with.")] = None,
    ssl_ca_certs: Annotated[
        str | None, typer.Option(help="Authorities whose certificates clients must show, as PEM.")
    ] = None,
    app_dir: AppDir = ".",
) -> None:
    """Serve an application on uvicorn. SIGTERM and Ctrl+C drain it first; a second signal ends it at once."""
    application = _loaded(target, app_dir)
    check_tls(ssl_keyfile, ssl_certfile, ssl_keyfile_password, ssl_ca_certs)
    try:
        sockets = bind(host, port) if uds is None else None
    except OSError as error:
        fail(f"cannot listen on {host}:{port}: {error.strerror}")
    config = configure(
        target if reload else application,
        host=host,
        port=port,
        uds=uds,
        log_level=log_level.value,
        access_log=access_log,
        root_path="/" + root_path.strip("/") if root_path.strip("/") else "",
        forwarded_allow_ips=forwarded_allow_ips,
        reload=reload,
        accelerate=accelerate,
        max_size=ws_max_size,
        ssl_certfile=ssl_certfile,
        ssl_keyfile=ssl_keyfile,
        ssl_keyfile_password=ssl_keyfile_password,
        ssl_ca_certs=ssl_ca_certs,
        ssl_cert_reqs=ssl.CERT_REQUIRED if ssl_ca_certs else ssl.CERT_NONE,
    )
    server = Server(config, drain_timeout=drain_timeout, ready=_announce)
    (supervise if reload else serve)(server, sockets)


@commands.command()
def check(target: Target, app_dir: AppDir = ".") -> None:
    """List the hubs of an application with their methods, or every mistake in them. Mistakes give status 1."""
    found = trees(_loaded(target, app_dir))
    if not found:
        fail(f"{target} has no hubs: there is no HubApp with a hub in it, or it is mounted where this cannot be seen")
    console = Console(highlight=False, soft_wrap=True, width=1_000)  # a tree is cut at the width, never wrapped
    for tree in found:
        console.print(tree)


@commands.command()
def token(
    key: Annotated[
        str, typer.Option(envvar=KEY_VARIABLE, show_default=False, help="The secret that the application checks with.")
    ] = "",
    sub: Annotated[str, typer.Option(help="Whose token it is: the user id.")] = "developer",
    claim: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another claim; may be repeated.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role; may be repeated.")] = None,
    expires: Annotated[float, typer.Option(help="Seconds for which it is valid.", min=1, callback=finite)] = 3600.0,
    issuer: Annotated[str | None, typer.Option(help="Who it says has made it.")] = None,
    audience: Annotated[str | None, typer.Option(help="Whom it says it is for.")] = None,
    algorithm: Annotated[str, typer.Option(help="How it is signed.")] = "HS256",
) -> None:
    """Make a bearer token for development and print it alone, for `JwtBearer(key, …)` to accept."""
    try:
        made = development_token(
            key,
            sub,
            claims=claim or (),
            roles=role or (),
            expires_in=expires,
            issuer=issuer,
            audience=audience,
            algorithm=algorithm,
        )
    except ConfigurationError as error:
        fail(*error.problems)
    typer.echo(made)


@commands.command()
def bench(
    url: Annotated[str, typer.Argument(help="Where the hub is, such as `http://127.0.0.1:8000/chat`.")],
    method: Annotated[str, typer.Argument(help="The method to call.")] = "EchoText",
    arguments: Annotated[
        list[str] | None, typer.Argument(help="Its arguments, as JSON or as plain text. [hello, for EchoText]")
    ] = None,
    clients: Annotated[int, typer.Option(help="Connections, each with one call in flight.", min=1)] = 64,
    seconds: Annotated[float, typer.Option(help="How long to call.", min=0.1, callback=finite)] = 5.0,
    protocol: Annotated[Protocol, typer.Option(help="How messages are written.")] = Protocol.JSON,
    token: Annotated[
        str | None, typer.Option(envvar="HUBLINE_TOKEN", help="A bearer token.", show_envvar=True, show_default=False)
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another header; may be repeated.")
    ] = None,
) -> None:
    """Call a method of a running SignalR server again and again, and say how many calls it answers and how soon."""
    try:
        from hubline.cli.bench import run_bench
    except ModuleNotFoundError as error:
        fail(f"the package {error.name!r} is missing; install the extra `hubline[server]`")
    given = ("hello",) if method == "EchoText" and not arguments else arguments or ()
    try:
        run_bench(url, method, given, clients, seconds, protocol.value, token, header or ())
    except ConfigurationError as error:
        fail(*error.problems)


def _announce(url: str) -> None:
    Console(stderr=True, highlight=False).print(f"Hubline listens on [bold]{url}[/bold] (Ctrl+C to quit)")


def _loaded(target: str, app_dir: str) -> object:
    try:
        return load(target, app_dir)
    except ConfigurationError as error:
        fail(*error.problems)
