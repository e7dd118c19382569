"""Starting runs: a repeated key joins the run that it has started, on any server."""

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace

from hubline import HubError
from hubline.backplanes.lines import pause
from hubline.errors import BackplaneError
from hubline.runs.elsewhere import RemoteRecord
from hubline.runs.info import NO_RUN, UNREACHABLE, OnBusy, RunInfo
from hubline.runs.keeping import Keeper
from hubline.runs.keys import OTHER_REQUEST
from hubline.runs.log import FencedError, LogGoneError
from hubline.runs.record import KeyTakenError, Record, Start
from hubline.runs.registry import RunRegistry
from hubline.runs.settings import Settings
from hubline.runs.tape import Entry, Tape
from hubline.runs.values import fingerprint

logger = logging.getLogger("hubline.runs")

Stop = Callable[[str], Awaitable[RunInfo]]
"""Ends the run of an id, and waits until it has ended."""


class StartedRun:
    """A started run, for its starter: its id, and calls to wait for it and to stop it."""

    def __init__(
        self, run_id: str, wait: Callable[[], Awaitable[RunInfo]], stop: Callable[[], Awaitable[RunInfo]]
    ) -> None:
        self.id = run_id
        """The id with which viewers attach."""
        self._wait, self._stop = wait, stop

    async def wait(self) -> RunInfo:
        """Wait for the end. Raises HubError when the run has expired, or its state cannot be read."""
        return await self._wait()

    async def stop(self) -> RunInfo:
        """End it, as `StopRun` does, without a check of rights. Raises HubError when the run has expired."""
        return await self._stop()


async def started(keeper: Keeper, stop: Stop, start: Start, on_busy: OnBusy | None) -> StartedRun:
    """Start a run, or join the one that the key has started. Raises HubError, BackplaneError, ValueError."""
    key = start.key
    if key is None:
        return await _make(keeper, stop, start, on_busy, None)
    start = replace(start, request=fingerprint(start.name, start.room, *start.arguments))
    registry = keeper._settings.log.registry
    if registry is not None:
        return await _of_any_server(keeper, stop, registry, start, key, on_busy)
    run_id = secrets.token_urlsafe(16)
    while True:
        claimed = keeper._keys.claim(start.account, key, run_id, start.request, keeper._settings.clock.now())
        if claimed.run_id == run_id:
            break
        if await asyncio.shield(claimed.created):
            return _joined(keeper, stop, claimed.run_id)
    try:
        made = await _make(keeper, stop, start, on_busy, run_id)
    except BaseException:
        keeper._keys.give_up(start.account, key)
        claimed.created.set_result(False)
        raise
    claimed.created.set_result(True)
    return made


async def _of_any_server(
    keeper: Keeper, stop: Stop, registry: RunRegistry, start: Start, key: str, on_busy: OnBusy | None
) -> StartedRun:
    """The same, with the keys of all servers. A request that arrives while the run is being made waits for it."""
    attempt = 0
    while True:
        run_id = secrets.token_urlsafe(16)
        taken = await registry.take_key(start.account, key, run_id, start.request)
        if taken.request != start.request:
            raise HubError(OTHER_REQUEST)
        if taken.run_id == run_id:
            try:
                return await _make(keeper, stop, start, on_busy, run_id)
            except KeyTakenError:
                continue
            except BaseException:
                with suppress(BackplaneError):  # it is free again after a while
                    await registry.free_key(start.account, key, run_id)
                raise
        if taken.made:
            return _joined(keeper, stop, taken.run_id)
        await keeper._settings.clock.sleep(pause(attempt))
        attempt += 1


async def _make(keeper: Keeper, stop: Stop, start: Start, on_busy: OnBusy | None, run_id: str | None) -> StartedRun:
    try:
        record = await keeper._create(start, on_busy, run_id)
    except (FencedError, LogGoneError) as error:  # its lease lapsed, and another server has the run, or nobody
        raise BackplaneError(f"the run was lost while it was made: {error}") from error

    async def stopped() -> RunInfo:
        keeper._stop(record)
        await record.left.wait()
        return await stop(record.id) if record.is_lost else record.info()

    return StartedRun(record.id, lambda: _end_of(keeper, record), stopped)


async def _end_of(keeper: Keeper, record: Record) -> RunInfo:
    """Wait for the end of a run of this server, which another one may take over. Raises HubError."""
    await record.left.wait()
    return await _ended_elsewhere(keeper, record.id) if record.is_lost else record.info()


def _joined(keeper: Keeper, stop: Stop, run_id: str) -> StartedRun:
    async def wait() -> RunInfo:
        record = keeper._records.get(run_id)
        return await (_ended_elsewhere(keeper, run_id) if record is None else _end_of(keeper, record))

    return StartedRun(run_id, wait, lambda: stop(run_id))


async def _ended_elsewhere(keeper: Keeper, run_id: str) -> RunInfo:
    """Wait for the end of a run of another server. Raises HubError."""
    settings = keeper._settings
    if not settings.log.shared:
        raise HubError(NO_RUN)
    try:
        async with settings.log.follow(run_id) as tape:
            await _until_ended(tape)
        attempt = 0
        while True:
            about = await settings.log.about(run_id)
            if about is None:
                raise HubError(NO_RUN)
            if about["ended"]:
                return RemoteRecord(about, settings).info()
            await settings.clock.sleep(pause(attempt))  # the server that wrote the end reports it next
            attempt += 1
    except LogGoneError as error:
        raise HubError(NO_RUN) from error
    except BackplaneError as error:
        raise HubError(UNREACHABLE) from error


async def _until_ended(tape: Tape) -> None:
    over = asyncio.Event()

    def listen(entry: Entry) -> None:
        if entry.kind == "end":
            over.set()

    tape.listeners.append(listen)
    try:
        if tape.ended is None:
            await over.wait()
    finally:
        tape.listeners.remove(listen)


async def join_others(settings: Settings, draining: Callable[[], bool]) -> None:
    """Connect to the shared log, so that this server takes over what others leave. Returns when it has succeeded.

    The log says once why it cannot, and when it can.
    """
    attempt = 0
    while not draining():
        try:
            await settings.log.about("")
        except BackplaneError as error:
            if attempt == 0:
                logger.warning("no answers can be started until the log of runs can be used: %s", error)
            await settings.clock.sleep(pause(attempt))
            attempt += 1
        else:
            if attempt:
                logger.warning("the log of runs can be used now")
            return
