"""An answer as text and tools: in the parts of its run, as it is stored, and as the model is told it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from itertools import groupby
from typing import Any

from hubline.models import Message as Turn
from hubline.models import ToolCall
from hubline.runs import Run
from hubline_chat.contract_models import ToolUse

GAP = "\n\n"
"""Between the texts before and after a tool."""
ENDED = frozenset({"output-available", "output-denied", "output-error"})
DENIED = "The person declined: this was not done. Do not ask for it again."
PREFIX = "tool-"

Part = dict[str, Any]


def is_tool(part: Part) -> bool:
    return bool(part["kind"] == "data" and part["name"].startswith(PREFIX))


def use_of(part: Part, at: int = 0) -> ToolUse:
    """The tool of a part. Its value has the fields in camelCase."""
    value = part["value"]
    known = {each.name: value[name] for each in fields(ToolUse) if (name := _camel(each.name)) in value}
    return ToolUse(**(known | {"name": part["name"].removeprefix(PREFIX), "at": at}))


def said(parts: Iterable[Part]) -> tuple[str, str, list[ToolUse]]:
    """Text, reasoning and tools of a run's parts."""
    text, thoughts, tools, is_after_tool = "", [], [], False
    for part in parts:
        if part["kind"] == "text" and part["text"]:
            text += GAP + part["text"] if text and is_after_tool else part["text"]
            is_after_tool = False
        elif part["kind"] == "reasoning":
            thoughts.append(part["text"])
        elif is_tool(part):
            tools.append(use_of(part, len(text)))
            is_after_tool = True
    return text, GAP.join(thoughts), tools


async def write_again(run: Run, text: str, reasoning: str, tools: Sequence[ToolUse]) -> None:
    """Write an earlier answer into a run that continues it."""
    await run.reasoning(reasoning)
    begin = 0
    for use in tools:
        await run.text(text[begin : use.at].removeprefix(GAP if begin else ""))
        begin = use.at
        values = {each.name: getattr(use, each.name) for each in fields(ToolUse) if each.name not in _NAMED}
        await run.tool(use.tool_call_id, use.state, name=use.name, **{k: v for k, v in values.items() if v is not None})
    await run.text(text[begin:].removeprefix(GAP if tools else ""))


def turns_of(parts: Iterable[Part]) -> list[Turn]:
    """What was said and used so far, as the model is told it. Tools without a result are left out."""
    turns: list[Turn] = []
    text = ""
    for number, group in groupby(_told(parts), lambda part: part["value"].get("round", 0) if is_tool(part) else None):
        if number is None:
            text = "".join(part["text"] for part in group)
            continue
        uses = [use_of(part) for part in group]
        turns.append(Turn("assistant", text, [_call(use) for use in uses]))
        turns += [Turn("tool", result(use), tool_call_id=use.tool_call_id) for use in uses]
        text = ""
    return [*turns, Turn("assistant", text)] if text else turns


def result(use: ToolUse) -> str:
    """What the model is told of the end of a tool."""
    if use.state == "output-denied":
        return DENIED
    return use.output or "" if use.state == "output-available" else f"Error: {use.error_text}"


def size(turns: Iterable[Turn]) -> int:
    """Characters of turns, with the arguments of tools."""
    return sum(len(each.content) + sum(len(call.arguments) for call in each.tool_calls) for each in turns)


_NAMED = frozenset({"tool_call_id", "state", "name", "at"})


def _told(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        if (part["kind"] == "text" and part["text"]) or (is_tool(part) and part["value"]["state"] in ENDED):
            yield part


def _call(use: ToolUse) -> ToolCall:
    arguments = use.input if isinstance(use.input, str) else json.dumps(use.input or {}, ensure_ascii=False)
    return ToolCall(use.tool_call_id, use.name, arguments)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
