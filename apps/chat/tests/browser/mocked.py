"""The page with the server that plays inside it (`web/mock`): looks and gestures, without accounts, limits or waits."""

import functools
import http.server
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apps.chat.tests.browser.program import ROOT

WEB = ROOT / "apps" / "chat" / "web"
BUILD_SECONDS = 250


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Requests are not worth a line."""


@contextmanager
def mocked(place: Path) -> Iterator[str]:
    """Build the page with its mock into `place`, serve it, and give its address."""
    subprocess.run(
        ["node_modules/.bin/vite", "build", "--mode", "development", "--logLevel", "error", "--outDir", str(place)],
        cwd=WEB,
        env=os.environ | {"NODE_ENV": "development"},
        check=True,
        timeout=BUILD_SECONDS,
    )
    handler = functools.partial(_Silent, directory=str(place))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join(10)
