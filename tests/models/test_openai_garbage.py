"""What endpoints send of other types than they should: nobody counts with it, and no other error comes of it."""

from typing import Any

import pytest

from hubline.models import Delta, Fault, ModelError, OpenAIModel, StopReason, Usage
from tests.models.endpoint import CHUNKED, END, endpoint, event
from tests.models.test_openai import QUESTION


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return event({"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]} | more)


async def answer(*chunks: bytes) -> list[Delta]:
    async with endpoint(CHUNKED, *chunks, event("[DONE]"), END) as server:
        model = OpenAIModel("m", base_url=server.url, name="Model")
        try:
            return [delta async for delta in model.stream(QUESTION)]
        finally:
            await model.close()


@pytest.mark.parametrize("counts", [(-3000, 5), (1.5, 2), ("x", 1), (None, 1), (10**30, 1), ([], {})])
async def test_a_usage_that_no_answer_can_have_is_not_reported(counts: tuple[Any, Any]) -> None:
    usage = {"prompt_tokens": counts[0], "completion_tokens": counts[1], "total_tokens": 1}
    assert await answer(chunk({"content": "Yes"}), chunk({}, "stop", usage=usage)) == [
        Delta("Yes"),
        Delta(stop=StopReason.END),
    ]
    plain = {"prompt_tokens": 0, "completion_tokens": 1, "total_tokens": 1}
    [*_, last] = await answer(chunk({"content": "Yes"}), chunk({}, "stop", usage=plain))
    assert last.usage == Usage(0, 1)


@pytest.mark.parametrize(
    "delta",
    [
        {"content": 5},
        {"content": ["a"]},
        {"content": {"text": "a"}},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": 7, "arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "id": "a", "function": {"name": "add", "arguments": {"x": 1}}}]},
        {"tool_calls": [{"index": 0, "id": 7, "function": {"name": "add", "arguments": "{}"}}]},
    ],
    ids=["a number", "a list", "an object", "a tool's name", "arguments", "a call's id"],
)
async def test_what_is_no_text_breaks_the_answer_off(delta: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match="Model broke off its answer") as raised:
        await answer(chunk(delta), chunk({}, "stop"))
    assert raised.value.fault is Fault.BROKEN
