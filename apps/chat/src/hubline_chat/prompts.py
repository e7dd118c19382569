"""What the model is told: who it is, what was said, what is asked."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from hubline.models import Message as Turn
from hubline_chat.contract import AnswerState, Message

_ENDED_WELL = (AnswerState.COMPLETED, AnswerState.STOPPED)
TURN_CHARACTERS = 800
"""Of one earlier message, so that a long one does not push all others out."""
GO_ON = "Go on exactly where you stopped. Repeat nothing, and say nothing about the interruption."


def question_in(text: str, name: str = "Assistant") -> str | None:
    """What a message asks the assistant, or `None` when it does not begin with `@ai` or `@` and its name."""
    mention = _mention(name).match(text)
    return (text[mention.end() :].strip() or None) if mention else None


@lru_cache(maxsize=8)
def _mention(name: str) -> re.Pattern[str]:
    return re.compile(rf"\s*@(?:ai|{re.escape(name)})[\s,:]+", re.IGNORECASE)


def conversation(
    system: str,
    newest_first: Iterable[Message],
    question: str,
    *,
    name: str,
    budget: int,
    is_local: bool,
    said: str = "",
) -> list[Turn]:
    """The turns for the model: as many of the earlier messages as fit into `budget` characters, then the question.

    `name` is the assistant's. Behind the question comes what was `said` of its answer, which is to go on from there.

    A local model is not told what people say to each other, because small ones lose their thread in it: only the
    questions to the assistant that it answered. And llama.cpp goes on with an answer that comes last by itself, while
    most endpoints have to be asked.
    """
    question = (question_in(question, name) or question)[:budget]
    earlier: list[Turn] = []
    left = budget - len(question)
    for turns in _exchanges(newest_first, name) if is_local else _everything(newest_first):
        left -= sum(len(turn.content) for turn in turns)
        if left < 0:
            break
        earlier = turns + earlier
    asked = [Turn("user", question)]
    if said:
        asked += [Turn("assistant", said), *([] if is_local else [Turn("user", GO_ON)])]
    return [Turn("system", system), *_merged([*earlier, *asked])]


def _exchanges(newest_first: Iterable[Message], name: str) -> Iterator[list[Turn]]:
    """Questions with their answers."""
    answers: dict[str, str] = {}
    for message in newest_first:
        if _is_answer(message) and message.answer is not None:
            answers.setdefault(message.answer.question_id, message.text)
        elif message.id in answers:
            asked = question_in(message.text, name) or message.text
            yield [_turn("user", asked), _turn("assistant", answers[message.id])]


def _everything(newest_first: Iterable[Message]) -> Iterator[list[Turn]]:
    for message in newest_first:
        if _is_answer(message):
            yield [_turn("assistant", message.text)]
        elif message.kind == "person":
            yield [_turn("user", f"{message.author.name}: {message.text}")]


def _is_answer(message: Message) -> bool:
    return message.answer is not None and message.answer.state in _ENDED_WELL and bool(message.text)


def _turn(role: str, text: str) -> Turn:
    return Turn("assistant" if role == "assistant" else "user", text[:TURN_CHARACTERS])


def _merged(turns: list[Turn]) -> list[Turn]:
    """Neighbours of one role as one turn: the templates of many models insist on alternation."""
    merged: list[Turn] = []
    for turn in turns:
        if merged and merged[-1].role == turn.role:
            turn = Turn(turn.role, f"{merged.pop().content}\n\n{turn.content}")
        merged.append(turn)
    return merged
