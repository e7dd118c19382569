"""Runs the server of `hubline run`: alone, with reloading, or in several workers."""

import logging.config
import socket
import ssl
import sys
from collections.abc import Callable
from functools import partial
from typing import Any, NoReturn, TypeVar

import typer
import uvicorn
from rich.console import Console
from uvicorn.config import STARTUP_FAILURE

from hubline import HubApp
from hubline.cli.check import find_hubs
from hubline.cli.loading import load
from hubline.cli.problems import fail
from hubline.cli.reloading import Reload
from hubline.errors import ConfigurationError
from hubline.inspect.development import PATH, is_loopback, with_page
from hubline.servers.garbage import collect_rarely
from hubline.servers.listening import bind, bind_unix, url_of
from hubline.servers.uvicorn import Server, configure, log_config
from hubline.workers.serving import listening, serve

SocketsT = TypeVar("SocketsT")

LEAST_WORKER_TIMEOUT = 3.0
"""Seconds. Ours: a worker that is only busy must not be taken for one that hangs."""

NO_KEY = (None, "PEM_LIB", "BAD_DECRYPT", "BAD_PASSWORD_READ")
"""The reasons that versions of OpenSSL and Python give when they find no key or cannot decrypt it."""


def run_server(
    target: str,
    app_dir: str,
    *,
    workers: int,
    worker_timeout: float,
    drain_timeout: float,
    host: str,
    port: int,
    uds: str | None,
    reload: bool,
    try_it: bool,
    tls: tuple[str | None, str | None, str | None, str | None],
    **settings: Any,
) -> None:
    """Serve until a signal comes: in this process, in one that is replaced at every change, or in several workers.

    `tls` are the files of the key and the certificate, the key's password, and the file of the authorities for clients.
    """
    if 0 < worker_timeout < LEAST_WORKER_TIMEOUT:
        fail(f"--worker-timeout is at least {LEAST_WORKER_TIMEOUT:g} seconds, or 0: a worker answers once a second")
    if workers > 1 and reload:
        fail("--reload and --workers exclude each other: SIGHUP replaces workers")
    if try_it and (uds is not None or not on_this_machine(host)):
        fail("--try is for development, on this machine only: --host must be a loopback address such as 127.0.0.1")
    make = partial(tried if try_it else loaded, target, app_dir)
    application = make() if workers == 1 else None
    check_tls(*tls)
    keyfile, certfile, password, ca_certs = tls
    prepared: Callable[..., uvicorn.Config] = partial(
        configure,
        host=host,
        port=port,
        uds=uds,
        ssl_keyfile=keyfile,
        ssl_certfile=certfile,
        ssl_keyfile_password=password,
        ssl_ca_certs=ca_certs,
        ssl_cert_reqs=ssl.CERT_REQUIRED if ca_certs else ssl.CERT_NONE,
        **settings,
    )
    announce = _announce_page if try_it else _announce
    if workers > 1:
        _serve_in_workers(
            prepared,
            make,
            workers,
            drain_timeout,
            worker_timeout,
            uds or (host, port),
            settings["log_level"],
            bool(certfile),
            announce,
        )
    sockets = _sockets(lambda: bind(host, port), host, port) if uds is None else None
    config = prepared(target if reload else application, reload=reload)
    make_server = TryingServer if try_it and reload else Server
    server = make_server(config, drain_timeout=drain_timeout, ready=announce)
    (_supervise if reload else _serve_alone)(server, sockets)


def _serve_in_workers(
    prepared: Callable[..., uvicorn.Config],
    make: Callable[[], object],
    workers: int,
    drain_timeout: float,
    worker_timeout: float,
    place: str | tuple[str, int],
    log_level: str,
    secure: bool,
    announce: Callable[..., None],
) -> NoReturn:
    logging.config.dictConfig(log_config(log_level))
    if isinstance(place, str):
        sockets = [_sockets(lambda: [bind_unix(place)], place)] * workers
        url = f"unix:{place}"
    else:
        sockets = _sockets(lambda: listening(*place, workers), *place)
        url = url_of(sockets[0][0], secure=secure)

    def make_server(ready: Callable[[str], None], alive: Callable[[], None]) -> Server:
        try:
            application = make()
        except typer.Exit as exit:  # a worker is no command, which would end by it
            sys.exit(exit.exit_code)
        return Server(prepared(application), drain_timeout=drain_timeout, ready=ready, alive=alive)

    try:
        status = serve(
            make_server,
            sockets,
            drain_timeout=drain_timeout,
            hang_timeout=worker_timeout,
            announce=lambda: announce(url, workers),
        )
    except ConfigurationError as error:
        fail(*error.problems)
    sys.exit(status)


def _sockets(bind: Callable[[], SocketsT], *place: object) -> SocketsT:
    try:
        return bind()
    except OSError as error:
        fail(f"cannot listen on {':'.join(map(str, place))}: {error.strerror}")


def loaded(target: str, app_dir: str) -> object:
    """The application. Ends with its mistakes if there are any."""
    try:
        return load(target, app_dir)
    except ConfigurationError as error:
        fail(*error.problems)


def tried(target: str, app_dir: str) -> object:
    """The application with the page for trying its hubs. Ends with its mistakes if there are any."""
    app: Any = loaded(target, app_dir)
    found = around(app)
    if found is app:
        fail(f"{target} has no hubs to try: there is no HubApp in it, or it is mounted where this cannot be seen")
    return found


def around(app: Any) -> Any:
    """The application with the page; as it is if it has no hubs."""
    hubs: dict[str, HubApp] = {}
    for path, found in find_hubs(app):
        hubs.setdefault(path, found)
    return with_page(app, hubs) if hubs else app


class TryingServer(Server):
    """With `--reload`, uvicorn loads the application in each new process, by its name alone."""

    async def serve(self, sockets: list[socket.socket] | None = None) -> None:
        self.config.load()
        self.config.loaded_app = around(self.config.loaded_app)
        await super().serve(sockets)


def on_this_machine(host: str) -> bool:
    """Whether no other machine can reach a server that listens there."""
    return host == "localhost" or is_loopback(host)


def _announce_page(url: str, workers: int = 1) -> None:
    _announce(url, workers)
    Console(stderr=True, highlight=False).print(f"Try its hubs at [bold]{url}{PATH}/[/bold], from this machine only")


def _announce(url: str, workers: int = 1) -> None:
    many = "" if workers == 1 else f" with {workers} workers"
    Console(stderr=True, highlight=False).print(f"Hubline listens on [bold]{url}[/bold]{many} (Ctrl+C to quit)")


def _supervise(server: Server, sockets: list[socket.socket] | None) -> None:
    """Serve in a process of its own, a new one whenever a source file changes."""
    for sock in sockets or ():
        sock.set_inheritable(True)  # only here: a child process of the application must not keep the port
    Reload(server.config, target=server.run, sockets=sockets or [server.config.bind_socket()]).run()


def _serve_alone(server: Server, sockets: list[socket.socket] | None) -> None:
    """Serve until a signal comes."""
    collect_rarely()
    try:
        server.run(sockets)
    except OSError as error:
        fail(f"cannot listen on {server.config.uds}: {error.strerror}")
    if not server.started:
        sys.exit(STARTUP_FAILURE)


def check_tls(keyfile: str | None, certfile: str | None, password: str | None, ca_certs: str | None) -> None:
    """End with a clear message if these files cannot be used. uvicorn would print a traceback."""
    if certfile is None:
        if keyfile or password or ca_certs:
            fail("--ssl-certfile is missing: TLS needs a certificate")
        return
    _look_for_certificates(certfile)
    if ca_certs:
        _look_for_certificates(ca_certs)
    key = keyfile or certfile
    try:
        # An empty password is an error; without one OpenSSL would ask at the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certfile, keyfile, password or "")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            fail(f"the TLS files do not belong together: the key in {key} is not that of the certificate in {certfile}")
        if error.reason in NO_KEY:
            fail(f"no TLS key can be read from {key}: there is none in it, or --ssl-keyfile-password does not open it")
        fail(f"the TLS files cannot be used ({certfile}, {key}): {error.reason}")
    except OSError as error:
        fail(f"the TLS files cannot be read ({key}): {error.strerror}")


def _look_for_certificates(file: str) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(file)
    except ssl.SSLError:
        fail(f"there is no TLS certificate in {file}")
    except OSError as error:
        fail(f"the TLS files cannot be read ({file}): {error.strerror}")
