"""Event streams of models and agents, written into runs; OpenAI's with the objects of its own client."""

from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk
from openai.types.responses import (
    ResponseFunctionToolCall,
    ResponseOutputItemDoneEvent,
    ResponseReasoningSummaryTextDeltaEvent,
    ResponseTextDeltaEvent,
)

from hubline.models import Delta, Message, ScriptedModel
from hubline.runs import Run
from tests.runs.viewer import Page, clocked, collect


async def piped(events: Sequence[Any]) -> Page:
    """What viewers have of a run that was made of these events."""
    runs, _ = clocked(detailed_errors=True)

    async def stream() -> AsyncIterator[Any]:
        for event in events:
            yield event

    async def answer(run: Run) -> None:
        await run.pipe(stream())

    return await collect(runs.attach((await runs.start(answer)).id))


def contents(page: Page) -> list[Any]:
    return [part.get("text", part.get("value")) for part in page.parts.values()]


def chunk(*, usage: Any = None, **delta: Any) -> ChatCompletionChunk:
    choices = [{"index": 0, "delta": delta, "finish_reason": None}] if delta else []
    return ChatCompletionChunk.model_validate(
        {
            "id": "c",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "small",
            "choices": choices,
            "usage": usage,
        }
    )


async def test_chunks_of_a_chat_completion() -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":'}}
    more = {"index": 0, "function": {"arguments": '"Oslo"}'}}
    page = await piped(
        [
            chunk(role="assistant", content=""),
            chunk(reasoning_content="hm"),
            chunk(content="It "),
            chunk(content="rains."),
            chunk(tool_calls=[call]),
            chunk(tool_calls=[more]),
            chunk(usage={"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}),
        ]
    )
    tool = {"toolCallId": "call_1", "state": "input-available", "input": {"city": "Oslo"}}
    assert contents(page) == ["hm", "It rains.", tool]
    assert page.parts["tool call_1"]["name"] == "tool-weather"
    assert page.end is not None
    assert page.end["usage"] == [{"model": "small", "inputTokens": 5, "outputTokens": 3, "totalTokens": 8}]


async def test_events_of_a_response() -> None:
    where: dict[str, Any] = {"item_id": "i", "output_index": 0, "sequence_number": 1}
    call = ResponseFunctionToolCall(arguments='{"a": 1}', call_id="c1", name="add", type="function_call")
    page = await piped(
        [
            SimpleNamespace(type="response.created", sequence_number=0),
            ResponseReasoningSummaryTextDeltaEvent(
                delta="hm", summary_index=0, type="response.reasoning_summary_text.delta", **where
            ),
            ResponseTextDeltaEvent(
                content_index=0, delta="Hello", logprobs=[], type="response.output_text.delta", **where
            ),
            ResponseOutputItemDoneEvent(item=call, output_index=1, sequence_number=3, type="response.output_item.done"),
            {
                "type": "response.completed",
                "response": {"model": "big", "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}},
            },
        ]
    )
    assert contents(page) == ["hm", "Hello", {"toolCallId": "c1", "state": "input-available", "input": {"a": 1}}]
    assert page.end is not None
    assert page.end["usage"] == [{"model": "big", "inputTokens": 1, "outputTokens": 2, "totalTokens": 3}]


async def test_chunks_for_the_ai_sdk_as_objects_and_as_they_travel() -> None:
    as_objects: list[Any] = [
        SimpleNamespace(type="start"),
        SimpleNamespace(type="reasoning-delta", id="r", delta="hm"),
        SimpleNamespace(type="text-delta", id="t", delta="a"),
        SimpleNamespace(type="tool-input-start", tool_call_id="c", tool_name="search"),
        SimpleNamespace(type="tool-input-available", tool_call_id="c", tool_name="search", input={"q": 1}),
        SimpleNamespace(type="tool-output-available", tool_call_id="c", output="found"),
        SimpleNamespace(type="text-delta", id="t", delta="b"),
        SimpleNamespace(type="data-chart", data={"x": 1}, id=None),
        SimpleNamespace(type="source-url", url="https://a", title="A"),
    ]
    as_mappings: list[Any] = [
        {"type": "reasoning-delta", "id": "r", "delta": "hm"},
        {"type": "text-delta", "id": "t", "delta": "a"},
        {"type": "tool-input-start", "toolCallId": "c", "toolName": "search"},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "…"},
        {"type": "tool-input-available", "toolCallId": "c", "toolName": "search", "input": {"q": 1}},
        {"type": "tool-output-available", "toolCallId": "c", "output": "found"},
        {"type": "text-delta", "id": "t", "delta": "b"},
        {"type": "data-chart", "data": {"x": 1}},
        {"type": "source-url", "url": "https://a", "title": "A"},
    ]
    tool = {"toolCallId": "c", "state": "output-available", "input": {"q": 1}, "output": "found"}
    for events in (as_objects, as_mappings):
        page = await piped(events)
        assert contents(page) == ["hm", "ab", tool, {"x": 1}, {"url": "https://a", "title": "A"}]
        assert page.parts["tool c"]["name"] == "tool-search"


async def test_events_of_ag_ui() -> None:
    page = await piped(
        [
            {"type": "RUN_STARTED"},
            {"type": "REASONING_MESSAGE_CONTENT", "messageId": "m", "delta": "hm"},
            {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": "Hello"},
            {"type": "TOOL_CALL_START", "toolCallId": "c", "toolCallName": "add"},
            {"type": "TOOL_CALL_ARGS", "toolCallId": "c", "delta": '{"a": 1}'},
            {"type": "TOOL_CALL_END", "toolCallId": "c"},
            {"type": "TOOL_CALL_RESULT", "toolCallId": "c", "content": "2"},
            {"type": "CUSTOM", "name": "note", "value": 7},
        ]
    )
    tool = {"toolCallId": "c", "state": "output-available", "input": {"a": 1}, "output": "2"}
    assert contents(page) == ["hm", "Hello", tool, 7]


async def test_what_a_chat_model_says() -> None:
    runs, _ = clocked()
    model = ScriptedModel([Delta(reasoning="hm"), "It ", Delta("rains.", reasoning="!")])

    async def answer(run: Run) -> None:
        await run.pipe(model.stream([Message("user", "Well?")]), model=model.name)

    page = await collect(runs.attach((await runs.start(answer)).id))
    assert contents(page) == ["hm", "It ", "!", "rains."]
    assert page.end is not None
    assert page.end["usage"] == [{"model": "scripted", "inputTokens": 1, "outputTokens": 3, "totalTokens": 4}]


async def test_plain_text_and_what_is_unknown() -> None:
    page = await piped(["a", {"type": "something-new"}, object(), "b"])
    assert contents(page) == ["ab"]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "errorText": "no model"},
        {"type": "RUN_ERROR", "message": "no model"},
        {"type": "response.failed", "response": {"error": {"message": "no model"}}},
    ],
)
async def test_a_stream_that_says_that_it_failed(event: dict[str, Any]) -> None:
    page = await piped(["half", event, "never"])
    assert page.end is not None
    assert (page.text, page.end["state"], page.end["error"]) == ("half", "failed", "PipeError: no model")
