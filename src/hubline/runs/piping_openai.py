"""OpenAI's chat completions, which most model servers support, and its responses."""

from typing import Any

from hubline.runs.piping_writer import PipeError, Tool, Writer, get


class OpenAIEvents:
    """One stream of a model's answer."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._calls: dict[Any, Tool] = {}
        """Calls that are being written, by their numbers."""

    async def chunk(self, chunk: Any, choices: Any) -> None:
        """A chunk of a chat completion; the last has the usage and no choices."""
        writer, answer = self._writer, get(chunk, "id")
        if not choices and get(chunk, "error") is not None:
            raise PipeError(str(get(get(chunk, "error"), "message") or "the model failed"))
        writer.model = get(chunk, "model") or writer.model
        for choice in choices[:1]:
            delta = get(choice, "delta")
            if thought := get(delta, "reasoning_content") or get(delta, "reasoning"):
                await writer.run.reasoning(str(thought))
            last = get(choice, "finish_reason") is not None
            await writer.said("chat", str(get(delta, "content") or get(delta, "refusal") or ""), last=last)
            for call in get(delta, "tool_calls") or ():
                self._call(answer, call)
        writer.used(answer, get(chunk, "usage"))

    def _call(self, answer: Any, call: Any) -> None:
        """A piece of a call. Some servers send no numbers, and distinguish calls by their ids only."""
        number, call_id, function = (answer, get(call, "index")), get(call, "id"), get(call, "function")
        tool = self._calls.get(number)
        if tool is None or (call_id is not None and call_id != tool.call_id):
            call_id = call_id or f"{answer} {len(self._writer.tools)}"
            tool = self._calls[number] = self._writer.tools[call_id] = Tool(call_id, get(function, "name"))
        tool.text += get(function, "arguments") or ""

    async def event(self, kind: str, event: Any) -> None:
        """An event of a response."""
        writer = self._writer
        match kind.removeprefix("response."):
            case "output_text.delta" | "refusal.delta":
                await writer.said(_place(event), get(event, "delta") or "")
            case "output_text.done" | "refusal.done":
                await writer.said(_place(event), "", last=True)
            case "reasoning_text.delta" | "reasoning_summary_text.delta":
                await writer.run.reasoning(get(event, "delta") or "")
            case "output_item.done" if get(item := get(event, "item"), "type") == "function_call":
                tool = Tool(get(item, "call_id", "id"), get(item, "name"))
                tool.text = get(item, "arguments") or ""
                await writer.tell(tool)
            case "completed" | "incomplete" | "failed" | "error" as end:
                response = get(event, "response")
                writer.model = get(response, "model") or writer.model
                writer.used(get(response, "id"), get(response, "usage"))
                if end in ("failed", "error"):
                    error = get(response, "error") or event
                    raise PipeError(str(get(error, "message") or "the response failed"))


def _place(event: Any) -> tuple[Any, Any]:
    return get(event, "item_id"), get(event, "content_index")
