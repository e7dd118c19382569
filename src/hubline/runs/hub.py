"""The hub methods with which clients use runs."""

from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from typing_extensions import TypeVar

from hubline import Client, ConfigurationError, Hub
from hubline._mistakes import Mistakes
from hubline.runs import items
from hubline.runs.budgets import Budget
from hubline.runs.http.requests import Admit, Permit
from hubline.runs.info import Caller, OnBusy
from hubline.runs.service import Runs
from hubline.runs.settings import OnLastViewer
from hubline.runs.starting import StartedRun

ClientT = TypeVar("ClientT", default=Client)


class CallerRuns:
    """The application's runs, for the caller of a method."""

    def __init__(self, runs: Runs, caller: Caller) -> None:
        self._runs, self._caller = runs, caller

    async def start(
        self,
        function: Callable[..., Any],
        /,
        *arguments: Any,
        key: str | None = None,
        room: str | None = None,
        on_busy: OnBusy | None = None,
        on_last_viewer: OnLastViewer | None = None,
        inbox: bool = False,
        budget: Budget | None = None,
        reserve: int = 1,
    ) -> StartedRun:
        """As `Runs.start`, with the caller as the starter. Raises the same errors."""
        return await self._runs.start(
            function,
            *arguments,
            key=key,
            room=room,
            starter=self._caller,
            on_busy=on_busy,
            on_last_viewer=on_last_viewer,
            inbox=inbox,
            budget=budget,
            reserve=reserve,
        )


class RunsHub(Hub[ClientT]):
    """A hub whose clients attach to runs: `class Assistant(RunsHub, runs=runs)`.

    Clients call the methods below, by the names of runs.md §2. Override `_run_merge` to merge for another time on some
    connections. A class that overrides `on_authentication_refreshed` must call that of this class.
    """

    hubline_runs: Runs
    """The application's runs, from the class or its base class. A hub that a function makes sets it in its constructor
    instead."""

    def __init_subclass__(cls, runs: Runs | None = None, **others: Any) -> None:
        super().__init_subclass__(**others)
        mistakes = Mistakes(cls.__qualname__)
        mistakes.fits("runs", runs, isinstance(runs, Runs), "the application's `Runs(…)`", optional=True)
        mistakes.replaced(cls, RunsHub)
        mistakes.tell()
        if runs is not None:
            cls.hubline_runs = runs

    @classmethod
    def _served(cls, admit: Admit, permit: Permit, ends_with_token: bool) -> None:
        runs: Runs | None = getattr(cls, "hubline_runs", None)
        mistakes = Mistakes(cls.__qualname__)
        wanted = "the application's `Runs(…)`"
        mistakes.fits("hubline_runs", runs, isinstance(runs, Runs), wanted, optional=True)
        mistakes.tell()
        if runs is not None:
            runs._behind(admit, permit, ends_with_token)

    @classmethod
    def _opened(cls) -> None:
        runs: Runs | None = getattr(cls, "hubline_runs", None)
        if runs is not None:
            runs._opened()

    @property
    def runs(self) -> CallerRuns:
        """Starts runs with the caller as the starter. Raises ConfigurationError when the class has no `Runs`."""
        return CallerRuns(self._runs, self._caller)

    async def attach_run(self, run_id: str, after: Any = None) -> AsyncIterator[items.RunItem]:
        """The items of a run after a position; all of them if that is null."""
        found = self._runs.attach_encoded(run_id, after, caller=self._caller, merge=self._run_merge())
        return cast("AsyncIterator[items.RunItem]", found)

    async def stop_run(self, run_id: str) -> items.RunInfo:
        """End a run; its info, once it has ended."""
        return cast("items.RunInfo", (await self._runs.stop(run_id, caller=self._caller)).item())

    async def answer_run(self, run_id: str, ask_id: str, value: Any) -> None:
        """Answer a question of a run."""
        await self._runs.answer(run_id, ask_id, value, caller=self._caller)

    async def steer_run(self, run_id: str, value: Any) -> str:
        """Send a message to a running answer; returns its id."""
        return await self._runs.steer(run_id, value, caller=self._caller)

    async def run_info(self, run_id: str) -> items.RunInfo:
        """The state of a run."""
        return cast("items.RunInfo", (await self._runs.info(run_id, caller=self._caller)).item())

    async def room_runs(self, room: str) -> list[items.RunInfo]:
        """The runs of a room that still exist, the oldest first."""
        found = await self._runs.room_runs(room, caller=self._caller)
        return [cast("items.RunInfo", info.item()) for info in found]

    async def watch_runs(self, room: str | None = None) -> AsyncIterator[items.RunsChange]:
        """The runs of a room, or those of the caller, and each change of their states."""
        return self._runs.watch(room, caller=self._caller)

    async def on_authentication_refreshed(self) -> None:
        """Streams continue if the newer identity may see them."""
        await super().on_authentication_refreshed()
        await self._runs.renewed(self._caller)

    def _run_merge(self) -> float | None:
        """Seconds for which deltas are merged on this connection; `None` for the setting of `Runs`."""
        return None

    @property
    def _runs(self) -> Runs:
        runs: Runs | None = getattr(self, "hubline_runs", None)
        if runs is None:
            raise ConfigurationError([f"{type(self).__qualname__} has no runs: class …(RunsHub, runs=Runs())"])
        return runs

    @property
    def _caller(self) -> Caller:
        context = self.context
        return Caller(context.user_id, context.connection_id, context.identity)
