"""The object with which a function makes an answer."""

import asyncio
from collections.abc import AsyncIterable, Collection
from datetime import timedelta
from typing import Any

from hubline import HubError
from hubline.runs.asks import Ask
from hubline.runs.inbox import Inbox
from hubline.runs.info import ENDED, moment
from hubline.runs.parts import TEXTS
from hubline.runs.piping import pipe
from hubline.runs.piping_writer import Writer
from hubline.runs.record import Record
from hubline.runs.tape import ITEM_TEXT
from hubline.runs.usage import camel
from hubline.runs.values import cut, pieces, plain, text_size, value_size, whole_characters

TURN = 64
"""Entries after which a function that never waits gives other tasks a turn of the loop. Ours."""

WARNING = 0.8
"""Share of a budget at which the remaining tokens are reported to viewers (runs.md R26)."""


class Run:
    """An answer in progress, as the function that makes it sees it.

    Everything that it writes is kept, with or without viewers, and it does not wait for viewers. After the end of the
    run, for example when it was stopped, writing raises HubError.
    """

    def __init__(self, record: Record) -> None:
        self._record = record
        self._fresh = True
        """Whether the next text begins a part of its own."""
        self._next = 1
        self._answered_by: str | None = None

    @property
    def id(self) -> str:
        """The id with which viewers attach."""
        return self._record.id

    @property
    def attempt(self) -> int:
        """1 at first; greater when the function is called again, for example after it was parked."""
        return self._record.attempt

    @property
    def starter(self) -> str | None:
        """The user that started it."""
        return self._record.start.starter

    @property
    def room(self) -> str | None:
        """The room that it was started in."""
        return self._record.room

    @property
    def parts(self) -> list[dict[str, Any]]:
        """The parts that were written so far, in earlier attempts too, as in a snapshot."""
        return self._record.parts.items()

    @property
    def ended(self) -> bool:
        """Whether nothing more can be written, for a function that has suppressed its cancellation."""
        return self._record.is_over

    @property
    def answered_by(self) -> str | None:
        """The user id of the person whose answer `ask` returned last; `None` for an anonymous user."""
        return self._answered_by

    @property
    def inbox(self) -> Inbox:
        """Messages that people send to the answer. Raises RuntimeError unless started with `inbox=True`."""
        if self._record.inbox is None:
            raise RuntimeError("this run takes no messages: start it with `inbox=True`")
        return self._record.inbox

    async def text(self, delta: str, *, part: str | None = None) -> None:
        """Add to the answer: to its last part, if that is text, or else as a new part, or to the part named."""
        await self._grow("text", delta, part)

    async def reasoning(self, delta: str, *, part: str | None = None) -> None:
        """The same for the reasoning of the model."""
        await self._grow("reasoning", delta, part)

    async def data(self, name: str, value: Any, *, part: str | None = None) -> str:
        """Add a value of the application, such as a source or a tool call; returns the name of its part.

        With the name of an existing part, the value replaces the former one.

        Raises:
            TypeError: the value has no form in JSON.
            HubError: it has more than 64 KiB there.
        """
        value = plain(value)
        size, limits = value_size(value), self._record.settings.limits
        if size > limits.entry:
            raise HubError(f"A value may have {limits.entry // 1024} KiB.")
        known = self._parts.kind_of(part) if part is not None else None
        if known in TEXTS:
            raise ValueError(f"part {part!r} is {known}, not a value")
        if self._parts.size + size > limits.text:
            await self._too_much()
        else:
            part = part or self._new_part()
            await self._write({"kind": "data", "part": part, "name": name, "value": value})
        return part or ""

    async def tool(self, call_id: str, state: str, *, name: str | None = None, **values: Any) -> None:
        """Change a tool call that `pipe` wrote, or write a new one, which needs a `name`.

        A call is one value, in the form of the AI SDK: `state` is `input-available`, `approval-requested`,
        `output-available`, `output-denied` or `output-error`, and the `values` are `input`, `output`, `error_text` or
        the application's own. What is known of the call already is kept. Each value may have half the size of a value
        (32 KiB); of a larger one only the size is kept, `{"omitted": bytes}`.

        Raises:
            TypeError: a value has no form in JSON.
        """
        named = {camel(each): value for each, value in values.items()}
        await Writer(self, None, self._record.settings.limits.entry).tool(call_id, name, state, **named)

    async def retract(self, *parts: str) -> None:
        """Retract these parts, or all of them. Text that follows is a new part."""
        names = list(parts) or [name for name, _ in self._parts]
        self._fresh = True
        if names:
            await self._write({"kind": "retract", "parts": names})

    async def status(self, status: str, **details: Any) -> None:
        """Show a status to viewers. It is not kept."""
        await self._write({"kind": "status", **plain(details), "status": status})

    async def ask(
        self,
        prompt: str,
        *,
        schema: Any = bool,
        expires: float | None = None,
        who: str | Collection[str] | None = None,
        key: str | None = None,
        park: bool = False,
    ) -> Any:
        """Ask a person; returns the first valid answer, as the type `schema`.

        `expires` are seconds. `who` are the only users that may answer, instead of those who may by the rights of the
        run. With a `key`, a question that has been answered in a former attempt returns at once. With `park` the
        function ends here, holding nothing, and is called again with the same arguments when the answer comes or the
        question expires; it must be registered with `@runs.function`.

        Raises:
            AskExpired: there was no answer in time.
        """
        record = self._record
        if park and key is None:
            raise ValueError("a question that parks needs a `key`, by which its answer is found again")
        if park and not getattr(record.start.function, "__hubline_run_function__", False):
            raise ValueError("only a function that is registered with @runs.function can be parked")
        ask = record.asks.of_key(key)
        if ask is None:
            ask = await self._ask(prompt, schema, expires, who, key)
        if park and ask.state == "open":
            record.parked = ask
            if record.task is not None:
                record.task.cancel()
            await _unwound()
        try:
            await ask.done.wait()
        except asyncio.CancelledError:
            if record.verdict is None:  # not the run was ended: the function does not wait any longer
                record.expire(ask)
            raise
        self._answered_by = ask.by
        return ask.result()

    async def charge(
        self,
        tokens: int,
        *,
        provider: str | None = None,
        model: str | None = None,
        **more: Any,
    ) -> None:
        """Count tokens that were used, in the run's usage and against its budget, if it has one.

        At 80 % of the budget viewers get the status `budget` with what is `left`; at 100 % the function is cancelled
        here, and the run ends `limited`.
        """
        self.usage(provider=provider, model=model, total_tokens=tokens, **more)
        record, budget = self._record, self._record.start.budget
        if budget is None:
            return
        reserved = min(record.reserved, tokens)
        record.reserved -= reserved
        balance = await budget.charge(record.start.starter or "", tokens, reserved=reserved)
        left = balance.left + record.reserved
        if left <= 0:
            await self._used_up()
        elif not record.warned and balance.limit - left >= WARNING * balance.limit:
            record.warned = True
            await self.status("budget", left=left)

    async def reserve(self, tokens: int) -> None:
        """Reserve more tokens of the budget, while an answer grows whose cost is known only at its end.

        Tokens that are not charged by the end are released, so an answer that fails costs nothing. When fewer are left,
        the function is cancelled here, and the run ends `limited`.
        """
        record, budget = self._record, self._record.start.budget
        if budget is None or tokens <= 0:
            return
        account = record.start.starter or ""
        granted = await budget.reserve(account, tokens)
        if record.is_over:  # what was reserved has been given back
            await budget.release(account, granted)
            raise HubError(ENDED)
        record.reserved += granted
        if granted < tokens:
            await self._used_up()

    def usage(self, *, provider: str | None = None, model: str | None = None, **values: Any) -> None:
        """Report the usage of a model: `input_tokens`, `output_tokens` and other values. Numbers are added up."""
        named = {camel(name): value for name, value in values.items()}
        self._record.usage.add(plain({"provider": provider, "model": model, **named}))

    async def pipe(self, events: AsyncIterable[Any], *, model: str | None = None) -> None:
        """Write the output of a model or an agent: text, reasoning, tool calls, usage.

        `events` may be the stream of a `hubline.models.ChatModel`, of an OpenAI chat completion or response,
        pydantic-ai's own events, those of its adapters for the AI SDK and for AG-UI, as objects or as mappings, or
        simply text. Usage is counted under `model` if the events do not name one. In events of OpenAI's form, text
        between `<think>` marks before the answer is reasoning. The input and the output of a tool may each have half
        the size of a value (32 KiB); of a larger one only the size is kept, `{"omitted": bytes}`. When the run ends
        before the events do, they are closed.

        Raises:
            PipeError: the stream reported a failure.
        """
        await pipe(self, events, model, self._record.settings.limits.entry)

    @property
    def _parts(self) -> Any:
        record = self._record
        return record.tape.parts if record.backlog is None else record.backlog.parts

    async def _grow(self, kind: str, delta: str, part: str | None) -> None:
        delta = whole_characters(delta)
        if not delta:
            return
        parts = self._parts
        if part is not None:
            known = parts.kind_of(part)
            if known not in (None, kind):
                raise ValueError(f"part {part!r} is {known}, not {kind}")
        else:
            last = None if self._fresh else parts.last
            part = last if last is not None and parts.kind_of(last) == kind else self._new_part()
            self._fresh = False
        room = self._record.settings.limits.text - parts.size
        kept = delta if len(delta) * 4 <= room or text_size(delta) <= room else cut(delta, max(0, room))[0]
        for piece in pieces(kept, min(ITEM_TEXT, self._record.settings.limits.entry)):
            if piece:
                await self._write({"kind": kind, "part": part, "text": piece})
        if len(kept) < len(delta):
            await self._too_much()

    async def _ask(
        self, prompt: str, schema: Any, expires: float | None, who: str | Collection[str] | None, key: str | None
    ) -> Ask:
        record, settings = self._record, self._record.settings
        ask = record.asks.add(prompt, schema, key, who)
        expires_at = None if expires is None else moment(settings.now() + timedelta(seconds=expires))
        try:
            await self._write(record.asks.entry(ask, expires_at))
        except asyncio.CancelledError:
            if record.verdict is None:  # the entry is on its way
                record.expire(ask)
            raise
        record.waits_changed()
        if expires is not None:
            ask.timer = settings.timers.after(expires, lambda: record.expire(ask))
        return ask

    async def _too_much(self) -> None:
        limit = self._record.settings.limits.text
        await self._break_off(f"The answer has more than {limit} bytes.")

    async def _used_up(self) -> None:
        """The budget is used up. Has no effect on a function that is already cancelled and cleans up."""
        if self._record.verdict is None:
            await self._break_off("The budget is used up.")

    async def _break_off(self, error: str) -> None:
        self._record.break_off("limited", error)
        await _unwound()

    async def _write(self, body: dict[str, Any]) -> None:
        record = self._record
        await record.write(body)
        if record.tape.end % TURN == 0:
            await asyncio.sleep(0)

    def _new_part(self) -> str:
        while str(self._next) in self._parts:
            self._next += 1
        self._next += 1
        return str(self._next - 1)


async def _unwound() -> None:
    """The function's task has been cancelled: it ends here, with its `finally` blocks."""
    await asyncio.sleep(0)
    await asyncio.Event().wait()  # in a task of the function, which the function will cancel
