"""Writes the events of models and agents into a run. It recognises events by their shape and imports no library."""

from collections.abc import AsyncIterable
from contextlib import suppress
from typing import Any

from hubline.runs.piping_ag_ui import AgUiEvents
from hubline.runs.piping_ai_sdk import AiSdkEvents
from hubline.runs.piping_openai import OpenAIEvents
from hubline.runs.piping_pydantic_ai import PydanticAIEvents
from hubline.runs.piping_writer import PipeError, Target, Tool, Writer, get

__all__ = ["PipeError", "pipe"]


async def pipe(run: Target, events: AsyncIterable[Any], model: str | None, largest: int) -> None:
    """See `Run.pipe`. A value may have `largest` bytes."""
    writer = Writer(run, model, largest)
    shapes = _Shapes(writer)
    stream = aiter(events)
    try:
        try:
            async for event in stream:
                await shapes.write(event)
        except Exception:
            await writer.finish()
            shapes.broken_off(events)
            raise
        await writer.finish()
        await writer.tell_tools()
    finally:
        writer.tell_usage()
        await _close(stream)
        await _close(events)


class _Shapes:
    """Finds the reader for each event."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._openai, self._ai_sdk = OpenAIEvents(writer), AiSdkEvents(writer)
        self._ag_ui, self._pydantic_ai = AgUiEvents(writer), PydanticAIEvents(writer)

    async def write(self, event: Any) -> None:
        """Write one event. Unknown events are skipped."""
        if isinstance(event, str):
            await self._writer.run.text(event)
            return
        if (kind := get(event, "event_kind")) is not None:
            await self._pydantic_ai.event(str(kind), event)
            return
        if get(event, "type") == "chunk":  # of the OpenAI client's `chat.completions.stream`
            event = get(event, "chunk")
        choices = get(event, "choices")
        if choices is not None or (get(event, "error") is not None and get(event, "type") is None):
            await self._openai.chunk(event, choices or ())
        elif (kind := get(event, "type")) is None:
            await self._delta(event)
        else:
            await self._typed(str(getattr(kind, "value", kind) or ""), event)

    def broken_off(self, events: Any) -> None:
        """The stream has failed."""
        self._pydantic_ai.broken_off(events)

    async def _typed(self, kind: str, event: Any) -> None:
        """An event with a `type`: of OpenAI's responses, the AI SDK's chunks, or AG-UI."""
        if kind.startswith("response.") or (kind == "error" and get(event, "sequence_number") is not None):
            await self._openai.event(kind, event)
        elif kind.isupper():
            await self._ag_ui.event(kind, event)
        else:
            await self._ai_sdk.event(kind, event)

    async def _delta(self, delta: Any) -> None:
        """A piece of the answer of a `hubline.models.ChatModel`."""
        if thought := get(delta, "reasoning"):
            await self._writer.run.reasoning(thought)
        if text := get(delta, "text"):
            await self._writer.run.text(text)
        for call in get(delta, "tool_calls") or ():
            tool = Tool(get(call, "id"), get(call, "name"))
            tool.text = get(call, "arguments") or ""
            await self._writer.tell(tool)
        self._writer.used(None, get(delta, "usage"))


async def _close(stream: Any) -> None:
    """Close the source of the events, because the run was stopped or accepts no more."""
    close = getattr(stream, "aclose", None) or getattr(stream, "close", None)
    if close is None:
        return
    with suppress(Exception):
        closing = close()
        if closing is not None:
            await closing
