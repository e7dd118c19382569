"""Runs of a hub that includes Hubline's `RunsHub`, followed over lost connections."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

from hubline.client.content import Log, RunContent, RunInfo, RunItem, RunsChange
from hubline.client.following import Line, follow, repeated


class AttachedRun:
    """A run of the server: an answer that goes on whoever watches. `HubConnection.run` makes it.

    `async for item in run` gives its items, from the first or from `after`, until the `end`. When the connection is
    restored it continues behind the last one: no item is missing and none comes twice. An item is a map with `kind` and
    `position` (docs/specs/runs.md §2). A `snapshot` replaces everything before it: it comes when the server cannot
    continue, or rather sends the whole than a long backlog. It always comes whole. `content` is what all items amount
    to, so a reader that shows it need not tell the kinds apart.

    Nothing is read between loops; another loop continues where the last one stopped.
    """

    def __init__(self, line: Line, run_id: str, after: str | None = None) -> None:
        self._line, self._id = line, run_id
        self._log = Log(after)
        self._reader: object = None

    @property
    def id(self) -> str:
        """The id of the run."""
        return self._id

    @property
    def position(self) -> str | None:
        """The position of the last item that was read, from which `HubConnection.run(after=…)` continues."""
        return self._log.position

    @property
    def content(self) -> RunContent:
        """What was read until now."""
        return self._log.content

    async def __aiter__(self) -> AsyncGenerator[RunItem, None]:
        """The items. The server's answers to a run that has ended are its items too.

        Raises:
            InvocationError: the run does not exist (any more), or may not be seen.
            ConnectionClosed: there is no connection, and none is being restored.
        """
        reader = self._reader = object()
        log = self._log
        if log.ended:
            return
        async with aclosing(follow(self._line, "AttachRun", lambda: (self._id, log.position))) as items:
            async for item in items:
                if self._reader is not reader:  # another loop has begun, and reads on
                    return
                if item is None:
                    log.lost()
                elif (whole := log.apply(item)) is not None:
                    yield whole
                if log.ended:
                    return

    async def wait(self) -> RunContent:
        """Read to the end; what the run has written, and how it ended. Raises the errors of a loop."""
        async for _ in self:
            pass
        return self.content

    async def stop(self) -> RunInfo:
        """End the run, even if the connection is lost meanwhile. What it has written stays."""
        info: RunInfo = await repeated(self._line, "StopRun", self._id, result_type=RunInfo)
        return info

    async def info(self) -> RunInfo:
        """The state of the run."""
        info: RunInfo = await repeated(self._line, "RunInfo", self._id, result_type=RunInfo)
        return info

    async def answer(self, ask_id: str, value: Any) -> None:
        """Answer a question of the run. Waits for a connection, but is not repeated.

        Raises:
            InvocationError: it was answered before, it has expired, or the value does not fit.
            ConnectionClosed: the connection was lost before the server said that it has the answer.
        """
        await self._line.connected()
        await self._line.invoke("AnswerRun", self._id, ask_id, value)

    async def steer(self, value: Any) -> str:
        """Send a message to the run; its id, which comes again in the item `steered`. Not repeated, as `answer`.

        Raises:
            InvocationError: the run has ended, takes no messages, or too many wait.
        """
        await self._line.connected()
        steer_id: str = await self._line.invoke("SteerRun", self._id, value, result_type=str)
        return steer_id


async def watch_runs(line: Line, room: str | None) -> AsyncGenerator[tuple[RunInfo, ...], None]:
    """The runs of a room, or of the caller, at once and after each change."""
    runs: dict[str, RunInfo] = {}
    async with aclosing(follow(line, "WatchRuns", lambda: (room,), RunsChange)) as changes:
        async for change in changes:
            if change is None:
                continue
            if change.kind == "runs":
                runs = {info.id: info for info in change.runs}
            elif change.kind == "run" and change.info is not None:
                runs[change.info.id] = change.info
            else:  # a kind of a later version
                continue
            yield tuple(runs.values())
