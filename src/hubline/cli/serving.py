"""Runs the server of `hubline run`, once or with reloading."""

import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType
from typing import Any

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload

from hubline.cli.problems import fail
from hubline.servers.garbage import collect_rarely
from hubline.servers.uvicorn import Server

NO_KEY = (None, "PEM_LIB", "BAD_DECRYPT", "BAD_PASSWORD_READ")
"""What OpenSSL's versions, and Python's, say when they find no key or cannot decrypt it."""


class StopFlag:
    """A `threading.Event` that a signal handler may set at any moment.

    An event has a lock, and a handler that interrupts `wait` while that has it would wait for it for ever. Of a
    `SimpleQueue` Python promises that `put` can come in between anywhere.
    """

    def __init__(self) -> None:
        self._set = False
        self._told: SimpleQueue[None] = SimpleQueue()

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        self._told.put(None)

    def wait(self, timeout: float | None = None) -> bool:
        """Whether it is set by then. For one thread."""
        with suppress(Empty):
            if not self._set:
                self._told.get(timeout=timeout)
        return self._set


class Reload(ChangeReload):  # type: ignore[misc, valid-type]  # one of two classes, by what is installed
    """uvicorn's supervisor, which starts the server anew when a source file changes.

    uvicorn's begins to watch a quarter of a second after it has started the server. A change in between, when the
    server may have read the file already, would never be seen. So here the files are noted before the start.

    The first signal stops the server in good order; the second one ends it at once.
    """

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        self._stop = StopFlag()
        super().__init__(*arguments, **settings)
        self._heard: list[int] = []
        self._noted: dict[Path, tuple[int, int]] | None = None

    @property
    def should_exit(self) -> Any:
        """uvicorn's attribute. Assignments are ignored, so that it stays the event above."""
        return self._stop

    @should_exit.setter
    def should_exit(self, event: Any) -> None: ...

    def startup(self) -> None:
        self._noted = self._files()
        super().startup()
        self._end_at_once_if_told()

    def restart(self) -> None:
        self._noted = self._files()
        super().restart()
        self._end_at_once_if_told()

    def should_restart(self) -> list[Path] | None:
        """The files that changed, once uvicorn's own watch has begun: those that changed before it began as well."""
        changed: list[Path] | None = super().should_restart()
        if self._noted is not None:
            changed = changed or [path for path, _ in self._files().items() - self._noted.items()]
            self._noted = None
        return changed

    def _files(self) -> dict[Path, tuple[int, int]]:
        """The source files, each with the time of its last change and its size."""
        found = {}
        for directory in self.config.reload_dirs:
            for path in directory.rglob("*.py"):
                with suppress(OSError):  # it is gone
                    state = path.stat()
                    found[path] = state.st_mtime_ns, state.st_size
        return found

    def signal_handler(self, sig: int, frame: FrameType | None) -> None:
        self._heard.append(sig)
        super().signal_handler(sig, frame)
        self._end_at_once_if_told()

    def _end_at_once_if_told(self) -> None:
        process = getattr(self, "process", None)  # the second signal may come before there is one
        if len(self._heard) > 1 and process is not None and process.pid is not None:
            process.kill()


def supervise(server: Server, sockets: list[socket.socket] | None) -> None:
    """Serve in a process of its own, a new one whenever a source file changes."""
    for sock in sockets or ():
        sock.set_inheritable(True)  # only here: a child process of the application must not keep the port
    Reload(server.config, target=server.run, sockets=sockets or [server.config.bind_socket()]).run()


def serve(server: Server, sockets: list[socket.socket] | None) -> None:
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
