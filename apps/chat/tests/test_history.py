"""The bounded history of a room."""

from dataclasses import replace
from datetime import UTC, datetime

from hubline_chat.contract import Answer, AnswerState, Message, Person
from hubline_chat.contract_models import ToolUse
from hubline_chat.history import PAGE_CHARACTERS, History

ADA = Person("1", "Ada")
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def message(text: str = "hello", message_id: str = "") -> Message:
    return Message(message_id or text, "general", 0, "person", ADA, text, NOON)


def filled(count: int, capacity: int = 1_000) -> History:
    history = History(capacity)
    for number in range(1, count + 1):
        history.append(message(str(number)))
    return history


def seqs(messages: list[Message] | None) -> list[int] | None:
    return None if messages is None else [each.seq for each in messages]


def test_messages_are_numbered_from_one() -> None:
    history = History()
    assert (history.last_seq, history.newest()) == (0, ([], False))
    assert [history.append(message(text)).seq for text in "abc"] == [1, 2, 3]


def test_the_oldest_are_forgotten_and_their_numbers_never_return() -> None:
    history = filled(12, capacity=10)
    assert history.find("2") is None
    assert seqs(history.newest()[0]) == list(range(3, 13))
    assert history.before(5) == ([history.find("3"), history.find("4")], False)
    assert not history.is_whole
    assert history.append(message("new")).seq == 13


def test_much_text_is_forgotten_before_many_messages() -> None:
    history = History(capacity=10, characters=100)
    for name in "abc":
        history.append(message("x" * 40, name))
    assert [each.id for each in history.newest_first()] == ["c", "b"]
    history.append(message("x" * 500, "long"))
    assert [each.id for each in history.newest_first()] == ["long"]


def test_what_came_after_is_told_only_when_nothing_is_missing() -> None:
    history = filled(12, capacity=10)
    assert seqs(history.after(10)) == [11, 12]
    assert seqs(history.after(12)) == []
    assert seqs(history.after(2)) == list(range(3, 13))
    assert history.after(1) is None
    assert history.after(13) is None
    assert filled(300).after(99) is None
    assert seqs(filled(300).after(100)) == list(range(101, 301))


def test_a_reply_carries_so_much_text_and_no_more() -> None:
    history = History()
    for number in range(5):
        history.append(message("x" * (PAGE_CHARACTERS // 2), str(number)))
    assert (seqs(history.newest()[0]), history.newest()[1]) == ([4, 5], True)
    assert history.after(1) is None
    history.append(message("x" * PAGE_CHARACTERS * 2, "huge"))
    assert seqs(history.newest()[0]) == [6]


def test_a_message_is_put_in_the_place_of_its_older_form() -> None:
    history = filled(3, capacity=3)
    second = history.find("2")
    assert second is not None
    grown = Message(second.id, second.room_id, second.seq, "person", ADA, "grown", NOON)
    history.update(grown)
    assert history.find("2") == grown
    history.append(message("4"))
    history.append(message("5"))
    history.update(grown)
    assert history.find("2") is None


def test_it_knows_whether_the_store_has_more() -> None:
    history = filled(10, capacity=10)
    assert history.is_whole
    history.append(message("11"))
    assert (history.is_whole, history.oldest) == (False, 2)
    history.clear(1)
    assert not history.is_whole
    history.clear(5)
    assert (history.is_whole, history.cleared_before, history.oldest) == (True, 5, 5)
    assert History(last_seq=7).append(message("8")).seq == 8


def test_what_tools_have_given_counts_as_text() -> None:
    history = History(characters=10_000)
    history.append(message("first"))
    history.append(message("second"))
    used = [ToolUse("a", "search_room", "output-available", {"words": "tea"}, "x" * 9_990)]
    second = history.find("second")
    assert second is not None
    history.update(replace(second, answer=Answer(AnswerState.COMPLETED, ADA, "first", tools=used)))
    assert (seqs(history.newest()[0]), history.is_whole) == ([2], False)
