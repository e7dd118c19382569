"""What a model thinks aloud, told apart from what it says, however it is cut into pieces."""

import pytest

from hubline._thinking import Thinking


def split(pieces: list[str]) -> tuple[str, str]:
    thinking, thoughts, said = Thinking(), "", ""
    for piece in pieces:
        more = thinking.split(piece)
        thoughts, said = thoughts + more[0], said + more[1]
    more = thinking.split("", last=True)
    return thoughts + more[0], said + more[1]


@pytest.mark.parametrize(
    ("text", "thoughts", "said"),
    [
        ("<think>hm, well</think>Because.", "hm, well", "Because."),
        ("\n<think>\nhm\n</think>\n\nBecause.", "hm", "Because."),
        ("<think></think>Because.", "", "Because."),
        ("<think>never ends </thi", "never ends </thi", ""),
        ("Because. <think>no</think>", "", "Because. <think>no</think>"),
        ("<thinner than that", "", "<thinner than that"),
        ("<thi", "", "<thi"),
        ("  \n Because", "", "  \n Because"),
        ("<think>a</think>b</think>c", "a", "b</think>c"),
        ("", "", ""),
    ],
)
def test_only_what_begins_with_the_mark_is_thought(text: str, thoughts: str, said: str) -> None:
    for size in range(1, len(text) + 2):
        pieces = [text[start : start + size] for start in range(0, len(text), size)]
        found = split(pieces)
        assert (found[0].rstrip("\n"), found[1]) == (thoughts, said), pieces


def test_what_is_known_to_be_text_is_not_held_back() -> None:
    thinking = Thinking()
    assert thinking.split("Be") == ("", "Be")
    assert thinking.split("<think>") == ("", "<think>")


def test_thoughts_go_on_as_they_come() -> None:
    thinking = Thinking()
    assert [thinking.split(piece) for piece in ("<think>a", "b<", "c</", "think>", "\n", "\nd", " e")] == [
        ("a", ""),
        ("b", ""),
        ("<c", ""),
        ("", ""),
        ("", ""),
        ("", "d"),
        ("", " e"),
    ]
