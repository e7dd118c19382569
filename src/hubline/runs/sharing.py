"""What a log that servers share asks of this one: the runs it owns for others, and those it takes over."""

import logging
from collections.abc import Mapping
from typing import Any

from hubline import HubError
from hubline.runs.elsewhere import moment_of, start_of
from hubline.runs.info import ENDED, NO_RUN, Caller
from hubline.runs.keeping import Keeper
from hubline.runs.log import About
from hubline.runs.record import Record, Verdict

logger = logging.getLogger("hubline.runs")


class Server:
    """A `RunServer`: the runs of one keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    async def called(self, run_id: str, request: Mapping[str, Any]) -> Any:
        """Do what a client of another server wants, who may. Raises HubError."""
        keeper = self._keeper
        record = keeper._records.get(run_id)
        if record is None or record.is_lost:
            raise HubError(NO_RUN)
        do = request["do"]
        if do == "viewers":
            others = {each for each in record.viewers if not (isinstance(each, tuple) and each[0] == request["from"])}
            record.viewers = others | {(request["from"], number) for number in range(request["count"])}
            keeper._execution.watched(record)
            return None
        caller = None if request["trusted"] else Caller(request["by"])
        if do == "stop":
            keeper._stop(record)
            await record.ended.wait()
            return record.info().item()
        if do == "steer":
            return put(record, request["value"], request["by"])
        if record.asks.who_may(request["ask"]) is None and not request["may"]:
            raise HubError(NO_RUN)
        await keeper._answer(record, request["ask"], request["value"], caller)
        return None

    async def adopt(self, about: About, fence: int) -> None:
        """Go on with a run whose server has gone, where its function may be called again, or else end it."""
        keeper = self._keeper
        function = keeper._functions.get(about["function"] or "")
        start = start_of(about, function)
        record = keeper._record(start)
        record.id, record.fence, record.attempt = about["id"], fence, about["attempt"]
        record.started_at = moment_of(about["startedAt"]) or record.started_at
        for used in about["usage"]:
            record.usage.add(used)
        await record.follow()
        keeper._active[start.account] = keeper._active.get(start.account, 0) + 1
        keeper._records[record.id] = record
        logger.warning("run %s: its server has gone, in attempt %d; taken over", record.id, record.attempt)
        attempts = getattr(function, "__hubline_run_attempts__", 0)
        if record.tape.ended is not None:  # the end was written, and perhaps not told
            end = record.tape.ended.item
            await keeper._execution.finish(record, Verdict(end["state"], end["error"]))
        elif record.attempt >= attempts or keeper._execution.draining:
            await keeper._execution.end(record, Verdict("interrupted"))
        else:
            for ask_id in list(record.tape.asks):  # the function that goes on asks anew
                gone = {"kind": "answered", "askId": ask_id, "by": None, "value": None, "expired": True}
                await record.write(gone)
            keeper._rooms.enter(record, "concurrent")
            keeper._execution.watched(record)

    def lost(self, run_id: str) -> None:
        """Another server has taken a run over."""
        record = self._keeper._records.get(run_id)
        if record is not None:
            self._keeper._lost(record)

    def changed(self, about: About, group: str | None) -> None:
        """A run has changed; of those of this server, everybody here knows."""
        if about["id"] not in self._keeper._records:
            self._keeper._elsewhere.changed(about, group)


def put(record: Record, value: Any, by: str | None) -> str:
    """A message for the function; its id. Raises HubError."""
    if record.is_over:
        raise HubError(ENDED)
    if record.inbox is None:
        raise HubError("The run takes no messages.")
    return record.inbox._put(value, by)
