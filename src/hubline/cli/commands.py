"""The commands: their options and their output. Other modules do the work."""

from enum import StrEnum
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hubline._extras import missing
from hubline.cli.check import trees
from hubline.cli.contract import GENERATORS, contract_of, read_contract, show_changes, text_of
from hubline.cli.inspecting import run_inspect
from hubline.cli.problems import fail, finite, write
from hubline.cli.serving import loaded, run_server
from hubline.cli.tokens import KEY_VARIABLE, development_token
from hubline.cli.words import headers_of
from hubline.errors import ConfigurationError
from hubline.servers.uvicorn import MAX_SIZE

commands = typer.Typer(
    help="Hubs for Python: real-time channels that speak SignalR.", no_args_is_help=True, pretty_exceptions_enable=False
)

Target = Annotated[str, typer.Argument(metavar="MODULE:APP", help="Where the application is, such as `chat.app:app`.")]
AppDir = Annotated[str, typer.Option(help="Directory that modules are looked for in first.")]

WORKER_TIMEOUT = "Seconds after which a worker whose event loop stands still is replaced; 0: never."


class LogLevel(StrEnum):
    CRITICAL = "critical"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"
    DEBUG = "debug"


class Protocol(StrEnum):
    JSON = "json"
    MESSAGEPACK = "messagepack"


class Transport(StrEnum):
    WEBSOCKET = "websocket"
    SSE = "sse"
    LONG_POLLING = "long_polling"


class Language(StrEnum):
    TYPESCRIPT = "typescript"
    CSHARP = "csharp"
    PYTHON = "python"


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
    access_log: Annotated[bool, typer.Option(help="Log every request; tokens are masked.")] = True,
    drain_timeout: Annotated[float, typer.Option(help="Seconds for clients to leave.", min=0, callback=finite)] = 15.0,
    root_path: Annotated[str, typer.Option(help="Path prefix that a proxy in front has removed.")] = "",
    forwarded_allow_ips: Annotated[
        str | None,
        typer.Option(
            help="Proxies whose X-Forwarded-For and -Proto are believed, by address or network. [this machine]"
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes that serve together; SIGHUP replaces them.", min=1)] = 1,
    worker_timeout: Annotated[float, typer.Option(help=WORKER_TIMEOUT, min=0, callback=finite)] = 30.0,
    reload: Annotated[bool, typer.Option("--reload", help="Start again when a source file changes.")] = False,
    try_it: Annotated[
        bool, typer.Option("--try", help="A page at /hubline for trying the hubs, from this machine only; development.")
    ] = False,
    accelerate: Annotated[
        bool, typer.Option(help="Take the accelerated WebSocket path; without it, uvicorn's own.")
    ] = True,
    ws_max_size: Annotated[
        int,
        typer.Option(
            help="Bytes of one WebSocket message; on the accelerated path hubs have only their own limit.", min=1
        ),
    ] = MAX_SIZE,
    ssl_certfile: Annotated[str | None, typer.Option(help="Certificate chain for TLS, as PEM.")] = None,
    ssl_keyfile: Annotated[str | None, typer.Option(help="Its key, unless it is in the same file.")] = None,
    ssl_keyfile_password: Annotated[str | None, typer.Option(help="The password of the key.")] = None,
    ssl_ca_certs: Annotated[
        str | None, typer.Option(help="Authorities whose certificates clients must show, as PEM.")
    ] = None,
    app_dir: AppDir = ".",
) -> None:
    """Serve an application on uvicorn. SIGTERM and Ctrl+C drain it first; a second signal ends it at once."""
    run_server(
        target,
        app_dir,
        workers=workers,
        worker_timeout=worker_timeout,
        drain_timeout=drain_timeout,
        host=host,
        port=port,
        uds=uds,
        reload=reload,
        try_it=try_it,
        log_level=log_level.value,
        access_log=access_log,
        root_path="/" + root_path.strip("/") if root_path.strip("/") else "",
        forwarded_allow_ips=forwarded_allow_ips,
        accelerate=accelerate,
        max_size=ws_max_size,
        tls=(ssl_keyfile, ssl_certfile, ssl_keyfile_password, ssl_ca_certs),
    )


@commands.command()
def check(target: Target, app_dir: AppDir = ".") -> None:
    """List the hubs of an application with their methods, or every mistake in them. Mistakes give status 1."""
    found = trees(loaded(target, app_dir))
    if not found:
        fail(f"{target} has no hubs: there is no HubApp with a hub in it, or it is mounted where this cannot be seen")
    console = Console(highlight=False, soft_wrap=True, width=1_000)  # a tree is cut at the width, never wrapped
    for tree in found:
        console.print(tree)


@commands.command()
def contract(
    target: Target,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write, instead of the screen.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="An older contract: list what changed; status 1 if it breaks clients.")
    ] = None,
    title: Annotated[str | None, typer.Option(help="Title of the document. [MODULE:APP]", show_default=False)] = None,
    app_dir: AppDir = ".",
) -> None:
    """Write what clients can rely on, hubs, methods, streams, calls to clients and types, as AsyncAPI 3."""
    app = loaded(target, app_dir)
    try:
        found = contract_of(app, target, title)
        old = None if against is None else read_contract(against)
    except ConfigurationError as error:
        fail(*error.problems)
    if output is not None:
        write(output, text_of(found))
    elif old is None:
        typer.echo(text_of(found), nl=False)
    if old is not None and show_changes(old, found):
        raise typer.Exit(1)


@commands.command()
def generate(
    language: Annotated[Language, typer.Argument(help="The language of the client.")],
    target: Annotated[
        str, typer.Argument(metavar="MODULE:APP", help="Where the application is, or the file of its contract.")
    ],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="File to write, instead of the screen.")] = None,
    app_dir: AppDir = ".",
) -> None:
    """Write typed classes for the hubs of an application, over the official client, or `hubline.client` in Python."""
    try:
        if target.endswith(".json"):
            document = read_contract(Path(target))
        else:
            document = contract_of(loaded(target, app_dir), target, None)
    except ConfigurationError as error:
        fail(*error.problems)
    text = GENERATORS[language.value](document)
    if output is None:
        typer.echo(text, nl=False)
    else:
        write(output, text)


@commands.command()
def token(
    key: Annotated[
        str, typer.Option(envvar=KEY_VARIABLE, show_default=False, help="The secret that the application checks with.")
    ] = "",
    sub: Annotated[str, typer.Option(help="The user id of the token.")] = "developer",
    claim: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another claim; may be repeated.")
    ] = None,
    role: Annotated[list[str] | None, typer.Option(help="A role; may be repeated.")] = None,
    expires: Annotated[float, typer.Option(help="Seconds for which it is valid.", min=1, callback=finite)] = 3600.0,
    issuer: Annotated[str | None, typer.Option(help="The issuer of the token.")] = None,
    audience: Annotated[str | None, typer.Option(help="The audience of the token.")] = None,
    algorithm: Annotated[str, typer.Option(help="The algorithm of the signature.")] = "HS256",
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
    """Call a method of a running SignalR server repeatedly, and print the rate and the latency of its answers."""
    try:
        from hubline.cli.bench import run_bench
    except ModuleNotFoundError as error:
        fail(missing(error, "server"))
    given = ("hello",) if method == "EchoText" and not arguments else arguments or ()
    try:
        run_bench(url, method, given, clients, seconds, protocol.value, token, header or ())
    except ConfigurationError as error:
        fail(*error.problems)


@commands.command()
def client(
    url: Annotated[str, typer.Argument(help="Where the hub is, such as `http://127.0.0.1:8000/chat`.")],
    token: Annotated[
        str | None, typer.Option(envvar="HUBLINE_TOKEN", help="A bearer token.", show_envvar=True, show_default=False)
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another header; may be repeated.")
    ] = None,
    codec: Annotated[Protocol, typer.Option(help="How messages are written.")] = Protocol.JSON,
    transport: Annotated[
        list[Transport] | None, typer.Option(help="Only this one; may be repeated. [any that the server has]")
    ] = None,
    stateful: Annotated[bool, typer.Option("--stateful", help="Reconnect without a loss, if the server can.")] = False,
    proxy: Annotated[str | None, typer.Option(help="An HTTP proxy, such as `http://127.0.0.1:3128`.")] = None,
    unix_socket: Annotated[str | None, typer.Option(help="The path of the server's socket.")] = None,
) -> None:
    """Talk to a hub: show what it calls, call its methods, read its streams. Lines may also come from a pipe."""
    try:
        from hubline.cli.client import run_client
    except ModuleNotFoundError as error:
        fail(missing(error, "cli"))
    try:
        headers = headers_of(None, header or ())
        settings: dict[str, object] = {"token": token, "headers": headers, "codec": codec.value}
        settings |= {"stateful": stateful, "proxy": proxy, "unix_socket": unix_socket}
        if transport:
            settings["transports"] = [each.value for each in transport]
        status = run_client(url, settings)
    except ConfigurationError as error:
        fail(*error.problems)
    raise typer.Exit(status)


@commands.command()
def inspect(
    url: Annotated[
        str, typer.Argument(help="The server, such as `http://127.0.0.1:8000`, with the path unless it is /hubline.")
    ],
    token: Annotated[
        str | None, typer.Option(envvar="HUBLINE_TOKEN", help="A bearer token.", show_envvar=True, show_default=False)
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="Another header; may be repeated.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print it once as JSON, with rates.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two looks.", min=0.1, callback=finite)] = 1.0,
) -> None:
    """Show connections, groups, queues, runs and rates of a running server that has `Inspect`, for administrators."""
    try:
        run_inspect(url, headers_of(token, header or ()), as_json=as_json, every=every)
    except ConfigurationError as error:
        fail(*error.problems)
