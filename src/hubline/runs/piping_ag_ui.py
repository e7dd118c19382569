"""AG-UI's events, as pydantic-ai's `AGUIAdapter` and other agents make them."""

from typing import Any

from hubline.runs.piping_writer import PipeError, Tool, Writer, get


class AgUiEvents:
    """One stream of an agent."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    async def event(self, kind: str, event: Any) -> None:
        """Write an event."""
        if kind.startswith("TOOL_CALL_"):
            await self._tool(kind, event)
            return
        writer, name = self._writer, get(event, "message_id", "messageId")
        delta = get(event, "delta") or ""
        match kind:
            case "TEXT_MESSAGE_START":
                writer.begin("text", name)
            case "REASONING_MESSAGE_START":
                writer.begin("reasoning", name)
            case "TEXT_MESSAGE_CONTENT" | "TEXT_MESSAGE_CHUNK":
                await writer.run.text(delta, part=writer.part("text", name))
            case "REASONING_MESSAGE_CONTENT" | "REASONING_MESSAGE_CHUNK" | "THINKING_TEXT_MESSAGE_CONTENT":
                await writer.run.reasoning(delta, part=writer.part("reasoning", name))
            case "CUSTOM":
                await writer.run.data(str(get(event, "name")), get(event, "value"))
            case "RUN_FINISHED" | "RUN_ERROR":
                self._ended(kind, event)

    def _ended(self, kind: str, event: Any) -> None:
        for usage in get(event, "usage") or ():
            self._writer.used((get(usage, "provider"), get(usage, "model")), usage)
        if kind == "RUN_ERROR":
            raise PipeError(str(get(event, "message") or "the agent failed"))
        if get(get(event, "outcome"), "type") == "cancelled":
            raise PipeError("the agent was cancelled")

    async def _tool(self, kind: str, event: Any) -> None:
        writer, call_id = self._writer, get(event, "tool_call_id", "toolCallId")
        name, tool = get(event, "tool_call_name", "toolCallName"), self._writer.tools.get(call_id)
        match kind:
            case "TOOL_CALL_START":
                await self._started(call_id, name)
            case "TOOL_CALL_CHUNK":
                tool = tool or await self._started(call_id, name)
                tool.text += get(event, "delta") or ""
            case "TOOL_CALL_ARGS" if tool is not None:
                tool.text += get(event, "delta") or ""
            case "TOOL_CALL_END" if tool is not None:
                await writer.tell(tool)
            case "TOOL_CALL_RESULT":
                if tool is not None:
                    await writer.tell(tool)  # chunks have no end event
                await writer.tool(call_id, None, "output-available", output=get(event, "content"))

    async def _started(self, call_id: str, name: str | None) -> Tool:
        tool = self._writer.tools[call_id] = Tool(call_id, name)
        await self._writer.tool(call_id, name, "input-streaming")
        return tool
