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
        ("\u0410\u0300dmin", "Cyrillic and Latin"),
    ],
)
def test_a_word_of_two_alphabets_that_look_alike_is_refused(name: str, alphabets: str) -> None:
    said = f"^Your name has {alphabets} letters in one word, which look alike. Use those of one alphabet.$"
    with pytest.raises(HubError, match=said):
        clean_name(name, whose="Your name")


@pytest.mark.parametrize(
    "name",
    [
        "Ad\u200dmin",
        "Admin\u200c",
        "\u0410\u0434\u200c\u043c\u0438\u043d",
        "\u0639\u0644\u06cc\u200c",
        "\u0645\u200c\u200c\u06cc",
        "Ada\ufe0f",
        "Ada\ufe01",
        "Ada\u034f",
        "\u3164",
        "Ada \u2800",
        "Ada\U000e0101",
        "Ada\u202e",
    ],
)
def test_what_cannot_be_seen_makes_no_other_name(name: str) -> None:
    with pytest.raises(HubError, match="Your name contains characters that cannot be seen"):
        clean_name(name, whose="Your name")


@pytest.mark.parametrize(
    "name",
    [
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\u0915\u094d\u200d\u0937",
        "\U0001f469\u200d\U0001f4bb Ada",
        "\u2764\ufe0f\u200d\U0001f525",
        "\u0419\u043e\u0433",
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
