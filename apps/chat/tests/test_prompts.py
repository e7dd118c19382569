"""What the model is told."""

import time
from datetime import UTC, datetime

import pytest

from hubline.models import Message as Turn
from hubline_chat.contract import Answer, AnswerState, Message, Person
from hubline_chat.prompts import CUT, GO_ON, SHORTEST, conversation, question_in, without_code

ADA, BOB, AI = Person("1", "Ada"), Person("2", "Bob"), Person("assistant", "Assistant", "assistant")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def said(person: Person, text: str, message_id: str = "q") -> Message:
    return Message(message_id, "general", 1, "person", person, text, NOON)


def answered(text: str, question_id: str = "q", state: AnswerState = AnswerState.COMPLETED) -> Message:
    answer = Answer(state, ADA, question_id)
    return Message("a" + question_id, "general", 2, "assistant", AI, text, NOON, answer=answer)


def told(
    earlier: list[Message], *, budget: int = 1000, is_local: bool = True, said_so_far: str = ""
) -> list[tuple[str, str]]:
    """`earlier` in the order in which it was said."""
    so_far = [Turn("assistant", said_so_far)] if said_so_far else []
    turns = conversation(
        "Be brief.", earlier[::-1], "Now?", name="Assistant", budget=budget, is_local=is_local, said=so_far
    )
    assert turns[0] == Turn("system", "Be brief.")
    return [(turn.role, turn.content) for turn in turns[1:]]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("@ai Why?", "Why?"),
        ("@AI: why?", "why?"),
        (" @ai\n\nwhy?", "why?"),
        ("@ai", None),
        ("@ai  ", None),
        ("@aid me", None),
        ("@assistant Why?", "Why?"),
        ("@Assistant, why?", "why?"),
        ("@assistance please", None),
        ("why, @ai ?", "why, @ai ?"),
        ("hey @ai why?", "hey @ai why?"),
        ("hey (@Assistant), why?", "hey (@Assistant), why?"),
        ("Why? @AI", "Why? @AI"),
        ("why?", None),
        ("mail ada@ai or ada@ai.example", None),
        ("see @ai.example, @ai-tools, @ai/models, @@ai and x/@ai", None),
        ("the prefix `@ai` asks", None),
        ("``a ` @ai`` is code", None),
        ("```\n@ai why?\n```", None),
        ("~~~\n@ai why?\n~~~\n", None),
        ("```python\n@ai why?", None),
        ("`@ai` is a mention, @ai: why?", "`@ai` is a mention, @ai: why?"),
        ("a lonely ` and @ai why?", "a lonely ` and @ai why?"),
        ("```\ncode\n```\n@ai fix it", "```\ncode\n```\n@ai fix it"),
    ],
)
def test_who_is_addressed(text: str, question: str | None) -> None:
    assert question_in(text, "Assistant") == question


def test_the_assistant_answers_to_its_own_name() -> None:
    assert question_in("@Uncle Bob (2) Why?", "Uncle Bob (2)") == "Why?"
    assert question_in("@assistant Why?", "Uncle Bob") is None


def test_an_answer_that_goes_on_is_told_what_it_said() -> None:
    assert told([], said_so_far="It") == [("user", "Now?"), ("assistant", "It")]
    asked = [("user", "Now?"), ("assistant", "It"), ("user", GO_ON)]
    assert told([], said_so_far="It", is_local=False) == asked


def test_what_was_said_of_an_answer_takes_room_from_earlier_messages() -> None:
    earlier = [said(ADA, "A?", "1"), answered("x" * 500, "1")]
    assert len(told(earlier, budget=600)) == 3
    assert told(earlier, budget=600, said_so_far="y" * 580) == [("user", "Now?"), ("assistant", "y" * 580)]


def test_questions_come_with_their_answers_and_without_the_chatter() -> None:
    earlier = [said(ADA, "@ai First?"), said(BOB, "hi all", "x"), answered("One."), said(BOB, "ok", "y")]
    assert told(earlier) == [("user", "First?"), ("assistant", "One."), ("user", "Now?")]


def test_with_chatter_everything_comes_with_names_and_in_turns() -> None:
    earlier = [said(ADA, "hi"), said(BOB, "hello"), answered("One."), said(BOB, "ok")]
    assert told(earlier, is_local=False) == [
        ("user", "Ada: hi\n\nBob: hello"),
        ("assistant", "One."),
        ("user", "Bob: ok\n\nNow?"),
    ]


def test_answers_that_failed_or_still_run_are_left_out_and_stopped_ones_are_not() -> None:
    running = [said(ADA, "A?", "1"), answered("half", "1", AnswerState.RUNNING)]
    failed = [said(ADA, "B?", "2"), answered("broken", "2", AnswerState.FAILED)]
    stopped = [said(ADA, "C?", "3"), answered("some", "3", AnswerState.STOPPED)]
    assert told(running + failed + stopped) == [("user", "C?"), ("assistant", "some"), ("user", "Now?")]


def test_of_two_answers_to_one_question_the_newer_counts() -> None:
    assert told([said(ADA, "A?"), answered("old"), answered("new")]) == [
        ("user", "A?"),
        ("assistant", "new"),
        ("user", "Now?"),
    ]


def test_the_newest_fit_into_the_budget_and_are_whole() -> None:
    earlier = [said(ADA, "A?", "1"), answered("x" * 5000, "1"), said(ADA, "B?", "2"), answered("two", "2")]
    assert told(earlier, budget=100) == [("user", "B?"), ("assistant", "two"), ("user", "Now?")]
    assert told(earlier, budget=5020)[1] == ("assistant", "x" * 5000)


def test_the_newest_is_cut_with_a_mark_when_it_does_not_fit_and_no_other() -> None:
    code = [said(ADA, "A?", "1"), answered("x" * 5000, "1")]
    [question, (role, text), asked] = told(code, budget=1000)
    assert (question, role, asked) == (("user", "A?"), "assistant", ("user", "Now?"))
    assert text == "x" * (len(text) - len(CUT)) + CUT
    assert len("A?" + text + "Now?") == 1000
    both = told([said(ADA, "y" * 5000, "1"), answered("x" * 5000, "1")], budget=1004)
    assert [len(content) for _, content in both] == [500, 500, 4]
    assert told([*code, said(ADA, "B?", "2"), answered("two", "2")], budget=1000)[0] == ("user", "B?")
    assert told(code, budget=SHORTEST) == [("user", "Now?")]
    [(_, alone)] = told([said(BOB, "z" * 5000)], budget=1000, is_local=False)
    assert alone.startswith("Bob: zzz")
    assert alone.endswith(f"{CUT}\n\nNow?")


def test_a_question_that_is_too_long_is_cut_with_a_mark() -> None:
    turns = conversation("", [], "q" * 500, name="Assistant", budget=200, is_local=True)
    assert turns[-1] == Turn("user", "q" * (200 - len(CUT)) + CUT)


def test_ticks_of_many_lengths_cost_no_more_than_others() -> None:
    """Each that has no end was looked for up to the end of the message, while nobody else got anything."""

    def cost(text: str) -> float:
        began = time.process_time()
        assert len(without_code(text)) == len(text)
        return time.process_time() - began

    many = "".join("`" * length + "a" for length in range(1, 252))
    alike = "`a" * (len(many) // 2)
    assert min(cost(many) for _ in range(3)) < 3 * min(cost(alike) for _ in range(3))
