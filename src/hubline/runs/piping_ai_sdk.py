"""The AI SDK's chunks of a UI message, as pydantic-ai's `VercelAIAdapter` and the AI SDK itself make them."""

from typing import Any

from hubline.runs.piping_writer import PipeError, Tool, Writer, get

FIELDS: dict[str, dict[str, tuple[str, ...]]] = {
    "source-url": {"url": ("url",), "title": ("title",)},
    "source-document": {"mediaType": ("media_type", "mediaType"), "title": ("title",), "filename": ("filename",)},
    "file": {"url": ("url",), "mediaType": ("media_type", "mediaType")},
}
"""Chunks that are values of their own, and the names of their fields on the wire, in objects and in mappings."""


class AiSdkEvents:
    """One stream of an agent."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def event(self, kind: str, event: Any) -> None:
        """Write a chunk."""
        if kind.startswith(("text-", "reasoning-")):
            await self._text(kind, event)
        elif kind.startswith("tool-"):
            await self._tool(kind, event)
        elif kind in FIELDS:
            found = {name: get(event, *names) for name, names in FIELDS[kind].items()}
            await self._writer.run.data(kind, {name: value for name, value in found.items() if value is not None})
        elif kind.startswith("data-"):
            await self._data(kind.removeprefix("data-"), event)
        elif kind in ("message-metadata", "finish"):
            metadata = get(event, "message_metadata", "messageMetadata")
            self._writer.used("the message", get(metadata, "totalUsage", "total_usage", "usage"))
        elif kind == "error":
            raise PipeError(str(get(event, "error_text", "errorText") or "the agent failed"))
        elif kind == "abort":
            raise PipeError(str(get(event, "reason") or "the agent was cancelled"))

    async def _text(self, kind: str, event: Any) -> None:
        writer, name = self._writer, get(event, "id")
        match kind:
            case "text-start":
                writer.begin("text", name)
            case "reasoning-start":
                writer.begin("reasoning", name)
            case "text-delta":
                await writer.run.text(get(event, "delta") or "", part=writer.part("text", name))
            case "reasoning-delta":
                await writer.run.reasoning(get(event, "delta") or "", part=writer.part("reasoning", name))

    async def _data(self, name: str, event: Any) -> None:
        if get(event, "transient"):
            await self._writer.run.status(name, value=get(event, "data"))
        else:
            await self._writer.run.data(name, get(event, "data"), part=get(event, "id"))

    async def _tool(self, kind: str, event: Any) -> None:
        writer, call_id = self._writer, get(event, "tool_call_id", "toolCallId")
        name, given = get(event, "tool_name", "toolName"), get(event, "input")
        text = get(event, "error_text", "errorText")
        match kind:
            case "tool-input-start":
                writer.tools[call_id] = Tool(call_id, name)
                writer.tools[call_id].is_told = True  # an event of its own reports it
                await writer.tool(call_id, name, "input-streaming")
            case "tool-input-available":
                await writer.tool(call_id, name, "input-available", input=given)
            case "tool-input-error":
                await writer.tool(call_id, name, "output-error", input=given, errorText=text)
            case "tool-output-available":
                await writer.tool(call_id, None, "output-available", output=get(event, "output"))
            case "tool-output-error":
                await writer.tool(call_id, None, "output-error", errorText=text)
            case "tool-output-denied":
                await writer.tool(call_id, None, "output-denied")
