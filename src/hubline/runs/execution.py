"""Running the functions of runs: from the first call to the end, whatever ends them."""

import asyncio
import functools
import inspect
import logging
from collections.abc import AsyncIterable, Callable, Iterator
from datetime import datetime
from typing import Any

from hubline import HubError
from hubline._tasks import called, ends_its_task, is_current
from hubline.errors import text_of
from hubline.runs.asks import Ask, answered
from hubline.runs.info import RunState, StopAfter
from hubline.runs.log import FencedError
from hubline.runs.record import Record, Verdict
from hubline.runs.run import Run
from hubline.runs.settings import Settings
from hubline.runs.tape import Item
from hubline.runs.telling import Telling
from hubline.runs.values import whole_characters
from hubline.streams.download import in_thread

logger = logging.getLogger("hubline.runs")

NEUTRAL = "The run failed because of an error on the server."
RETRIES = (1.0, 5.0)
"""Seconds before `on_end` is called again when it has raised. Ours; the number of calls is in runs.md R15."""


class Execution:
    """Runs the functions, stops them, and handles their end.

    Other servers are told of each attempt before it begins, and of `on_end` after it. `gone` is called when a run has
    ended, `parked` when its function has ended until a person answers, and `resume` to call it again.
    """

    def __init__(
        self,
        settings: Settings,
        telling: Telling,
        gone: Callable[[Record], None],
        parked: Callable[[Record], None],
        resume: Callable[[Record], None],
    ) -> None:
        self._settings, self._telling, self._gone = settings, telling, gone
        self._parked, self._resume = parked, resume
        self.draining = False

    def begin(self, record: Record) -> None:
        """Call the function, in a task of its own; not if the run was stopped while it waited."""
        if record.verdict is not None:
            return
        settings, limits = self._settings, self._settings.limits
        record.attempt += 1
        record.last_entry, record.begun, record.is_counted = settings.clock.now(), False, False
        record.set_state("running")
        if "length" not in record.timers and limits.length is not None:  # each server that calls it measures anew
            seconds = f"The run took more than {limits.length:g} s."
            record.after("length", limits.length, lambda: self.break_off(record, "limited", seconds))
        if limits.silence is not None:
            record.after("silence", limits.silence, functools.partial(self._listen, record))
        name = getattr(record.start.function, "__qualname__", "run")
        record.task = settings.functions.start(self._drive(record), name=f"run {record.id} ({name})")

    def break_off(self, record: Record, state: RunState, error: str | None = None) -> None:
        """End a run: its function is cancelled, and has some time to clean up."""
        if record.is_over or (record.verdict is not None and record.task is None):
            return
        if record.verdict is None:
            record.verdict = Verdict(state, error)
        if record.task is None:
            self._settings.tasks.start(self.end(record, record.verdict))
        elif record.begun and "clean up" not in record.timers:
            record.task.cancel()
            record.after("clean up", self._settings.limits.clean_up, lambda: self._abandon(record))

    async def end(self, record: Record, verdict: Verdict) -> None:
        """Write the end, once, and handle it."""
        if record.is_over:
            return
        try:
            await record.write_end(verdict.state, verdict.error)
        except FencedError:
            return
        except Exception:
            logger.exception("run %s: its end could not be written", record.id)
        await self._follow_up(record)

    async def finish(self, record: Record, end: Item, ended_at: datetime | None) -> None:
        """A run whose server wrote this end, and went away then."""
        record.take_end(end, ended_at)
        await self._follow_up(record)

    async def _follow_up(self, record: Record) -> None:
        self._gone(record)
        await self.give_back(record)
        await self._tell(record)

    async def give_back(self, record: Record) -> None:
        """Release unused tokens that were reserved of a budget."""
        budget, task = record.start.budget, asyncio.current_task()
        reserved, record.reserved = record.reserved, 0
        if budget is None or not reserved:
            return
        try:
            await budget.release(record.start.starter or "", reserved)
        except BaseException as error:
            if _ends(error, task):
                raise
            logger.exception("run %s: reserved tokens could not be released", record.id)

    def lose(self, record: Record) -> None:
        """Another server owns the run now: the function is cancelled, and its end is handled there."""
        if not record.is_lost:
            record.lose()
            if record.task is not None and record.begun:
                record.task.cancel()

    async def settle(self, record: Record, ask: Ask, state: str, value: Any = None, by: str | None = None) -> None:
        """A question was answered or has expired: it is reported, then the function continues or is called again."""
        answer = record.asks.read(ask, value, self._settings.limits.entry) if state == "answered" else None
        record.asks.claim(ask, state, by)
        # nobody else can answer any more, so it goes on when its caller is cancelled
        reporting = self._settings.tasks.start(self._report(record, ask, value, answer), name="hubline.runs: an answer")
        failure = await asyncio.shield(reporting)
        if failure is not None:
            raise failure

    async def _report(self, record: Record, ask: Ask, value: Any, answer: Any) -> Exception | None:
        """Write the outcome of a question, and let the function go on. Returns why it could not be written."""
        try:
            await record.write(answered(ask, value))
        except Exception as error:
            return error
        finally:
            record.asks.settle(ask, answer)
            if record.parked is ask and record.task is None and not record.is_over:
                record.parked = None
                self._resume(record)
        return None

    def expire(self, record: Record, ask: Ask) -> None:
        """There was no answer in time."""
        if ask.state == "open" and not record.is_over:
            self._settings.tasks.start(self.settle(record, ask, "expired"))

    def watched(self, record: Record) -> None:
        """The number of viewers has changed."""
        rule = record.start.on_last_viewer
        if not isinstance(rule, StopAfter) or record.is_over:
            return
        if record.viewers:
            record.cancel("viewers")
        elif "viewers" not in record.timers:
            record.after("viewers", rule.seconds, lambda: self.break_off(record, "stopped"))

    async def _drive(self, record: Record) -> None:
        verdict = Verdict("completed")
        record.begun = True
        try:
            if record.verdict is None and not record.is_lost:  # either may have come before it began
                await self._telling.count(record)
                record.last_entry, record.is_counted = self._settings.clock.now(), True
                await _call(record)
        except BaseException as error:  # `sys.exit` is a failed run, and does not end the server
            if _is_thrown_away(error, record.task):
                raise
            own = isinstance(error, asyncio.CancelledError) and ends_its_task(error)
            verdict = Verdict("interrupted") if own else Verdict("failed", self._text(record, error))
        if record.is_over:
            return
        record.task = None
        record.cancel("clean up")
        if record.parked is not None and record.verdict is None:
            record.cancel("silence")
            if record.parked.done.is_set():  # answered while the function was ending
                record.parked = None
                self.begin(record)
            else:
                self._parked(record)
            return
        await self.end(record, record.verdict or verdict)

    def _text(self, record: Record, error: BaseException) -> str | None:
        if isinstance(error, HubError):
            return whole_characters(text_of(error))
        if record.is_lost:
            return None
        logger.error("run %s: its function failed", record.id, exc_info=error)
        details = f"{type(error).__name__}: {text_of(error)}"
        return whole_characters(details) if self._settings.detailed_errors else NEUTRAL

    def _abandon(self, record: Record) -> None:
        """The time to clean up is over."""
        if record.is_over or record.task is None:
            return
        seconds = self._settings.limits.clean_up
        logger.error("%s did not end within %g s and is abandoned", record.task.get_name(), seconds)
        record.task.cancel()
        assert record.verdict is not None
        self._settings.tasks.start(self.end(record, record.verdict))

    def _listen(self, record: Record) -> None:
        """Whether the function has been silent for too long; looked at no more often than it could be."""
        silence = self._settings.limits.silence
        assert silence is not None
        left = record.last_entry + silence - self._settings.clock.now()
        if record.waits_for_person or record.waits_for_log or not record.is_counted or record.verdict is not None:
            left = silence
        if left > 0:
            record.after("silence", left, functools.partial(self._listen, record))
        else:
            self.break_off(record, "failed", f"The run was silent for more than {silence:g} s.")

    async def _tell(self, record: Record) -> None:
        """`on_end`, with its retries."""
        on_end, task = self._settings.on_end, asyncio.current_task()
        try:
            if on_end is None:
                self._telling.settle(record)
                return
            finished = record.finished()
            for pause in (*RETRIES, None):
                if not await self._telling.may_end(record, lambda: not self.draining):
                    return
                try:
                    await on_end(finished)
                    self._telling.settle(record)
                    return
                except BaseException as error:
                    if _ends(error, task):
                        raise
                    logger.exception("run %s: on_end failed", record.id)
                if pause is not None and not self.draining:
                    await self._settings.clock.sleep(pause)
            self._telling.settle(record)
        finally:
            record.stored.set()


def _is_thrown_away(error: BaseException, task: "asyncio.Task[Any] | None") -> bool:
    """Whether the coroutine is being closed, and has not raised this itself."""
    return isinstance(error, GeneratorExit) and not is_current(task)


def _ends(error: BaseException, task: "asyncio.Task[Any] | None") -> bool:
    """Whether it ends the task that has caught it, and is not a failure of the application's code."""
    return _is_thrown_away(error, task) or (isinstance(error, asyncio.CancelledError) and ends_its_task(error))


async def _call(record: Record) -> None:
    """The function, and what it yields."""
    run, function, arguments = Run(record), record.start.function, record.start.arguments
    if inspect.isgeneratorfunction(function):
        await _write_all(run, in_thread(function(run, *arguments)))
        return
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        result = function(run, *arguments)
    else:
        result = await asyncio.to_thread(called, function, run, *arguments)
    if inspect.isawaitable(result):
        result = await result
    if isinstance(result, AsyncIterable):
        await _write_all(run, result)
    elif isinstance(result, Iterator):
        await _write_all(run, in_thread(result))
    elif isinstance(result, str):
        await run.text(result)


async def _write_all(run: Run, items: AsyncIterable[Any]) -> None:
    iterator = aiter(items)
    try:
        async for item in iterator:
            if isinstance(item, str):
                await run.text(item)
            else:
                await _write(run, dict(item))
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


async def _write(run: Run, item: dict[str, Any]) -> None:
    """Write what a generator yields besides text: an item in the form for viewers, without its position."""
    match item:
        case {"kind": "text", "text": str(text), **rest}:
            await run.text(text, part=rest.get("part"))
        case {"kind": "reasoning", "text": str(text), **rest}:
            await run.reasoning(text, part=rest.get("part"))
        case {"kind": "data", "name": str(name), "value": value, **rest}:
            await run.data(name, value, part=rest.get("part"))
        case {"kind": "status", "status": str(status), **rest}:
            await run.status(status, **rest)
        case {"kind": "retract", **rest}:
            await run.retract(*rest.get("parts", ()))
        case _:
            raise ValueError(f"a run cannot write {item!r:.200}: yield a str, or a text, reasoning, data, … item")
