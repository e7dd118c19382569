"""Making a run, step by step. What fails leaves nothing."""

from typing import TYPE_CHECKING

from hubline import HubError
from hubline.runs.info import OnBusy
from hubline.runs.record import KeyTakenError, Record
from hubline.runs.registry import Standing

if TYPE_CHECKING:
    from hubline.runs.keeping import Keeper


async def made(keeper: "Keeper", record: Record, policy: OnBusy) -> Standing:
    """Make the log of a run, and let it enter its room.

    Raises:
        HubError, ValueError, BackplaneError: it may not start.
        KeyTakenError: another run has its key by now.
    """
    turns, room = keeper._turns, record.room
    if turns is None:
        keeper._rooms.check(room, policy)
    else:
        await turns.check(room, policy)
    try:
        await reserve(record)
        await (record.open() if turns is None else turns.open(record))
        await keeper._telling.tell(record)
        standing = await _place(keeper, record, policy)
        keeper._refuse_if_draining()  # nobody would wait for it, or end it
        return standing
    except BaseException:
        if turns is not None:
            await turns.withdraw(record)
        await record.close()
        await keeper._execution.give_back(record)
        raise


async def reserve(record: Record) -> None:
    """Reserve tokens of its budget. Raises HubError: there are none."""
    start = record.start
    if start.budget is not None:
        record.reserved = await start.budget.reserve(start.starter or "", max(1, start.reserve))
        if record.reserved == 0:
            raise HubError("The budget is used up.")


async def _place(keeper: "Keeper", record: Record, policy: OnBusy) -> Standing:
    """Admit it, although others may have started meanwhile. Raises HubError, BackplaneError, KeyTakenError."""
    start, turns = record.start, keeper._turns
    if turns is None:
        keeper._rooms.check(start.room, policy)
        return "active"
    standing = await turns.enter(record, policy)
    if not await turns.confirm(record):
        raise KeyTakenError(start.key)
    return standing
