"""Writing entries to a database, in order and once, whatever becomes of the connection and of what it had confirmed."""

import json
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress

from hubline._clock import Clock
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.runs.log import FencedError, LogGoneError, RunServer
from hubline.runs.parts import Body
from hubline.runs.shared_tapes import Followed, Tapes
from hubline.runs.sql_database import Database
from hubline.runs.sql_programs import Append, Found, fold
from hubline.runs.tape import bodies_behind

logger = logging.getLogger("hubline.runs")


class SqlAppends:
    """Those of one server. Without the database they wait, and `server` is told."""

    def __init__(self, database: Database, tapes: Tapes, server: RunServer | None, clock: Clock) -> None:
        self._database, self._tapes, self._server, self._clock = database, tapes, server, clock

    async def append_behind(self, followed: Followed, bodies: Sequence[Body], fence: int) -> None:
        """Add entries behind what the tape has, and to the tape. What the database has lost is written again before."""
        run_id, tape = followed.run_id, followed.tape
        assert tape is not None
        while (found := await self.append(run_id, bodies, fence, tape.end)).status == "other":
            if found.number > tape.end:
                await self._tapes.catch_up(followed)
                if found.number > tape.end:  # it is another log by now
                    raise LogGoneError(run_id)
                continue
            logger.error("run %s: the database has lost entries %d to %d", run_id, found.number + 1, tape.end)
            if found.number < tape.base:
                raise LogGoneError(run_id)
            await self.append(run_id, bodies_behind(tape, found.number), fence, found.number)
        if not followed.feed(found.number - len(bodies), bodies):
            await self._tapes.catch_up(followed)
        if tape.base > followed.folded:
            await self._fold(run_id, fence, followed)

    async def append(self, run_id: str, bodies: Sequence[Body], fence: int, before: int | None = None) -> Found:
        """It is sent until the database has answered, and added once. Raises FencedError, LogGoneError."""
        end = "".join(body["state"] for body in bodies if body["kind"] == "end")
        request = Append(run_id, fence, secrets.token_urlsafe(9), len(bodies), json.dumps(bodies), end, before)
        attempt = 0
        while True:
            try:
                found: Found = await self._database.append(request)
                checked(run_id, fence, found)
                return found
            except BackplaneError:
                if self._server is not None:
                    self._server.away(run_id)
                await self._clock.sleep(pause(attempt))
                attempt += 1

    async def _fold(self, run_id: str, fence: int, followed: Followed) -> None:
        kept = followed.everything()
        with suppress(BackplaneError):  # the next one does it
            await self._database.run(fold(run_id, fence, kept["base"], json.dumps(kept)))
            followed.folded = kept["base"]


def checked(run_id: str, fence: int, found: Found) -> int:
    """The number that a program has found. Raises FencedError, LogGoneError."""
    if found.status == "gone":
        raise LogGoneError(run_id)
    if found.status == "fenced":
        raise FencedError(run_id, fence, found.number)
    return found.number
