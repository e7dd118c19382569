"""What people may call themselves and their rooms."""

import pytest

from hubline import HubError
from hubline_chat.limits import clean_name


@pytest.mark.parametrize(
    ("name", "alphabets"),
    [
        ("\u0410dmin", "Cyrillic and Latin"),
        ("The \u0430dmin", "Cyrillic and Latin"),
        ("R\u03bfot", "Greek and Latin"),
        ("\u0410\u03bd\u0430", "Cyrillic and Greek"),
    ],
)
def test_a_word_of_two_alphabets_that_look_alike_is_refused(name: str, alphabets: str) -> None:
    said = f"^Your name has {alphabets} letters in one word, which look alike. Use those of one alphabet.$"
    with pytest.raises(HubError, match=said):
        clean_name(name, whose="Your name")


@pytest.mark.parametrize(
    "name",
    [
        "Admin",
        "\u0410\u0434\u043c\u0438\u043d",
        "\u0418\u0432\u0430\u043d Smith",
        "\u03b1-Team",
        "Jos\u00e9",
        "\u7530\u4e2dTanaka",
        "\u041c\u0430\u0440\u0438\u044f2",
    ],
)
def test_names_of_every_alphabet_are_allowed(name: str) -> None:
    assert clean_name(name, whose="Your name") == name
