"""What `hubline run` does with its server: run it, or have it run again and again."""

import socket
import ssl
import sys
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any

from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload

from hubline.cli.problems import fail
from hubline.servers.garbage import collect_rarely
from hubline.servers.uvicorn import Server

NO_KEY = (None, "PEM_LIB", "BAD_DECRYPT", "BAD_PASSWORD_READ")
"""What OpenSSL's versions, and Python's, say when they find no key or cannot decrypt it."""


class Reload(ChangeReload):  # type: ignore[misc, valid-type]  # one of two classes, by what is installed
    """uvicorn's supervisor, which starts the server anew when a source file changes.

    uvicorn's begins to watch a quarter of a second after it has started the server. A change in between, when the
    server may have read the file already, would never be seen. So here the files are noted before the start.

    The first signal stops the server in good order; the second one ends it at once.
    """

    _told = False

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._noted: dict[Path, tuple[int, int]] | None = None

    def startup(self) -> None:
        self._noted = self._files()
        super().startup()

    def restart(self) -> None:
        self._noted = self._files()
        super().restart()

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
        if self._told:  # perhaps while the first signal is handled, which holds a lock: none is taken here
            self.process.kill()
            return
        self._told = True
        super().signal_handler(sig, frame)


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
    """End with a clear word if these files cannot be used. uvicorn would do so with a traceback."""
    if certfile is None:
        if keyfile or password or ca_certs:
            fail("--ssl-certfile is missing: TLS needs a certificate")
        return
    _look_for_certificates(certfile)
    if ca_certs:
        _look_for_certificates(ca_certs)
    key = keyfile or certfile
    try:
        # An empty password is wrong, where none would have OpenSSL ask for one at the terminal.
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
