"""This server as a shared log uses it: requests of others for its runs, and runs that it takes over."""

import logging
from collections.abc import Mapping
from typing import Any

from hubline import HubError
from hubline.runs.elsewhere import moment_of, start_of
from hubline.runs.info import ENDED, NO_RUN, UNREACHABLE, Caller
from hubline.runs.keeping import Keeper
from hubline.runs.log import About
from hubline.runs.making import reserve
from hubline.runs.record import Record, Verdict
from hubline.runs.registry import Standing

logger = logging.getLogger("hubline.runs")


class Server:
    """A `RunServer`: the runs of one keeper."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    @property
    def leaving(self) -> bool:
        """Whether no runs are begun any more."""
        return self._keeper._execution.draining

    @property
    def waiting(self) -> set[str]:
        """Rooms in which runs of this server wait."""
        records = self._keeper._records.values()
        return {each.room for each in records if each.state == "queued" and each.room is not None}

    async def called(self, run_id: str, request: Mapping[str, Any], node: str) -> Any:
        """Handle the request of a client of another server, after a check of its rights. Raises HubError."""
        keeper = self._keeper
        record = keeper._records.get(run_id)
        if record is None or record.is_lost:
            raise HubError(NO_RUN)
        do = request["do"]
        if do == "viewers":
            others = {each for each in record.viewers if not (isinstance(each, tuple) and each[0] == node)}
            record.viewers = others | {(node, number) for number in range(request["count"])}
            keeper._execution.watched(record)
            return None
        caller = None if request["trusted"] else Caller(request["by"])
        if do == "info":
            return record.info().item()
        if do == "stop":
            keeper._stop(record)
            await record.left.wait()
            if record.is_lost:  # the caller finds its new owner
                raise HubError(UNREACHABLE)
            return record.info().item()
        if do == "steer":
            return put(record, request["value"], request["by"])
        if record.asks.who_may(request["ask"]) is None and not request["may"]:
            raise HubError(NO_RUN)
        await keeper._answer(record, request["ask"], request["value"], caller)
        return None

    async def adopt(self, about: About, fence: int) -> None:
        """Go on with a run whose server has gone, where its function may be called again, or else end it.

        A server that stops meanwhile leaves it to the next one. After an error it may be called again.
        """
        keeper = self._keeper
        function = keeper._functions.get(about["function"] or "")
        start = start_of(about, function, keeper._budgets.get(about["function"] or ""))
        record = keeper._record(start)
        record.id, record.fence = about["id"], fence
        record.attempt, record.handed_over = about["attempt"], about["handedOver"]
        record.takes_turns = about.get("takesTurns")  # a former release did not tell
        record.started_at = moment_of(about["startedAt"]) or record.started_at
        for used in about["usage"]:
            record.usage.add(used)
        await record.follow()
        if record.inbox is not None:
            tape = record.tape
            entries = [tape.at(number) for number in range(tape.base + 1, tape.end + 1)]
            steered = {entry.item["steerId"] for entry in entries if entry.kind == "steered"}
            record.inbox._take_over(about.get("messages", ()), steered)  # a former release did not tell
        try:
            verdict = await self._verdict(record)
        except BaseException:
            record.is_lost = True  # so that the log stays
            await keeper._execution.give_back(record)
            await record.close()
            raise
        keeper._count(start.account)
        keeper._records[record.id] = record
        keeper._elsewhere.adopted(record)
        logger.warning("run %s: its server has gone, in attempt %d; taken over", record.id, record.attempt)
        if record.tape.ended is not None:  # the end was written, and perhaps not told
            ending = keeper._execution.finish(record, record.tape.ended.item, moment_of(about["endedAt"]))
            keeper._settings.tasks.start(ending, name="hubline.runs: the end of a run of another server")
        elif isinstance(verdict, Verdict):
            keeper._execution.break_off(record, verdict.state, verdict.error)
        elif self.leaving:
            keeper._lost(record)
        else:
            try:
                await self._go_on(record, verdict)
            except BaseException:
                keeper._lost(record)
                raise

    async def _go_on(self, record: Record, standing: Standing) -> None:
        for ask_id in list(record.tape.asks):  # the function that goes on asks anew
            gone = {"kind": "answered", "askId": ask_id, "by": None, "value": None, "expired": True}
            await record.write(gone)
        assert self._keeper._turns is not None
        self._keeper._turns.take(record, standing)
        self._keeper._execution.watched(record)

    async def _verdict(self, record: Record) -> Standing | Verdict:
        """How a run ends whose server has gone, or where it stands in its room. Raises BackplaneError."""
        keeper, turns = self._keeper, self._keeper._turns
        assert turns is not None
        standing = await turns.take_over(record)
        if record.tape.ended is not None:  # nothing is reserved again
            return Verdict(record.tape.ended.item["state"])
        if standing in ("stopping", "given up"):
            return Verdict("stopped")
        attempts = getattr(record.start.function, "__hubline_run_attempts__", 0)
        nobody_follows = self.leaving and not keeper._settings.hands_over()
        if record.attempt - record.handed_over >= attempts or nobody_follows:
            return Verdict("interrupted")
        if (standing is None and record.attempt == 0) or not await turns.confirm(record):
            return Verdict("interrupted")  # its start was not finished, and nobody has been told of it
        try:
            await reserve(record)
        except HubError as error:
            return Verdict("limited", str(error))
        return standing or await turns.come_back(record)

    def turns(self, room: str) -> None:
        """A room has changed."""
        assert self._keeper._turns is not None
        self._keeper._turns.look(room)

    def gone(self, node: str) -> None:
        """A server has gone, with its viewers."""
        for record in list(self._keeper._records.values()):
            others = {each for each in record.viewers if not (isinstance(each, tuple) and each[0] == node)}
            if others != record.viewers:
                record.viewers = others
                self._keeper._execution.watched(record)

    def returned(self) -> None:
        """Other servers considered this server gone."""
        self._keeper._elsewhere.told_anew()

    def away(self, run_id: str) -> None:
        """The log of a run cannot be reached."""
        record = self._keeper._records.get(run_id)
        if record is not None and record.backlog is not None:
            record.backlog.away()

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
    """Add a message for the function; returns its id. Raises HubError."""
    if record.is_over:
        raise HubError(ENDED)
    if record.inbox is None:
        raise HubError("The run takes no messages.")
    if record.hands_over:  # those that were not read are on their way to another server
        raise HubError(UNREACHABLE)
    return record.inbox._put(value, by)
