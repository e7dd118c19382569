"""Runs made of what pydantic-ai really hands over: its agents, its own events and its adapters. No model is called."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from pydantic_ai import Agent, CustomEvent, ModelMessage, ModelRetry, RunContext
from pydantic_ai.models.function import AgentInfo, DeltaThinkingPart, DeltaToolCall, FunctionModel
from pydantic_ai.models.test import TestModel
from pydantic_ai.run import AgentRunResult
from pydantic_ai.ui.ag_ui import AGUIAdapter
from pydantic_ai.ui.vercel_ai import VercelAIAdapter

from hubline.runs import Run
from tests.runs.viewer import Page, clocked, collect

Feed: TypeAlias = Callable[[Agent, Run], Awaitable[None]]
"""Writes what an agent says into a run."""

CHAT = {
    "trigger": "submit-message",
    "id": "chat",
    "messages": [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "the weather?"}]}],
}
AGENT = {
    "threadId": "t",
    "runId": "r",
    "protocolVersion": "1.0",
    "state": {},
    "tools": [],
    "context": [],
    "forwardedProps": {},
    "messages": [{"id": "m", "role": "user", "content": "the weather?"}],
}


async def own_events(agent: Agent, run: Run) -> None:
    async with agent.run_stream_events("the weather?") as events:
        await run.pipe(events)


def vercel_adapter(agent: Agent) -> VercelAIAdapter[None, str]:
    return VercelAIAdapter(agent, VercelAIAdapter.build_run_input(json.dumps(CHAT).encode()), sdk_version=6)


async def vercel(agent: Agent, run: Run) -> None:
    await run.pipe(vercel_adapter(agent).run_stream())


async def ag_ui(agent: Agent, run: Run) -> None:
    body = AGUIAdapter.build_run_input(json.dumps(AGENT).encode())
    await run.pipe(AGUIAdapter(agent, body, include_usage=True).run_stream())


ALL: list[Feed] = [own_events, vercel, ag_ui]


async def weather_model(messages: list[ModelMessage], _: AgentInfo) -> AsyncIterator[Any]:
    """Thinks, speaks, calls the tool in pieces; then thinks and speaks again."""
    if len(messages) == 1:
        yield {0: DeltaThinkingPart(content="hm ")}
        yield {0: DeltaThinkingPart(content="well")}
        yield "Let me "
        yield "see. "
        yield {2: DeltaToolCall(name="weather", json_args='{"ci', tool_call_id="c1")}
        yield {2: DeltaToolCall(json_args='ty":"Oslo"}', tool_call_id="c1")}
    else:
        yield {0: DeltaThinkingPart(content="so")}
        yield "It "
        yield "rains."


def weather_agent(tool: Callable[[str], Any], model: Any = weather_model) -> Agent:
    agent = Agent(FunctionModel(stream_function=model, model_name="small"))

    @agent.tool_plain
    def weather(city: str) -> Any:
        return tool(city)

    return agent


async def piped(agent: Agent, feed: Feed) -> Page:
    async def answer(run: Run) -> None:
        await feed(agent, run)

    runs, _ = clocked(detailed_errors=True)
    return await collect(runs.attach((await runs.start(answer)).id))


def contents(page: Page) -> list[Any]:
    return [part.get("text", part.get("value")) for part in page.parts.values()]


def end_of(page: Page) -> dict[str, Any]:
    assert page.end is not None
    return page.end


@pytest.mark.parametrize("feed", ALL)
async def test_text_reasoning_and_a_call_of_a_tool(feed: Feed) -> None:
    page = await piped(weather_agent(lambda city: {"city": city, "rain": True}), feed)
    output: Any = {"city": "Oslo", "rain": True}
    if feed is ag_ui:  # its results are texts
        output = '{"city":"Oslo","rain":true}'
    tool = {"toolCallId": "c1", "state": "output-available", "input": {"city": "Oslo"}, "output": output}
    assert contents(page) == ["hm well", "Let me see. ", tool, "so", "It rains."]
    assert [part["kind"] for part in page.parts.values()] == ["reasoning", "text", "data", "reasoning", "text"]
    assert page.parts["tool c1"]["name"] == "tool-weather"
    assert end_of(page)["state"] == "completed"


@pytest.mark.rule("R27")
@pytest.mark.parametrize("feed", [own_events, ag_ui])
async def test_what_the_agent_has_used(feed: Feed) -> None:
    agent = weather_agent(lambda city: city)
    page = await piped(agent, feed)
    async with agent.run_stream_events("the weather?") as events:
        async for _ in events:
            pass
    used = events.usage
    (entry,) = end_of(page)["usage"]
    assert entry["model"] == "small"
    assert entry["outputTokens"] > 0
    assert entry["totalTokens"] == entry["inputTokens"] + entry["outputTokens"]
    assert (entry["inputTokens"], entry["outputTokens"]) == (used.input_tokens, used.output_tokens)


@pytest.mark.rule("R27")
async def test_the_chunks_for_the_ai_sdk_have_no_usage_but_its_adapter_tells_the_result() -> None:
    async def told(agent: Agent, run: Run) -> None:
        async def complete(result: AgentRunResult[Any]) -> None:
            run.usage(model="small", input_tokens=result.usage.input_tokens, output_tokens=result.usage.output_tokens)

        await run.pipe(vercel_adapter(agent).run_stream(on_complete=complete))

    (entry,) = end_of(await piped(weather_agent(lambda city: city), told))["usage"]
    assert entry["outputTokens"] > 0


@pytest.mark.rule("R6")
@pytest.mark.parametrize("feed", ALL)
async def test_a_model_that_fails_in_mid_stream_keeps_what_came(feed: Feed) -> None:
    async def broken(messages: list[ModelMessage], info: AgentInfo) -> AsyncIterator[Any]:
        if len(messages) == 1:
            async for each in weather_model(messages, info):
                yield each
        else:
            yield "It "
            raise RuntimeError("the model is overloaded")

    page = await piped(weather_agent(lambda city: city, broken), feed)
    tool = {"toolCallId": "c1", "state": "output-available", "input": {"city": "Oslo"}, "output": "Oslo"}
    assert contents(page) == ["hm well", "Let me see. ", tool, "It "]
    kind = "RuntimeError" if feed is own_events else "PipeError"
    assert (end_of(page)["state"], end_of(page)["error"]) == ("failed", f"{kind}: the model is overloaded")
    if feed is own_events:
        (entry,) = end_of(page)["usage"]  # of the answer that was whole
        assert entry["outputTokens"] > 0


@pytest.mark.parametrize("feed", ALL)
async def test_a_tool_that_fails_says_so(feed: Feed) -> None:
    def refuse(_: str) -> None:
        raise ModelRetry("there is no such city")

    page = await piped(weather_agent(refuse), feed)
    value = page.parts["tool c1"]["value"]
    assert "there is no such city" in str(value["output"] if feed is ag_ui else value["errorText"])
    assert value["state"] == ("output-available" if feed is ag_ui else "output-error")
    assert contents(page)[-1] == "It rains."


@pytest.mark.parametrize("feed", ALL)
async def test_a_tools_output_that_is_too_large_does_not_fail_the_answer(feed: Feed) -> None:
    page = await piped(weather_agent(lambda city: city * 50_000), feed)
    assert page.parts["tool c1"]["value"]["output"] == {"omitted": 200_002}
    assert contents(page)[-1] == "It rains."


@pytest.mark.parametrize("feed", ALL)
async def test_an_agent_that_is_cancelled_by_its_own_code_has_not_completed(feed: Feed) -> None:
    agent = Agent(FunctionModel(stream_function=weather_model, model_name="small"))

    @agent.tool
    async def weather(context: RunContext, city: str) -> str:
        context.cancel()
        await asyncio.Event().wait()
        return city

    page = await piped(agent, feed)
    assert contents(page)[:2] == ["hm well", "Let me see. "]
    assert end_of(page)["state"] == "failed"
    assert "cancelled" in end_of(page)["error"]


@pytest.mark.rule("R13")
@pytest.mark.parametrize("feed", ALL)
async def test_stopping_the_run_ends_the_agent_in_the_middle(feed: Feed) -> None:
    waits, ended = asyncio.Event(), asyncio.Event()

    async def endless(_: list[ModelMessage], __: AgentInfo) -> AsyncIterator[str]:
        try:
            yield "It "
            yield "rains"
            waits.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    agent = Agent(FunctionModel(stream_function=endless))

    async def answer(run: Run) -> None:
        await feed(agent, run)

    runs, _ = clocked()
    run = await runs.start(answer)
    await waits.wait()
    assert (await runs.stop(run.id)).state == "stopped"
    await ended.wait()
    page = await collect(runs.attach(run.id))
    assert page.text == "It rains"


@pytest.mark.parametrize("feed", ALL)
async def test_a_run_that_is_full_ends_the_agent(feed: Feed) -> None:
    ended = asyncio.Event()

    async def chatty(_: list[ModelMessage], __: AgentInfo) -> AsyncIterator[str]:
        try:
            while True:
                yield "x" * 10_000
        finally:
            ended.set()

    async def answer(run: Run) -> None:
        await feed(Agent(FunctionModel(stream_function=chatty)), run)

    runs, _ = clocked()
    page = await collect(runs.attach((await runs.start(answer)).id))
    await ended.wait()
    assert (end_of(page)["state"], len(page.text)) == ("limited", 1_048_576)


@dataclass(kw_only=True)
class Progress(CustomEvent):
    done: int


@pytest.mark.parametrize("feed", ALL)
async def test_several_tools_and_an_event_of_the_application(feed: Feed) -> None:
    agent = Agent(TestModel())

    @agent.tool
    async def first(context: RunContext, number: int) -> int:
        await context.emit(Progress(done=1))
        return number

    @agent.tool_plain
    def second(word: str) -> list[str]:
        return [word]

    page = await piped(agent, feed)
    tools = {part["name"]: part["value"] for part in page.parts.values() if part.get("name", "").startswith("tool-")}
    assert {name: value["state"] for name, value in tools.items()} == {
        "tool-first": "output-available",
        "tool-second": "output-available",
    }
    assert tools["tool-second"]["input"] == {"word": "a"}
    if feed is own_events:
        assert [part["value"] for part in page.parts.values() if part.get("name") == "progress"] == [{"done": 1}]
    assert page.text == '{"first":0,"second":["a"]}'
