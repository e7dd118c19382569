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
BUILD = """
import { build, loadConfigFromFile } from "vite";
const mode = "development";
const { config } = await loadConfigFromFile({ command: "build", mode });
const plugins = config.plugins.flat().filter((each) => each.name !== "compress");
const out = { ...config.build, outDir: process.argv[1], emptyOutDir: true };
await build({ ...config, configFile: false, mode, plugins, logLevel: "error", build: out });
"""
"""`vite build`, without the compressed copies, which this server does not send: they take longer than all the rest."""


class _Silent(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Requests are not worth a line."""


@contextmanager
def mocked(place: Path) -> Iterator[str]:
    """Build the page with its mock into `place`, serve it, and give its address."""
    subprocess.run(
        ["node", "--input-type=module", "--eval", BUILD, str(place)],
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
