"""Writes text, tool calls and usage into a run, for every shape of events."""

import json
from collections.abc import Mapping
from typing import Any, Protocol

from hubline import HublineError
from hubline._thinking import Thinking
from hubline.runs.values import plain, value_size, whole_characters

LABELS = ("provider", "model")
COUNTS = {
    "input_tokens": ("input_tokens", "inputTokens", "prompt_tokens"),
    "output_tokens": ("output_tokens", "outputTokens", "completion_tokens"),
    "total_tokens": ("total_tokens", "totalTokens"),
    "reasoning_tokens": ("reasoning_tokens", "reasoningTokens"),
    "cached_input_tokens": ("cached_input_tokens", "cachedInputTokens"),
    "cache_write_input_tokens": ("cache_write_input_tokens", "cacheWriteInputTokens"),
}
"""Counts of tokens, by their names in OpenAI, the AI SDK and AG-UI."""


class PipeError(HublineError):
    """The stream of a model or an agent reported a failure, with this text."""


class Target(Protocol):
    """The used part of a `Run`."""

    @property
    def parts(self) -> list[dict[str, Any]]: ...

    async def text(self, delta: str, *, part: str | None = None) -> None: ...

    async def reasoning(self, delta: str, *, part: str | None = None) -> None: ...

    async def data(self, name: str, value: Any, *, part: str | None = None) -> str: ...

    async def status(self, status: str, **details: Any) -> None: ...

    def usage(self, *, provider: str | None = None, model: str | None = None, **values: Any) -> None: ...


def get(thing: Any, *names: str) -> Any:
    """The first of these attributes, or keys, that exists; `None` if none does."""
    for name in names:
        value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
        if value is not None:
            return value
    return None


class Tool:
    """A tool call whose input is still being written."""

    def __init__(self, call_id: str, name: str | None) -> None:
        self.call_id, self.name, self.text = call_id, name or "tool", ""
        self.is_told = False
        """Whether the whole input was written, or an event of its own will report its end."""


class Writer:
    """Writes one stream of events. `largest` is the maximum size of a value in bytes."""

    def __init__(self, run: Target, model: str | None, largest: int) -> None:
        self.run, self.model, self.largest = run, model, largest
        self.tools: dict[str, Tool] = {}
        self._thinking: dict[Any, Thinking] = {}
        self._parts: dict[tuple[str, Any], str] = {}
        self._used: dict[Any, tuple[str | None, Any]] = {}
        """The newest usage of each answer: some servers send it with every chunk, as the sum so far."""

    async def said(self, answer: Any, text: str, *, last: bool = False) -> None:
        """Text of a model's answer, as the model wrote it: the part between `<think>` marks is reasoning."""
        if not text and answer not in self._thinking:
            return
        thoughts, rest = self._thinking.setdefault(answer, Thinking()).split(text, last=last)
        if last:
            del self._thinking[answer]
        if thoughts:
            await self.run.reasoning(thoughts)
        if rest:
            await self.run.text(rest)

    async def finish(self) -> None:
        """The stream is over, successfully or not: write the text that was held back."""
        for answer in list(self._thinking):
            await self.said(answer, "", last=True)

    async def tell_tools(self) -> None:
        """The stream is over successfully: its tool calls are complete."""
        for tool in self.tools.values():
            await self.tell(tool)

    def begin(self, kind: str, name: Any) -> None:
        """A text of this name begins; an earlier one may have the same name."""
        part = wanted = f"{kind} {name}"
        taken, number = {each["part"] for each in self.run.parts}, 1
        while part in taken:
            number += 1
            part = f"{wanted} ({number})"
        self._parts[kind, name] = part

    def part(self, kind: str, name: Any) -> str | None:
        """The part of a text, so that texts that grow side by side do not mix."""
        return None if name is None else self._parts.get((kind, name), f"{kind} {name}")

    async def tell(self, tool: Tool) -> None:
        """The call with its whole input, once."""
        if tool.is_told:
            return
        tool.is_told = True
        try:
            found = plain(json.loads(tool.text)) if tool.text else {}
        except (ValueError, RecursionError, TypeError):  # no JSON, or of a form that no codec carries
            found = tool.text
        await self.tool(tool.call_id, tool.name, "input-available", input=found)

    async def tool(self, call_id: str, name: str | None, state: str, **values: Any) -> None:
        """A tool call is one value that changes. The known fields are kept."""
        call_id = whole_characters(call_id)
        part = f"tool {call_id}"
        before = next((each for each in self.run.parts if each["part"] == part), None)
        known = dict(before["value"]) if before is not None else {"toolCallId": call_id}
        title = before["name"] if before is not None else f"tool-{whole_characters(name or 'tool')}"
        value = {**known, "state": state, **{name: self._fitting(value) for name, value in values.items()}}
        await self.run.data(title, value, part=part)

    def used(self, answer: Any, usage: Any) -> None:
        """The usage of an answer so far, which replaces the earlier report."""
        if usage is not None:
            self._used[answer] = (self.model, usage)

    def tell_usage(self) -> None:
        """The usage, also of a stream that has failed."""
        used, self._used = self._used, {}
        for model, usage in used.values():
            counts = {name: get(usage, *names) for name, names in COUNTS.items()}
            if any(count is not None for count in counts.values()):
                self.run.usage(provider=get(usage, "provider"), model=get(usage, "model") or model, **counts)

    def _fitting(self, value: Any) -> Any:
        """A tool's input or output; if it is too large to be kept beside the other, only its size."""
        value = plain(value)
        size = value_size(value)
        return value if size <= self.largest // 2 - 512 else {"omitted": size}
