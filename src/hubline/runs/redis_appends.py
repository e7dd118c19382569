"""Writing entries to Redis, in order and once, whatever becomes of the connection and of what Redis had confirmed."""

import json
import logging
import secrets
from collections.abc import Sequence
from contextlib import suppress

from hubline.backplanes.redis_commands import Commands
from hubline.errors import BackplaneError
from hubline.runs.log import LogGoneError, RunServer
from hubline.runs.names import run_channel
from hubline.runs.parts import Body
from hubline.runs.redis_keys import APPEND, FOLD, OtherEndError, checked, keys_of
from hubline.runs.shared_tapes import Followed, Tapes
from hubline.runs.tape import bodies_behind

logger = logging.getLogger("hubline.runs")


class RedisAppends:
    """Those of one server. Without Redis they wait, and `server` is told."""

    def __init__(self, commands: Commands, tapes: Tapes, server: RunServer | None) -> None:
        self._commands, self._tapes, self._server = commands, tapes, server

    async def append_behind(self, followed: Followed, bodies: Sequence[Body], fence: int) -> None:
        """Add entries behind what the tape has, and to the tape. What Redis has lost is written again before.

        One call at a time. Raises FencedError, LogGoneError.
        """
        tape = followed.tape
        assert tape is not None
        while True:
            try:
                last = await self.append(followed.run_id, bodies, fence, tape.end)
                break
            except OtherEndError as other:
                if other.end > tape.end:
                    await self._tapes.catch_up(followed)
                    if other.end > tape.end:  # it is another log by now
                        raise LogGoneError(followed.run_id) from other
                else:
                    await self.write_again(followed, fence, other.end)
        if not followed.feed(last - len(bodies), bodies):
            await self._tapes.catch_up(followed)
        if tape.base > followed.folded:
            await self._fold(followed, fence)

    async def write_again(self, followed: Followed, fence: int, end: int) -> None:
        """Redis has lost what is behind entry `end`. Raises FencedError, LogGoneError: more than the tape has."""
        run_id, tape = followed.run_id, followed.tape
        assert tape is not None
        logger.error("run %s: Redis has lost entries %d to %d", run_id, end + 1, tape.end)
        if end < tape.base:
            raise LogGoneError(run_id)
        with suppress(OtherEndError):  # who looks again finds it
            await self.append(run_id, bodies_behind(tape, end), fence, end)

    async def append(self, run_id: str, bodies: Sequence[Body], fence: int, before: int | None = None) -> int:
        """The number of the last of them. It is sent until Redis has answered, and added once.

        Raises:
            FencedError, LogGoneError: as `RunLog.append`.
            OtherEndError: the last entry of the log is not `before`.
        """
        batch, text, keys = secrets.token_urlsafe(9), json.dumps(bodies), keys_of(run_id)[:2]
        pauses = self._commands.pauses(keys[0])
        end = "".join(body["state"] for body in bodies if body["kind"] == "end")
        figures = (
            fence,
            batch,
            len(bodies),
            text,
            self._commands.channel(run_channel(run_id)),
            end,
            "" if before is None else before,
        )
        while True:
            try:
                return checked(run_id, fence, await self._commands.run(APPEND, keys, *figures))
            except BackplaneError:
                if self._server is not None:
                    self._server.away(run_id)
                await pauses.next()

    async def _fold(self, followed: Followed, fence: int) -> None:
        kept = followed.everything()
        with suppress(BackplaneError):  # the next one does it
            await self._commands.run(FOLD, keys_of(followed.run_id), fence, kept["base"], json.dumps(kept))
            followed.folded = kept["base"]
