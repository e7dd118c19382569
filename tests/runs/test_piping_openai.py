"""Runs made of what the OpenAI client really hands over: its streams, over HTTP that is answered here."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import openai
import pytest

from hubline.runs import Run
from tests.runs.viewer import Page, clocked, collect

MESSAGES: Any = [{"role": "user", "content": "the weather?"}]


class Body(httpx.AsyncByteStream):
    """Server-Sent Events. With `broken` the connection is lost behind them."""

    def __init__(self, events: list[Any], *, broken: bool) -> None:
        self.events, self.broken = events, broken

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for event in self.events:
            name = f"event: {event['type']}\n" if "type" in event else ""
            yield f"{name}data: {json.dumps(event)}\n\n".encode()
        if self.broken:
            raise httpx.ReadError("the connection was reset")
        yield b"data: [DONE]\n\n"


async def answered(
    events: list[Any], ask: Callable[[openai.AsyncOpenAI, Run], Awaitable[None]], *, broken: bool = False
) -> Page:
    """What viewers have of a run whose function asks a server that answers with these events."""

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, stream=Body(events, broken=broken))

    http: Any = httpx.AsyncClient(transport=httpx.MockTransport(answer))
    client = openai.AsyncOpenAI(api_key="none", base_url="http://model/v1", http_client=http, max_retries=0)

    async def function(run: Run) -> None:
        await ask(client, run)

    runs, _ = clocked(detailed_errors=True)
    async with http:
        return await collect(runs.attach((await runs.start(function)).id))


def chunk(*, usage: Any = None, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}] if delta or finish else []
    told = {"usage": usage} if usage else {}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "small", "choices": choices, **told}


def used(prompt: int, completion: int) -> dict[str, int]:
    return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}


CALL = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":'}}
CHAT = [
    chunk(role="assistant", content="", usage=used(5, 0)),
    chunk(reasoning_content="hm", usage=used(5, 1)),
    chunk(content="It ", usage=used(5, 2)),
    chunk(content="rains."),
    chunk(tool_calls=[CALL]),
    chunk(tool_calls=[{"index": 0, "function": {"arguments": '"Oslo"}'}}]),
    chunk(finish="tool_calls"),
    chunk(usage=used(5, 3)),
]
TOOL = {"toolCallId": "call_1", "state": "input-available", "input": {"city": "Oslo"}}


async def chat(client: openai.AsyncOpenAI, run: Run) -> None:
    await run.pipe(await client.chat.completions.create(model="small", messages=MESSAGES, stream=True))


async def chat_helper(client: openai.AsyncOpenAI, run: Run) -> None:
    async with client.chat.completions.stream(model="small", messages=MESSAGES) as stream:
        await run.pipe(stream)


async def response(client: openai.AsyncOpenAI, run: Run) -> None:
    await run.pipe(await client.responses.create(model="big", input="hello", stream=True))


async def response_helper(client: openai.AsyncOpenAI, run: Run) -> None:
    async with client.responses.stream(model="big", input="hello") as stream:
        await run.pipe(stream)


def contents(page: Page) -> list[Any]:
    return [part.get("text", part.get("value")) for part in page.parts.values()]


def end_of(page: Page) -> dict[str, Any]:
    assert page.end is not None
    return page.end


@pytest.mark.rule("R27")
@pytest.mark.parametrize("ask", [chat, chat_helper])
async def test_a_chat_completion(ask: Any) -> None:
    page = await answered(CHAT, ask)
    assert contents(page) == ["hm", "It rains.", TOOL]
    assert end_of(page)["state"] == "completed"
    assert end_of(page)["usage"] == [{"model": "small", "inputTokens": 5, "outputTokens": 3, "totalTokens": 8}]


@pytest.mark.rule("R6", "R27")
@pytest.mark.parametrize("ask", [chat, chat_helper])
async def test_a_chat_completion_whose_connection_is_lost_keeps_what_came_and_what_it_used(ask: Any) -> None:
    page = await answered(CHAT[:4], ask, broken=True)
    assert contents(page) == ["hm", "It rains."]
    assert (end_of(page)["state"], end_of(page)["error"]) == ("failed", "APIConnectionError: Connection error.")
    assert end_of(page)["usage"] == [{"model": "small", "inputTokens": 5, "outputTokens": 2, "totalTokens": 7}]


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        (["<think>hm</think>It rains."], ["hm", "It rains."]),
        (["\n<th", "ink>\nh", "m\n</thi", "nk>", "\n\nIt ", "rains."], ["hm\n", "It rains."]),
        (["<think></think>It rains."], ["It rains."]),
        (["<thin", "ice> is <think>."], ["<thinice> is <think>."]),
        (["<th"], ["<th"]),
        (["<think>for ever </thi"], ["for ever </thi"]),
    ],
)
@pytest.mark.parametrize("ask", [chat, chat_helper])
async def test_what_a_model_thinks_aloud_is_reasoning(ask: Any, pieces: list[str], expected: list[str]) -> None:
    for finish in ([chunk(finish="stop")], []):
        page = await answered([*(chunk(content=piece) for piece in pieces), *finish, chunk(usage=used(5, 3))], ask)
        assert contents(page) == expected
        kinds = [part["kind"] for part in page.parts.values()]
        assert kinds == (["reasoning", "text"] if len(expected) == 2 else kinds)
        assert end_of(page)["state"] == "completed"


async def test_what_was_held_back_is_written_when_the_stream_breaks() -> None:
    page = await answered([chunk(content="<thi")], chat, broken=True)
    assert (page.text, end_of(page)["state"]) == ("<thi", "failed")


async def test_calls_that_are_told_apart_by_their_ids_alone() -> None:
    calls = [{"id": name, "function": {"name": "add", "arguments": f'{{"a": {name}}}'}} for name in ("1", "2")]
    page = await answered([chunk(tool_calls=[{"index": 0, **call}]) for call in calls], chat)
    assert [(value["toolCallId"], value["input"]) for value in contents(page)] == [("1", {"a": 1}), ("2", {"a": 2})]


@pytest.mark.rule("R6")
async def test_a_chat_completion_that_says_that_it_failed() -> None:
    page = await answered([*CHAT[:3], {"error": {"message": "the model is overloaded"}}], chat)
    assert contents(page) == ["hm", "It "]
    assert (end_of(page)["state"], end_of(page)["error"]) == ("failed", "APIError: the model is overloaded")


def whole(status: str, output: list[Any], **more: Any) -> dict[str, Any]:
    fixed = {"id": "r", "object": "response", "created_at": 1, "model": "big", "tools": [], "tool_choice": "auto"}
    return {**fixed, "parallel_tool_calls": True, "status": status, "output": output, **more}


def events(*bodies: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"sequence_number": number, **body} for number, body in enumerate(bodies)]


THOUGHT: dict[str, Any] = {"type": "reasoning", "id": "rs", "summary": [{"type": "summary_text", "text": "hm"}]}
FUNCTION = {"type": "function_call", "id": "fc", "call_id": "c1", "name": "add", "arguments": '{"a": 1}'}
MESSAGE = {"type": "message", "id": "m", "role": "assistant", "status": "completed"}
TEXT = {"type": "output_text", "text": "Hello", "annotations": []}
FIRST: list[dict[str, Any]] = [
    {"type": "response.created", "response": whole("in_progress", [])},
    {"type": "response.output_item.added", "output_index": 0, "item": THOUGHT | {"summary": []}},
    {
        "type": "response.reasoning_summary_part.added",
        "item_id": "rs",
        "output_index": 0,
        "summary_index": 0,
        "part": {"type": "summary_text", "text": ""},
    },
    {
        "type": "response.reasoning_summary_text.delta",
        "item_id": "rs",
        "output_index": 0,
        "summary_index": 0,
        "delta": "hm",
    },
    {"type": "response.output_item.added", "output_index": 1, "item": FUNCTION | {"arguments": ""}},
    {"type": "response.function_call_arguments.delta", "item_id": "fc", "output_index": 1, "delta": '{"a": 1}'},
    {"type": "response.output_item.done", "output_index": 1, "item": FUNCTION},
    {"type": "response.output_item.added", "output_index": 2, "item": MESSAGE | {"content": []}},
    {
        "type": "response.content_part.added",
        "item_id": "m",
        "output_index": 2,
        "content_index": 0,
        "part": TEXT | {"text": ""},
    },
    {
        "type": "response.output_text.delta",
        "item_id": "m",
        "output_index": 2,
        "content_index": 0,
        "delta": "Hello",
        "logprobs": [],
    },
]
USED = {
    "input_tokens": 1,
    "input_tokens_details": {"cached_tokens": 0},
    "output_tokens": 2,
    "output_tokens_details": {"reasoning_tokens": 1},
    "total_tokens": 3,
}
LAST: dict[str, Any] = {
    "type": "response.completed",
    "response": whole("completed", [THOUGHT, FUNCTION, MESSAGE | {"content": [TEXT]}], usage=USED),
}


@pytest.mark.rule("R27")
@pytest.mark.parametrize("ask", [response, response_helper])
async def test_a_response(ask: Any) -> None:
    page = await answered(events(*FIRST, LAST), ask)
    assert contents(page) == ["hm", {"toolCallId": "c1", "state": "input-available", "input": {"a": 1}}, "Hello"]
    assert end_of(page)["state"] == "completed"
    assert end_of(page)["usage"] == [{"model": "big", "inputTokens": 1, "outputTokens": 2, "totalTokens": 3}]


@pytest.mark.rule("R6")
async def test_a_response_that_fails_in_the_middle() -> None:
    failed = whole("failed", [], error={"code": "server_error", "message": "the model is overloaded"})
    page = await answered(events(*FIRST, {"type": "response.failed", "response": failed}), response)
    assert page.text == "Hello"
    assert (end_of(page)["state"], end_of(page)["error"]) == ("failed", "PipeError: the model is overloaded")
