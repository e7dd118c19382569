"""pydantic-ai's own events, of `Agent.run_stream_events`, which have more data than those of its adapters."""

import json
from contextlib import suppress
from typing import Any

from hubline.runs.piping_writer import Tool, Writer, get
from hubline.runs.values import plain

ERRORS = ("failed", "retried")
"""Outcomes of a tool that failed."""

OF_EVERY_EVENT = ("name", "tool_call_id", "tool_name", "event_kind")
"""The fields that an event of the application has besides its own."""


class PydanticAIEvents:
    """One run of an agent."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._count = 0
        self._open: dict[Any, str] = {}
        """The parts of the current answer, by their indexes."""
        self._tools: dict[Any, Tool] = {}
        self._is_running = False

    async def event(self, kind: str, event: Any) -> None:
        """Write an event."""
        self._is_running = True
        match kind:
            case "part_start":
                await self._start(get(event, "index"), get(event, "part"))
            case "part_delta":
                await self._delta(get(event, "index"), get(event, "delta"))
            case "part_end":
                await self._end(get(event, "index"), get(event, "part"))
            case "function_tool_call" | "output_tool_call":
                await self._called(get(event, "part"))
            case "function_tool_result" | "output_tool_result":
                await self._result(get(event, "part"))
            case "agent_run_result":
                self._is_running = False
                self._used(get(event, "result"))
            case "custom":
                fields = {name: each for name, each in plain(event).items() if name not in OF_EVERY_EVENT}
                await self._writer.run.data(str(get(event, "name")), fields)

    def broken_off(self, events: Any) -> None:
        """The stream has failed: read the usage until then from the agent's run, if it has it."""
        if self._is_running:
            with suppress(Exception):
                self._used(events)

    async def _start(self, index: Any, part: Any) -> None:
        writer, kind = self._writer, get(part, "part_kind")
        if kind in ("text", "thinking"):
            self._count += 1
            name = "text" if kind == "text" else "reasoning"
            writer.begin(name, self._count)
            self._open[index] = writer.part(name, self._count) or ""
            await self._grow(index, kind, get(part, "content"))
        elif kind in ("tool-call", "builtin-tool-call"):
            tool = self._tools[index] = Tool(get(part, "tool_call_id"), get(part, "tool_name"))
            writer.tools[tool.call_id] = tool
            await writer.tool(tool.call_id, tool.name, "input-streaming")
        elif kind == "builtin-tool-return":
            await self._result(part)

    async def _delta(self, index: Any, delta: Any) -> None:
        kind = get(delta, "part_delta_kind")
        if kind in ("text", "thinking"):
            await self._grow(index, kind, get(delta, "content_delta"))

    async def _grow(self, index: Any, kind: str, text: Any) -> None:
        if text and index in self._open:
            write = self._writer.run.text if kind == "text" else self._writer.run.reasoning
            await write(str(text), part=self._open[index])

    async def _end(self, index: Any, part: Any) -> None:
        self._open.pop(index, None)
        tool = self._tools.pop(index, None)
        if tool is not None:
            tool.text = _text(get(part, "args"))
            await self._writer.tell(tool)

    async def _called(self, part: Any) -> None:
        """A tool is called. A call that no model has streamed, such as an approved one, is written here."""
        call_id = get(part, "tool_call_id")
        if call_id not in self._writer.tools:
            tool = self._writer.tools[call_id] = Tool(call_id, get(part, "tool_name"))
            tool.text = _text(get(part, "args"))
        await self._writer.tell(self._writer.tools[call_id])

    async def _result(self, part: Any) -> None:
        call_id, name, outcome = get(part, "tool_call_id"), get(part, "tool_name"), get(part, "outcome")
        output = _output(part)
        if outcome == "denied":
            await self._writer.tool(call_id, name, "output-denied")
        elif outcome in ERRORS or get(part, "part_kind") == "retry-prompt":
            await self._writer.tool(call_id, name, "output-error", errorText=_text(output))
        else:
            await self._writer.tool(call_id, name, "output-available", output=output)

    def _used(self, run: Any) -> None:
        """The usage of each answer of a model, as the answer reports it."""
        for number, message in enumerate(run.new_messages()):
            usage = get(message, "usage")
            counts = {name: get(usage, name) for name in ("input_tokens", "output_tokens")}
            if get(message, "kind") == "response" and any(counts.values()):
                labels = {"provider": get(message, "provider_name"), "model": get(message, "model_name")}
                self._writer.used(("response", number), {**labels, **counts})


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value if value is not None else {}, default=str)


def _output(part: Any) -> Any:
    """The result of a tool, as plain values: the part can convert it."""
    content = get(part, "content")
    written = get(part, "model_response_str")
    if content is None or isinstance(content, str) or written is None:
        return content
    text = written(wrap_if_error=False)
    try:
        return json.loads(text)
    except ValueError:
        return text
