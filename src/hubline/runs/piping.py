"""What models and agents send, written into a run: by the shapes of the events, importing nobody's library."""

import json
from collections.abc import AsyncIterable, Mapping
from typing import Any, Protocol

from hubline import HublineError


class PipeError(HublineError):
    """The stream of a model or an agent said that it failed, with this text."""


def get(thing: Any, *names: str) -> Any:
    """The first of these attributes, or keys, that there is; `None` for none."""
    for name in names:
        value = thing.get(name) if isinstance(thing, Mapping) else getattr(thing, name, None)
        if value is not None:
            return value
    return None


class Target(Protocol):
    """What of a `Run` is written to."""

    @property
    def parts(self) -> list[dict[str, Any]]: ...

    async def text(self, delta: str, *, part: str | None = None) -> None: ...

    async def reasoning(self, delta: str, *, part: str | None = None) -> None: ...

    async def data(self, name: str, value: Any, *, part: str | None = None) -> str: ...

    def usage(self, *, provider: str | None = None, model: str | None = None, **values: Any) -> None: ...


async def pipe(run: Target, events: AsyncIterable[Any], model: str | None = None) -> None:
    """See `Run.pipe`."""
    pipes = _Pipe(run, model)
    try:
        async for event in events:
            if isinstance(event, str):
                await run.text(event)
                continue
            if get(event, "type") == "chunk":  # of the OpenAI client's `chat.completions.stream`
                event = get(event, "chunk")
            if (choices := get(event, "choices")) is not None:
                await pipes.chat_chunk(event, choices)
            elif get(event, "type") is None:
                await pipes.delta(event)
            else:
                await pipes.event(event)
        await pipes.finish()
    finally:
        pipes.tell_usage()


class _Tool:
    """A call of a tool whose input is still being written."""

    def __init__(self, call_id: str, name: str) -> None:
        self.call_id, self.name, self.text = call_id, name, ""
        self.tells_its_end = False
        """Whether an event of its own says when the input is whole."""


class _Pipe:
    """One stream of events on its way into a run."""

    def __init__(self, run: Target, model: str | None) -> None:
        self.run, self.model = run, model
        self.tools: dict[str, _Tool] = {}
        self._used: dict[Any, tuple[str | None, Any]] = {}
        """The newest usage of each answer: some servers tell it with every chunk, as the sum so far."""

    async def delta(self, delta: Any) -> None:
        """A piece of what a `hubline.models.ChatModel` says."""
        if thought := get(delta, "reasoning"):
            await self.run.reasoning(thought)
        if text := get(delta, "text"):
            await self.run.text(text)
        if usage := get(delta, "usage"):
            self._used[None] = (self.model, usage)

    async def chat_chunk(self, chunk: Any, choices: Any) -> None:
        """A chunk of an OpenAI-compatible chat completion; the last has the usage and no choices."""
        self.model = get(chunk, "model") or self.model
        for choice in choices[:1]:
            delta = get(choice, "delta")
            if thought := get(delta, "reasoning_content", "reasoning"):
                await self.run.reasoning(str(thought))
            if text := get(delta, "content", "refusal"):
                await self.run.text(str(text))
            for call in get(delta, "tool_calls") or ():
                index, function = f"call {get(call, 'index')}", get(call, "function")
                tool = self.tools.get(index)
                if tool is None:
                    tool = self.tools[index] = _Tool(get(call, "id") or index, get(function, "name") or "tool")
                tool.text += get(function, "arguments") or ""
        if usage := get(chunk, "usage"):
            self._used[get(chunk, "id")] = (self.model, usage)

    async def event(self, event: Any) -> None:
        """An event with a `type`: of OpenAI's responses, the AI SDK's chunks, or AG-UI. Others are skipped."""
        kind = get(event, "type")
        kind = str(getattr(kind, "value", kind) or "")
        if kind.startswith("response.") or (kind == "error" and get(event, "sequence_number") is not None):
            await self._response(kind, event)
        elif kind.isupper():
            await self._ag_ui(kind, event)
        else:
            await self._ai_sdk(kind, event)

    async def finish(self) -> None:
        """The stream is over: what was said of tools is whole."""
        for tool in self.tools.values():
            if not tool.tells_its_end:
                await self._tell(tool)

    def tell_usage(self) -> None:
        """What was used, also of a stream that has failed."""
        used, self._used = self._used, {}
        for model, usage in used.values():
            self.run.usage(
                model=model,
                input_tokens=get(usage, "input_tokens", "prompt_tokens"),
                output_tokens=get(usage, "output_tokens", "completion_tokens"),
                total_tokens=get(usage, "total_tokens"),
            )

    async def _response(self, kind: str, event: Any) -> None:
        match kind.removeprefix("response."):
            case "output_text.delta" | "refusal.delta":
                await self.run.text(get(event, "delta") or "")
            case "reasoning_text.delta" | "reasoning_summary_text.delta":
                await self.run.reasoning(get(event, "delta") or "")
            case "output_item.done" if get(item := get(event, "item"), "type") == "function_call":
                tool = _Tool(get(item, "call_id", "id"), get(item, "name") or "tool")
                tool.text = get(item, "arguments") or ""
                await self._tell(tool)
            case "completed" | "incomplete":
                response = get(event, "response")
                self.model = get(response, "model") or self.model
                if usage := get(response, "usage"):
                    self._used[get(response, "id")] = (self.model, usage)
            case "failed" | "error":
                error = get(get(event, "response"), "error") or event
                raise PipeError(str(get(error, "message") or "the response failed"))

    async def _ai_sdk(self, kind: str, event: Any) -> None:
        call_id = get(event, "tool_call_id", "toolCallId")
        match kind:
            case "text-delta":
                await self.run.text(get(event, "delta") or "", part=self._part("text", event))
            case "reasoning-delta":
                await self.run.reasoning(get(event, "delta") or "", part=self._part("reasoning", event))
            case "tool-input-start":
                await self._tool_started(call_id, get(event, "tool_name", "toolName"))
            case "tool-input-delta" if call_id in self.tools:
                self.tools[call_id].text += get(event, "input_text_delta", "inputTextDelta") or ""
            case "tool-input-available":
                name = get(event, "tool_name", "toolName")
                await self._tool(call_id, name, "input-available", input=get(event, "input"))
            case "tool-output-available":
                await self._tool(call_id, None, "output-available", output=get(event, "output"))
            case "tool-output-error":
                text = get(event, "error_text", "errorText")
                await self._tool(call_id, None, "output-error", errorText=text)
            case "source-url":
                await self.run.data("source-url", {"url": get(event, "url"), "title": get(event, "title")})
            case "error":
                raise PipeError(str(get(event, "error_text", "errorText") or "the agent failed"))
            case _ if kind.startswith("data-"):
                await self.run.data(kind.removeprefix("data-"), get(event, "data"), part=get(event, "id"))

    async def _ag_ui(self, kind: str, event: Any) -> None:
        call_id = get(event, "tool_call_id", "toolCallId")
        match kind:
            case "TEXT_MESSAGE_CONTENT" | "TEXT_MESSAGE_CHUNK":
                await self.run.text(get(event, "delta") or "", part=self._part("text", event))
            case "REASONING_MESSAGE_CONTENT" | "REASONING_MESSAGE_CHUNK" | "THINKING_TEXT_MESSAGE_CONTENT":
                await self.run.reasoning(get(event, "delta") or "", part=self._part("reasoning", event))
            case "TOOL_CALL_START":
                await self._tool_started(call_id, get(event, "tool_call_name", "toolCallName"))
            case "TOOL_CALL_ARGS" if call_id in self.tools:
                self.tools[call_id].text += get(event, "delta") or ""
            case "TOOL_CALL_END" if call_id in self.tools:
                await self._tell(self.tools[call_id])
            case "TOOL_CALL_RESULT":
                await self._tool(call_id, None, "output-available", output=get(event, "content"))
            case "CUSTOM":
                await self.run.data(str(get(event, "name")), get(event, "value"))
            case "RUN_ERROR":
                raise PipeError(str(get(event, "message") or "the agent failed"))

    def _part(self, kind: str, event: Any) -> str | None:
        """The part of a message, so that those which grow side by side do not mix."""
        name = get(event, "id", "message_id", "messageId")
        return f"{kind} {name}" if name is not None else None

    async def _tool_started(self, call_id: str, name: str | None) -> None:
        self.tools[call_id] = _Tool(call_id, name or "tool")
        self.tools[call_id].tells_its_end = True
        await self._tool(call_id, name, "input-streaming")

    async def _tell(self, tool: _Tool) -> None:
        """The call with its whole input."""
        try:
            found = json.loads(tool.text) if tool.text else {}
        except ValueError:
            found = tool.text
        await self._tool(tool.call_id, tool.name, "input-available", input=found)

    async def _tool(self, call_id: str, name: str | None, state: str, **values: Any) -> None:
        """A call of a tool is one value, in one place, that changes: with what was known of it before."""
        part = f"tool {call_id}"
        before = next((each for each in self.run.parts if each["part"] == part), None)
        known = dict(before["value"]) if before is not None else {"toolCallId": call_id}
        title = before["name"] if before is not None else f"tool-{name or 'tool'}"
        await self.run.data(title, {**known, "state": state, **values}, part=part)
