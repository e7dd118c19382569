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

from hubline.models import Delta, Message, ScriptedModel, StopReason, ToolCall
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


async def test_tools_that_a_chat_model_asks_for_and_what_becomes_of_them() -> None:
    runs, _ = clocked()
    calls = (ToolCall("a", "weather", '{"city": "Rome"}'), ToolCall("b", "clock", "no JSON"))
    model = ScriptedModel(["Let me look.", Delta(tool_calls=calls, stop=StopReason.TOOLS)])

    async def answer(run: Run) -> None:
        await run.pipe(model.stream([Message("user", "Well?")]))
        await run.tool("a", "approval-requested", title="Weather")
        await run.tool("a", "output-available", output="Sunny.")
        await run.tool("b", "output-error", error_text="It has stopped.")
        await run.tool("c", "input-available", name="dice", input="x" * 70_000)
        await run.text("It is sunny.")

    page = await collect(runs.attach((await runs.start(answer)).id))
    common = {"toolCallId": "a", "input": {"city": "Rome"}}
    assert contents(page) == [
        "Let me look.",
        common | {"state": "output-available", "title": "Weather", "output": "Sunny."},
        {"toolCallId": "b", "input": "no JSON", "state": "output-error", "errorText": "It has stopped."},
        {"toolCallId": "c", "state": "input-available", "input": {"omitted": 70_002}},
        "It is sunny.",
    ]
    names = [part["name"] for part in page.parts.values() if part["kind"] == "data"]
    assert names == ["tool-weather", "tool-clock", "tool-dice"]


async def test_plain_text_and_what_is_unknown() -> None:
    page = await piped(["a", {"type": "something-new"}, object(), "b"])
    assert contents(page) == ["ab"]


async def test_texts_of_one_name_that_begin_anew_are_parts_of_their_own() -> None:
    """The AI SDK counts its texts anew in each step."""
    step = [{"type": "text-start", "id": "0"}, {"type": "text-delta", "id": "0", "delta": "a"}, {"type": "text-end"}]
    call = {"type": "tool-input-available", "toolCallId": "c", "toolName": "add", "input": {}}
    page = await piped([*step, call, *step])
    assert [part["kind"] for part in page.parts.values()] == ["text", "data", "text"]
    assert page.text == "aa"


async def test_other_chunks_of_the_ai_sdk() -> None:
    page = await piped(
        [
            {"type": "file", "url": "https://a/b.png", "mediaType": "image/png"},
            {"type": "source-document", "sourceId": "s", "mediaType": "text/plain", "title": "T"},
            {"type": "data-progress", "data": 1, "transient": True},
            {"type": "tool-input-error", "toolCallId": "c", "toolName": "add", "input": "{", "errorText": "no JSON"},
            {"type": "tool-input-available", "toolCallId": "d", "toolName": "add", "input": {}},
            {"type": "tool-output-denied", "toolCallId": "d"},
            {"type": "finish", "messageMetadata": {"totalUsage": {"inputTokens": 1, "outputTokens": 2}}},
        ]
    )
    wrong = {"toolCallId": "c", "state": "output-error", "input": "{", "errorText": "no JSON"}
    assert contents(page) == [
        {"url": "https://a/b.png", "mediaType": "image/png"},
        {"mediaType": "text/plain", "title": "T"},
        wrong,
        {"toolCallId": "d", "state": "output-denied", "input": {}},
    ]
    assert page.find("status")["status"] == "progress"
    assert page.end is not None
    assert page.end["usage"] == [{"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}]


async def test_chunks_of_calls_over_ag_ui() -> None:
    page = await piped(
        [
            {"type": "TOOL_CALL_CHUNK", "toolCallId": "c", "toolCallName": "add", "delta": '{"a"'},
            {"type": "TOOL_CALL_CHUNK", "toolCallId": "c", "delta": ": 1}"},
            {"type": "TOOL_CALL_RESULT", "toolCallId": "c", "content": "1"},
            {"type": "TOOL_CALL_CHUNK", "toolCallId": "d", "toolCallName": "add", "delta": "{}"},
        ]
    )
    first = {"toolCallId": "c", "state": "output-available", "input": {"a": 1}, "output": "1"}
    assert contents(page) == [first, {"toolCallId": "d", "state": "input-available", "input": {}}]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "errorText": "no model"},
        {"type": "abort", "reason": "no model"},
        {"type": "RUN_ERROR", "message": "no model"},
        {"error": {"message": "no model"}},
        {"type": "response.failed", "response": {"error": {"message": "no model"}}},
    ],
)
async def test_a_stream_that_says_that_it_failed(event: dict[str, Any]) -> None:
    page = await piped(["half", event, "never"])
    assert page.end is not None
    assert (page.text, page.end["state"], page.end["error"]) == ("half", "failed", "PipeError: no model")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param('{"n": 1' + "0" * 30 + "}", None, id="a number of more than 64 bits"),
        pytest.param("[" * 40 + "]" * 40, None, id="too many levels"),
        pytest.param('{"n": "\\ud800"}', {"n": "\ufffd"}, id="half a character"),
        pytest.param('{"n": ', None, id="no JSON"),
    ],
)
async def test_arguments_that_no_codec_can_carry_are_told_as_they_were_written(arguments: str, told: Any) -> None:
    page = await piped([Delta("Look: "), Delta(tool_calls=(ToolCall("a\ud800", "add\ud800", arguments),))])
    [_, part] = page.parts.values()
    assert part["name"] == "tool-add\ufffd"
    assert (part["value"]["toolCallId"], part["value"]["state"]) == ("a\ufffd", "input-available")
    assert part["value"]["input"] == (arguments if told is None else told)
    assert page.end is not None
    assert page.end["state"] == "completed"
