"""The scripted model keeps to its script."""

import asyncio
from contextlib import aclosing

import pytest

from hubline import ConfigurationError
from hubline.models import Delta, Fault, Message, ModelError, ScriptedModel, StopReason, Usage

QUESTION = [Message("user", "Why?")]


async def test_the_pieces_come_in_order_and_then_the_end() -> None:
    model = ScriptedModel(["Be", "cause"])
    deltas = [delta async for delta in model.stream(QUESTION)]
    assert deltas == [Delta("Be"), Delta("cause"), Delta(stop=StopReason.END, usage=Usage(1, 2))]
    assert (model.name, model.seen, model.closed) == ("scripted", [tuple(QUESTION)], 1)


async def test_a_script_may_depend_on_the_question() -> None:
    model = ScriptedModel(lambda messages: [messages[-1].content.upper()])
    assert [delta.text async for delta in model.stream(QUESTION)] == ["WHY?", ""]


async def test_an_error_is_raised_at_its_place() -> None:
    model = ScriptedModel(["Be", ModelError("scripted", Fault.BROKEN, "broke")])
    async with aclosing(model.stream(QUESTION)) as stream:
        assert await anext(stream) == Delta("Be")
        with pytest.raises(ModelError, match="scripted broke"):
            await anext(stream)
    assert model.closed == 1


async def test_the_pace_is_set_from_outside() -> None:
    gates = [asyncio.Event(), asyncio.Event()]

    async def pace(index: int) -> None:
        await gates[index].wait()

    model = ScriptedModel(["Be", "cause"], pace=pace)
    async with asyncio.timeout(30), aclosing(model.stream(QUESTION)) as stream:
        gates[0].set()
        assert await anext(stream) == Delta("Be")
        second = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0)
        assert not second.done()
        gates[1].set()
        assert await second == Delta("cause")
    assert model.closed == 1


def test_every_mistake_is_named_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ScriptedModel("Because", name=None, pace=0.1)  # type: ignore[arg-type]
    assert list(caught.value.problems) == [
        "ScriptedModel.script must be a list of pieces, or a function that makes one, got 'Because'",
        "ScriptedModel.name must be a text, got None",
        "ScriptedModel.pace must be a function or None, got 0.1",
    ]
