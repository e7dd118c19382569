"""The input of the model: its role, the earlier messages, the question."""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

from hubline.models import Message as Turn
from hubline_chat.contract import AnswerState, Message
from hubline_chat.transcript import size

_ENDED_WELL = (AnswerState.COMPLETED, AnswerState.STOPPED)
CUT = " […cut]"
"""Ends a message of which the model is told only the beginning."""
SHORTEST = 100
"""Of a message that does not fit, fewer characters are not worth telling."""
GO_ON = "Go on exactly where you stopped. Repeat nothing, and say nothing about the interruption."


ROOM_PROMPT = "Instructions of this room:"

_OPENING = re.compile(r"^ {0,3}(`{3,}|~{3,})|(`+)", re.MULTILINE)
"""Of a fenced block or, elsewhere, of a code span of Markdown."""
_TICKS = re.compile("`+")


def without_code(text: str) -> str:
    """A message of the same length with spaces where it has code: fenced blocks, also one without an end, and spans.

    Its time grows with the length of the text, whatever is in it.
    """
    kept, at = [], 0
    for begin, end in _code(text):
        kept += [text[at:begin], " " * (end - begin)]
        at = end
    return "".join(kept) + text[at:] if kept else text


def _code(text: str) -> Iterator[tuple[int, int]]:
    """Where the code of a message is, in order."""
    runs = defaultdict[int, list[int]](list)
    for run in _TICKS.finditer(text):
        runs[len(run[0])].append(run.start())
    opening = _OPENING.search(text)
    while opening is not None:
        end = opening.end()
        if opening[1] is not None:
            closing = re.compile(f"^ {{0,3}}{opening[1]}{opening[1][0]}*", re.MULTILINE).search(text, end)
            end = len(text) if closing is None else closing.end()
            yield opening.start(), end
        else:
            there = runs[len(opening[2])]
            place = bisect_left(there, end)
            if place < len(there):
                end = there[place] + len(opening[2])
                yield opening.start(), end
        opening = _OPENING.search(text, end)


def question_in(text: str, name: str = "Assistant") -> str | None:
    """What a message asks the assistant, or `None` when it has no `@ai`, nor `@` and its name, outside of code.

    The mention with which a message begins is left out; one in the middle is part of the sentence.
    """
    mention = _mention(name).search(without_code(text))
    if mention is None:
        return None
    before, after = text[: mention.start()].strip(), text[mention.end() :].lstrip(" \t\n,:").rstrip()
    return text.strip() if before else after or None


@lru_cache(maxsize=8)
def _mention(name: str) -> re.Pattern[str]:
    """A mention stands alone: `ada@ai.example` has none, and `@aid`, `@ai-tools` and `@ai.example` are others."""
    return re.compile(rf"(?<![\w@/.+-])@(?:ai|{re.escape(name)})(?![\w@/-]|[.+]\w)", re.IGNORECASE)


def instructions(system: str, room: str) -> str:
    """What the model is told before everything else: by the server, and by the room."""
    return f"{system}\n\n{ROOM_PROMPT}\n{room}" if room else system


def conversation(
    system: str,
    newest_first: Iterable[Message],
    question: str,
    *,
    name: str,
    budget: int,
    is_local: bool,
    said: Sequence[Turn] = (),
) -> list[Turn]:
    """The turns for the model: as many of the earlier messages as fit into `budget` characters, then the question.

    Messages are whole, the newest first. Only if the newest does not fit, its beginning is used, with a mark.

    `name` is the assistant's. The question is followed by what was already `said` and used of an answer to continue.

    A local model gets only the questions that the assistant answered, not the messages between people, because these
    confuse small models. llama.cpp continues an answer that comes last by itself; most endpoints need a request for it.
    """
    question = _cut(question_in(question, name) or question, budget)
    earlier: list[Turn] = []
    left = budget - len(question) - size(said)
    for turns in _exchanges(newest_first, name) if is_local else _everything(newest_first):
        length = size(turns)
        if length > left:
            if not earlier and left >= SHORTEST * len(turns):
                earlier = _shortened(turns, left)
            break
        left -= length
        earlier = turns + earlier
    asked = [*_merged([*earlier, Turn("user", question)]), *said]
    if said and said[-1].role == "assistant" and not is_local:
        asked.append(Turn("user", GO_ON))
    return [Turn("system", system), *asked]


def _exchanges(newest_first: Iterable[Message], name: str) -> Iterator[list[Turn]]:
    """Questions with their answers."""
    answers: dict[str, str] = {}
    for message in newest_first:
        if message.is_deleted:
            continue
        if _is_answer(message) and message.answer is not None:
            answers.setdefault(message.answer.question_id, message.text)
        elif message.id in answers:
            asked = question_in(message.text, name) or message.text
            yield [Turn("user", asked), Turn("assistant", answers[message.id])]


def _everything(newest_first: Iterable[Message]) -> Iterator[list[Turn]]:
    for message in newest_first:
        if _is_answer(message):
            yield [Turn("assistant", message.text)]
        elif message.kind == "person" and not message.is_deleted:
            yield [Turn("user", f"{message.author.name}: {message.text}")]


def _is_answer(message: Message) -> bool:
    return message.answer is not None and message.answer.state in _ENDED_WELL and bool(message.text)


def _shortened(turns: list[Turn], left: int) -> list[Turn]:
    """The turns in `left` characters: each has its share of what those before it leave."""
    shortened = []
    for index, turn in enumerate(turns):
        shortened.append(Turn(turn.role, _cut(turn.content, left // (len(turns) - index))))
        left -= len(shortened[-1].content)
    return shortened


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: max(0, length - len(CUT))] + CUT


def _merged(turns: list[Turn]) -> list[Turn]:
    """Neighbours of one role as one turn: the templates of many models insist on alternation."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            turn = Turn(turn.role, f"{merged.pop().content}\n\n{turn.content}")
        merged.append(turn)
    return merged
