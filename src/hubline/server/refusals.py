"""The errors of failed calls, for the caller and for the log."""

import asyncio
import logging

from hubline._clock import Clock
from hubline._tasks import ends_its_task, is_current
from hubline.errors import BackplaneError, ConnectionClosed, HubError, RateLimitExceeded, text_of
from hubline.server import error_texts
from hubline.server.calls import Call
from hubline.server.error_texts import error_text
from hubline.server.observer import Outcome

logger = logging.getLogger("hubline.dispatcher")

REFUSALS_LOGGED = 10
"""Lines a minute for one connection, so that a flood of failing calls does not fill the log. Ours."""


class RefusalLog:
    """The failed calls of one connection. `detailed`: whether callers see the texts of all exceptions."""

    __slots__ = ("_clock", "_connection_id", "_count", "_minute", "detailed")

    def __init__(self, connection_id: str, clock: Clock, *, detailed: bool = False) -> None:
        self._connection_id, self._clock, self.detailed = connection_id, clock, detailed
        self._count, self._minute = 0, float("-inf")

    def note(self, where: str, text: str) -> None:
        """Log a call on one line, because the text may be the peer's."""
        now = self._clock.now()
        if now - self._minute >= 60:
            self._count, self._minute = 0, now
        self._count += 1
        if self._count <= REFUSALS_LOGGED:
            more = "; more of this minute are not logged" if self._count == REFUSALS_LOGGED else ""
            logger.info("connection %s: %s%.200r%s", self._connection_id, where, text, more)


def broken_off(call: Call, error: BaseException, log: RefusalLog) -> str:
    """The error text for the caller of a call that raised. `SystemExit` too is a failed call, and does not end the
    server. Empty for a cancellation that was requested.

    A cancellation of the task by others, and `GeneratorExit`, are raised again.
    """
    if call.cancelled and isinstance(error, asyncio.CancelledError):
        return ""
    thrown_away = isinstance(error, GeneratorExit) and not is_current(call.task)
    if thrown_away or (isinstance(error, asyncio.CancelledError) and ends_its_task(error)):
        call.outcome = Outcome.CANCELLED
        raise error
    if not call.refusal:
        call.outcome = Outcome.FAILED
    return _failure(call, error, log)  # this cancellation is not of this task, but of something that the method awaited


def _failure(call: Call, error: BaseException, log: RefusalLog) -> str:
    """The error's text for the caller, and a line in the log."""
    method, connection_id = call.method, call.connection.id
    if isinstance(error, RateLimitExceeded):  # these can be so many that they would fill the log
        logger.debug("connection %s: %s: %s", connection_id, method.where, text_of(error))
    elif isinstance(error, HubError | ConnectionClosed):  # raised on purpose, or the peer has left
        cause = error.__cause__  # such as why an item of an upload does not fit, which the caller is not told
        reason = f" ({type(cause).__name__}: {text_of(cause)})" if cause is not None else ""
        log.note(f"{method.where}: ", text_of(error) + reason)
    elif isinstance(error, BackplaneError):  # an outage, which the log has already: not a fault of the method
        log.note(f"{method.where}: ", text_of(error))
    else:
        logger.error("connection %s: %s failed", connection_id, method.where, exc_info=error)
    base = error_texts.STREAM_FAILED if call.streaming else error_texts.INVOCATION_FAILED.format(method.name)
    return error_text(base, error, detailed=log.detailed)
