"""The adapter for OpenAI-compatible endpoints, against literal HTTP responses."""

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from hubline import ConfigurationError
from hubline.models import (
    Delta,
    Fault,
    Image,
    Message,
    ModelError,
    OpenAIModel,
    StopReason,
    Tool,
    ToolCall,
    ToolModel,
    Usage,
)
from hubline.models import openai as adapter
from tests.models.endpoint import CHUNKED, CUT, END, HANG, Endpoint, endpoint, event, failure, piece

QUESTION = [Message("system", "Be brief."), Message("user", "Why?")]


async def answer(server: Endpoint, **options: Any) -> list[Delta]:
    model = OpenAIModel("m", base_url=server.url, api_key="secret", name="Model", **options)
    try:
        async with asyncio.timeout(60):
            return [delta async for delta in model.stream(QUESTION)]
    finally:
        await model.close()


async def test_an_answer_comes_in_pieces_with_its_end_and_its_usage() -> None:
    usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
    last = event(
        {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [], "usage": usage}
    )
    async with endpoint(
        CHUNKED, piece(None), piece("Be"), piece("cause"), piece(None, "stop"), last, event("[DONE]"), END
    ) as server:
        assert await answer(server) == [
            Delta("Be"),
            Delta("cause"),
            Delta(stop=StopReason.END),
            Delta(usage=Usage(7, 2)),
        ]


async def test_the_request_carries_the_conversation_the_key_and_the_options() -> None:
    async with endpoint(CHUNKED, event("[DONE]"), END) as server:
        model = OpenAIModel(
            "m", base_url=server.url, api_key="secret", max_tokens=5, temperature=0.5, options={"repeat_penalty": 1.1}
        )
        assert [delta async for delta in model.stream(QUESTION)] == []
        await model.close()
    headers, body = server.requests[0]
    assert headers["authorization"] == "bearer secret"
    assert body == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Why?"}],
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": 5,
        "temperature": 0.5,
        "repeat_penalty": 1.1,
    }


async def test_images_are_told_beside_the_text() -> None:
    async with endpoint(CHUNKED, piece("A cat", "stop"), END) as server:
        model = OpenAIModel("m", base_url=server.url)
        seen = Message("user", "What is this?", images=[Image("image/png", b"\x89PNG")])
        async with aclosing(model.stream([Message("system", "Be short."), seen])) as stream:
            assert [delta.text async for delta in stream] == ["A cat"]
        await model.close()
    [(_, body)] = server.requests
    assert body["messages"] == [
        {"role": "system", "content": "Be short."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
            ],
        },
    ]


async def test_the_reason_of_an_end_by_length_is_told() -> None:
    async with endpoint(CHUNKED, piece("Be", "length"), event("[DONE]"), END) as server:
        assert await answer(server) == [Delta("Be", stop=StopReason.LENGTH)]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_what_the_model_thinks_comes_apart_from_what_it_says(name: str) -> None:
    async with endpoint(
        CHUNKED, piece(None, **{name: "hm"}), piece("Because"), piece(None, "stop"), event("[DONE]"), END
    ) as server:
        assert await answer(server) == [Delta(reasoning="hm"), Delta("Because"), Delta(stop=StopReason.END)]


async def test_thoughts_within_the_text_come_apart_too() -> None:
    pieces = [piece(each) for each in ("<thi", "nk>h", "m</think>", "\n\n", "Be", "cause")]
    async with endpoint(CHUNKED, *pieces, piece(None, "stop"), event("[DONE]"), END) as server:
        deltas = await answer(server)
    assert "".join(delta.reasoning for delta in deltas) == "hm"
    assert [delta.text for delta in deltas if delta.text] == ["Be", "cause"]


async def test_an_endpoint_that_ends_within_a_mark_has_said_it() -> None:
    async with endpoint(CHUNKED, piece("<thi"), event("[DONE]"), END) as server:
        assert await answer(server) == [Delta("<thi")]


@pytest.mark.parametrize(
    "end", [[piece(None, "stop")], [event("[DONE]")], [b"5\r\ndata:\r\n", b"9\r\n [DONE]\n\n\r\n"]]
)
async def test_a_reason_or_the_end_mark_makes_an_answer_whole(end: list[bytes]) -> None:
    async with endpoint(CHUNKED, piece("Be"), *end, END) as server:
        assert "".join(delta.text for delta in await answer(server)) == "Be"


async def test_closing_the_stream_leaves_the_endpoint() -> None:
    async with endpoint(CHUNKED, piece("Be"), HANG) as server:
        model = OpenAIModel("m", base_url=server.url)
        async with asyncio.timeout(60), aclosing(model.stream(QUESTION)) as stream:
            assert await anext(stream) == Delta("Be")
            assert not server.left.is_set()
            await stream.aclose()
            await server.left.wait()
        await model.close()


async def test_cancelling_the_reader_leaves_the_endpoint() -> None:
    async with endpoint(CHUNKED, piece("Be"), HANG) as server:
        model = OpenAIModel("m", base_url=server.url)
        first = asyncio.Event()

        async def read() -> None:
            async with aclosing(model.stream(QUESTION)) as stream:
                async for _ in stream:
                    first.set()

        async with asyncio.timeout(60):
            task = asyncio.ensure_future(read())
            await first.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await server.left.wait()
        await model.close()


@pytest.mark.parametrize(
    ("response", "fault", "text"),
    [
        (failure("401 Unauthorized", {}), Fault.REFUSED, "Model did not accept the key"),
        (failure("403 Forbidden", {}), Fault.REFUSED, "Model did not accept the key"),
        (failure("404 Not Found", {}), Fault.REFUSED, "Model does not exist at the endpoint that was set"),
        (
            failure("400 Bad Request", {"error": {"type": "exceed_context_size_error", "message": "…"}}),
            Fault.TOO_LONG,
            "Model cannot read a conversation of this length",
        ),
        (
            failure("400 Bad Request", {"error": {"code": "context_length_exceeded", "message": "…"}}),
            Fault.TOO_LONG,
            "Model cannot read a conversation of this length",
        ),
        (failure("400 Bad Request", {"error": {"code": "x"}}), Fault.BROKEN, "Model answered with the error 400"),
    ],
)
async def test_a_refusal_becomes_a_model_error_without_secrets(response: bytes, fault: Fault, text: str) -> None:
    async with endpoint(response) as server:
        with pytest.raises(ModelError) as raised:
            await answer(server)
    assert (raised.value.fault, str(raised.value), raised.value.model) == (fault, text, "Model")


@pytest.mark.parametrize(
    ("response", "fault"),
    [
        (failure("429 Too Many Requests", {}), Fault.BUSY),
        (failure("500 Internal Server Error", {}), Fault.BROKEN),
    ],
)
async def test_what_may_pass_is_tried_once_more(response: bytes, fault: Fault) -> None:
    async with endpoint(response) as server:
        with pytest.raises(ModelError) as raised:
            await answer(server)
    assert (raised.value.fault, len(server.requests)) == (fault, 2)


async def test_an_endpoint_that_is_not_there() -> None:
    async with endpoint() as server:
        pass
    with pytest.raises(ModelError, match="Model cannot be reached") as raised:
        await answer(server)
    assert raised.value.fault is Fault.UNREACHABLE


async def test_a_model_that_was_closed_is_an_error_of_the_same_kind() -> None:
    async with endpoint(CHUNKED, END) as server:
        model = OpenAIModel("m", base_url=server.url, name="Model")
        await model.close()
        with pytest.raises(ModelError, match="Model cannot be reached"):
            await anext(model.stream(QUESTION))


@pytest.mark.parametrize(
    "rest",
    [
        pytest.param([CUT], id="the connection is cut"),
        pytest.param([END], id="the end without a reason and without [DONE]"),
        pytest.param([event("{not json"), END], id="broken JSON"),
        pytest.param([event({"error": {"message": "out of memory"}}), END], id="an error inside the stream"),
    ],
)
async def test_an_answer_that_breaks_off_keeps_what_came(rest: list[bytes | None]) -> None:
    async with endpoint(CHUNKED, piece("Be"), *rest) as server:
        model = OpenAIModel("m", base_url=server.url, name="Model")
        async with asyncio.timeout(60), aclosing(model.stream(QUESTION)) as stream:
            assert await anext(stream) == Delta("Be")
            with pytest.raises(ModelError, match="Model broke off its answer") as raised:
                await anext(stream)
        await model.close()
    assert raised.value.fault is Fault.BROKEN


@pytest.mark.parametrize("response", [[HANG], [CHUNKED, HANG], [CHUNKED, piece("Be"), HANG]])
async def test_silence_has_an_end(response: list[bytes]) -> None:
    async with endpoint(*response) as server:
        with pytest.raises(ModelError, match="Model did not answer in time") as raised:
            await answer(server, first_token_timeout=0.1, token_timeout=0.1)
    assert raised.value.fault is Fault.TIMEOUT


def test_every_mistake_is_named_at_once_and_the_key_is_not_shown() -> None:
    wrong: dict[str, Any] = {
        "base_url": "localhost:8080/v1",
        "api_key": b"secret",
        "name": 5,
        "max_tokens": "512",
        "temperature": -1,
        "first_token_timeout": 0,
        "token_timeout": None,
        "options": [],
    }
    with pytest.raises(ConfigurationError) as caught:
        OpenAIModel("", **wrong)
    found = caught.value.problems
    assert {problem.removeprefix("OpenAIModel.").split()[0] for problem in found} == {"model", *wrong}
    wanted = "an address with http:// or https:// or None"
    assert f"OpenAIModel.base_url must be {wanted}, got 'localhost:8080/v1'" in found
    assert "OpenAIModel.api_key must be a text or None, got bytes" in found
    assert "secret" not in str(caught.value)


def calling(*pieces: dict[str, Any], finish: str | None = None) -> bytes:
    """A chunk with pieces of tool calls."""
    choice = {"index": 0, "delta": {"tool_calls": list(pieces)}, "finish_reason": finish}
    return event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]})


def call(index: int, arguments: str, *, call_id: str | None = None, name: str | None = None) -> dict[str, Any]:
    return {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


DONE = (event("[DONE]"), END)
WEATHER = Tool("weather", "The weather of a city.", {"type": "object", "properties": {"city": {"type": "string"}}})


async def test_tool_calls_are_put_together_from_their_pieces() -> None:
    chunks = (
        piece("Let me look."),
        calling(call(0, "", call_id="a", name="weather"), call(1, "", call_id="b", name="clock")),
        calling(call(0, '{"city":')),
        calling(call(1, "{}"), call(0, ' "Rome"}')),
    )
    calls = (ToolCall("a", "weather", '{"city": "Rome"}'), ToolCall("b", "clock", "{}"))
    async with endpoint(CHUNKED, *chunks, piece(None, "tool_calls"), *DONE) as server:
        assert await answer(server) == [Delta("Let me look."), Delta(stop=StopReason.TOOLS, tool_calls=calls)]
    # Without a reason of the end they come at `[DONE]`; what broke off has none.
    async with endpoint(CHUNKED, *chunks, *DONE) as server:
        assert (await answer(server))[-1] == Delta(tool_calls=calls)
    async with endpoint(CHUNKED, *chunks, END) as server:
        with pytest.raises(ModelError, match="broke off"):
            await answer(server)


async def test_servers_that_number_every_call_alike_are_understood() -> None:
    chunks = [calling(call(0, f'{{"n": {n}}}', call_id=f"call-{n}", name="count")) for n in range(2)]
    async with endpoint(CHUNKED, *chunks, piece(None, "stop"), *DONE) as server:
        [last] = await answer(server)
    assert last.tool_calls == (ToolCall("call-0", "count", '{"n": 0}'), ToolCall("call-1", "count", '{"n": 1}'))


async def test_arguments_without_end_break_the_answer_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adapter, "ARGUMENTS", 20)
    chunks = [calling(call(0, "x" * 9, call_id="a", name="count")) for _ in range(3)]
    async with endpoint(CHUNKED, *chunks, piece(None, "stop"), *DONE) as server:
        with pytest.raises(ModelError, match="broke off"):
            await answer(server)


async def test_the_request_carries_tools_calls_and_results() -> None:
    async with endpoint(CHUNKED, *DONE) as server:
        model = OpenAIModel("m", base_url=server.url)
        assert isinstance(model, ToolModel)
        turns = [
            *QUESTION,
            Message("assistant", "", [ToolCall("a", "weather", '{"city": "Rome"}')]),
            Message("tool", "Sunny.", tool_call_id="a"),
        ]
        assert [delta async for delta in model.stream(turns, tools=[WEATHER])] == []
        await model.close()
    _, body = server.requests[0]
    assert body["tools"] == [
        {
            "type": "function",
            "function": {
                "name": "weather",
                "description": "The weather of a city.",
                "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
            },
        }
    ]
    function = {"name": "weather", "arguments": '{"city": "Rome"}'}
    assert body["messages"][2:] == [
        {"role": "assistant", "content": "", "tool_calls": [{"id": "a", "type": "function", "function": function}]},
        {"role": "tool", "content": "Sunny.", "tool_call_id": "a"},
    ]
