"""The application as `hubline run tests.chaos.worker:app --workers N` serves it, with the settings of the server."""

import os
from pathlib import Path

from tests.chaos import server
from tests.chaos.ledger import PREFIX

server.prepare()
Path(server.SETTINGS["LEDGER"]).with_name(f"{PREFIX}{os.getpid()}").touch()
app = server.application()
