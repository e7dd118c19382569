"""The messages that this server receives from others: entries and changes of runs, and requests."""

import json
import logging

from hubline._clock import Clock
from hubline.runs.calls import Calls
from hubline.runs.log import RunServer
from hubline.runs.names import node_channel
from hubline.runs.shared_tapes import Tapes

logger = logging.getLogger("hubline.runs")

SILENCE = 60.0
"""Seconds between two log lines about messages that cannot be read. Ours."""


class News:
    """Passes each message to the code that it concerns."""

    def __init__(self, node: str, calls: Calls | None, tapes: Tapes, server: RunServer | None, clock: Clock) -> None:
        self._node, self._calls, self._tapes, self._server, self._clock = node, calls, tapes, server, clock
        self._unreadable = 0
        self._complained_at: float | None = None

    def received(self, channel: str, payload: bytes) -> None:
        """A message. One that cannot be read is logged, and the others of the next minute are counted."""
        try:
            self._read(channel, payload)
        except Exception as error:
            self._unreadable += 1
            now = self._clock.now()
            if self._complained_at is None or now - self._complained_at >= SILENCE:
                what = f"{self._unreadable} messages of other servers, the last on {channel!r},"
                logger.warning("%s could not be read: %s: %.200s", what, type(error).__name__, error)
                self._unreadable, self._complained_at = 0, now

    def _read(self, channel: str, payload: bytes) -> None:
        if channel == node_channel(self._node):
            if self._calls is not None:
                self._calls.received(json.loads(payload))
        elif channel.startswith("hubline:runs:"):
            kind, _, rest = payload.partition(b" ")
            run_id = channel[len("hubline:runs:{") : -len("}:news")]
            if kind == b"entries":
                before, _, text = rest.partition(b" ")
                self._tapes.told(run_id, int(before), json.loads(text))
            elif kind == b"about" and self._server is not None:
                self._server.changed(json.loads(rest), None)
        elif self._server is not None:
            _, group, name = channel.split(":", 2)
            self._server.changed(json.loads(payload), f"{group}:{name[1 : -len('}:news')]}")
