"""Making a run, step by step. What fails leaves nothing."""

from hubline import HubError
from hubline.runs.execution import Execution
from hubline.runs.info import OnBusy
from hubline.runs.record import KeyTakenError, Record
from hubline.runs.registry import Standing
from hubline.runs.rooms import Rooms
from hubline.runs.telling import Telling
from hubline.runs.turns import Turns


class Making:
    """Makes the runs of one server; `turns` instead of `rooms` where servers share them."""

    def __init__(self, turns: Turns | None, rooms: Rooms, telling: Telling, execution: Execution) -> None:
        self._turns, self._rooms, self._telling, self._execution = turns, rooms, telling, execution

    async def make(self, record: Record, policy: OnBusy) -> Standing:
        """Make the log of a run, and let it enter its room.

        Raises:
            HubError, ValueError, BackplaneError: it may not start.
            KeyTakenError: another run has its key by now.
        """
        turns = self._turns
        if turns is None:
            self._rooms.check(record.room, policy)
        else:
            await turns.check(record.room, policy)
        try:
            await reserve(record)
            await (record.open() if turns is None else turns.open(record))
            await self._telling.tell(record)
            standing = await self._place(record, policy)
            self.refuse_at_the_end()  # nobody would wait for it, or end it
            return standing
        except BaseException:
            if turns is not None:
                await turns.withdraw(record)
            await record.close()
            await self._execution.give_back(record)
            raise

    def refuse_at_the_end(self) -> None:
        """Raises HubError: the server is about to stop."""
        if self._execution.draining:
            raise HubError("The server is restarting. Try again in a moment.")

    async def _place(self, record: Record, policy: OnBusy) -> Standing:
        """Admit it, although others may have started meanwhile. Raises HubError, BackplaneError, KeyTakenError."""
        if self._turns is None:
            self._rooms.check(record.room, policy)
            return "active"
        standing = await self._turns.enter(record, policy)
        if not await self._turns.confirm(record):
            raise KeyTakenError(record.start.key)
        return standing


async def reserve(record: Record) -> None:
    """Reserve tokens of its budget. Raises HubError: there are none."""
    start = record.start
    if start.budget is not None:
        record.reserved = await start.budget.reserve(start.starter or "", max(1, start.reserve))
        if record.reserved == 0:
            raise HubError("The budget is used up.")
