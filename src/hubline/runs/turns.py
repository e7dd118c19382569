"""The turns of this server's runs in rooms that all servers share."""

import asyncio
from collections.abc import Iterable, Mapping
from contextlib import suppress

from hubline import HubError
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.runs.execution import Execution
from hubline.runs.info import OnBusy
from hubline.runs.log import FencedError, LogGoneError
from hubline.runs.policies import BUSY, check_policy, full, too_many
from hubline.runs.record import Record
from hubline.runs.registry import RunRegistry, Standing
from hubline.runs.settings import Settings


class Turns:
    """Begins runs when the registry says that their turn has come, and stops those that it has marked."""

    def __init__(
        self, registry: RunRegistry, settings: Settings, execution: Execution, records: Mapping[str, Record]
    ) -> None:
        self._registry, self._settings, self._execution, self._records = registry, settings, execution, records
        self._looking: dict[str, bool] = {}
        """Rooms that are being read, and whether they have changed since."""
        self._parking: dict[Record, asyncio.Task[None]] = {}
        """Parked runs that are leaving their rooms."""

    async def check(self, room: str | None, policy: OnBusy) -> None:
        """Refuse a run that cannot start, before it is made. Raises HubError, ValueError, BackplaneError."""
        check_policy(policy)
        if room is None or policy not in ("reject", "queue"):
            return
        standings = {run_id: each for run_id, each in await self._registry.room(room) if each != "given up"}
        most = self._settings.limits.waiting
        waiting = list(standings.values()).count("waiting")
        if not standings or (policy == "queue" and waiting < most) or await self._any_ended(standings):
            return
        raise HubError(BUSY if policy == "reject" else full(most))

    async def _any_ended(self, runs: Iterable[str]) -> bool:
        """Whether one has ended and not left its room yet: then `enter` decides. Raises BackplaneError."""
        found = await asyncio.gather(*(self._settings.log.about(run_id) for run_id in runs))
        return any(about is not None and about["ended"] for about in found)

    async def enter(self, record: Record, policy: OnBusy) -> Standing:
        """Enter the room by its policy. Raises HubError, BackplaneError."""
        if record.room is None:
            return "active"
        record.takes_turns = policy != "concurrent"
        state = await self._registry.enter(record.room, record.id, policy, self._settings.limits.waiting)
        return dict(state)[record.id]

    async def open(self, record: Record) -> None:
        """Make the log. Meanwhile all servers count the run, so a start takes no longer. Raises HubError."""
        admission = self._settings.tasks.start(self._refusal(record))
        try:
            await record.open()
            refusal = await admission
        finally:
            admission.cancel()
        if refusal is not None:
            raise refusal

    async def _refusal(self, record: Record) -> Exception | None:
        """Count a run among those of its starter on all servers. Returns the reason why it may not be made."""
        start, most = record.start, self._settings.limits.per_starter
        try:
            if not start.counted or await self._registry.admit(start.account, record.id, most):
                return None
        except BackplaneError as error:
            return error
        return HubError(too_many(most))

    async def confirm(self, record: Record) -> bool:
        """The run is made, and has its key; False if another run has the key by now. Raises BackplaneError."""
        start = record.start
        if start.key is None:
            return True
        return await self._registry.confirm_key(start.account, start.key, record.id, start.request)

    async def take_over(self, record: Record) -> Standing | None:
        """The standing in its room of a run whose server has gone; `None` if it has none. Raises BackplaneError."""
        if record.room is None:
            return "active"
        return dict(await self._registry.take_over(record.room, record.id)).get(record.id)

    def take(self, record: Record, standing: Standing) -> None:
        """Begin a run of this server, or let it wait for its turn."""
        if standing == "active":
            self._execution.begin(record)
        elif record.room is not None:
            self.look(record.room)

    async def come_back(self, record: Record) -> Standing:
        """Enter the room again, before all that wait for their turns, if it takes turns. Raises BackplaneError."""
        if record.room is None:
            return "active"
        if record.takes_turns is True:
            state = await self._registry.come_back(record.room, record.id)
        else:
            state = await self._registry.enter(record.room, record.id, "concurrent", 0)
        return dict(state)[record.id]

    def park(self, record: Record) -> None:
        """Its function has ended until a person answers. Meanwhile it blocks no other run."""
        if record.room is not None:
            parking = self._settings.tasks.start(self._park(record, record.room), name="hubline.runs: a parked run")
            self._parking[record] = parking
            parking.add_done_callback(lambda _: self._parking.pop(record, None))

    def resume(self, record: Record) -> None:
        """Begin a parked run, or let it wait before all others."""
        if record.room is None:
            self._execution.begin(record)
        else:
            record.place = 0
            record.set_state("queued")
            self._settings.tasks.start(self._resume(record), name="hubline.runs: an answered run")

    async def _park(self, record: Record, room: str) -> None:
        attempt = 0
        while record.parked is not None and not record.is_over:
            try:
                await self._registry.leave(room, record.id)
                return
            except BackplaneError:
                await self._settings.clock.sleep(pause(attempt))
                attempt += 1

    async def _resume(self, record: Record) -> None:
        if record in self._parking:  # it must not leave after it has come back
            await asyncio.wait([self._parking[record]])
        attempt = 0
        while not record.is_over:
            try:
                standing = await self.come_back(record)
            except BackplaneError:
                await self._settings.clock.sleep(pause(attempt))
                attempt += 1
            else:
                if record.state == "queued" and not record.is_over:
                    self.take(record, standing)
                return

    async def withdraw(self, record: Record) -> None:
        """A run was not made: it has no place, and does not count."""
        with suppress(BackplaneError):  # both expire by themselves
            if record.room is not None:
                await self._registry.leave(record.room, record.id)
            if record.start.counted:
                await self._registry.dismiss(record.start.account, record.id)

    def look(self, room: str) -> None:
        """A room has changed."""
        if room not in self._looking:
            self._settings.tasks.start(self._look(room), name="hubline.runs: turns in a room")
        self._looking[room] = True

    async def _look(self, room: str) -> None:
        try:
            while self._looking[room]:
                self._looking[room] = False
                with suppress(BackplaneError):  # the next renewal of the lease reads it again
                    await self._see(room)
        finally:
            del self._looking[room]

    async def _see(self, room: str) -> None:
        waiting = []
        for run_id, standing in await self._registry.room(room):
            record = self._records.get(run_id)
            if standing == "waiting":
                waiting.append(record)
            if record is None or record.is_over:
                continue
            if standing in ("stopping", "given up"):
                self._execution.break_off(record, "stopped")
            elif standing == "active" and record.state == "queued":
                self._execution.begin(record)
        for place, record in enumerate(waiting, 1):
            if record is not None and record.place != place and not record.is_over:
                record.place = place
                with suppress(HubError, FencedError, LogGoneError):
                    await record.write({"kind": "status", "status": "queued", "place": place})
