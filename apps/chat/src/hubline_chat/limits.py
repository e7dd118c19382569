"""Checks of the input of people, before it is used. Every refusal is a sentence to show."""

import re
import unicodedata

from hubline import HubError

NAME_LENGTH = 40
TOPIC_LENGTH = 200
PROMPT_LENGTH = 2_000
MESSAGE_LENGTH = 32_000
ID_LENGTHS = range(1, 65)
RETENTION_DAYS = range(1, 3_651)
"""Days after which the messages of a room may be deleted: up to ten years."""

_JOINERS = "\u200c\u200d"  # invisible, and part of emoji and of several scripts
_AS_EMOJI = "\ufe0f"  # asks for the coloured form of the sign before it
_BLANK = frozenset(
    map(chr, (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x180F, 0x2800, 0x3164, 0xFFA0))
) | frozenset(map(chr, (*range(0xFE00, 0xFE0F), *range(0xE0100, 0xE01F0))))
"""Letters, marks and signs, as Unicode has it, of which nothing is seen."""
_LINE_BREAKS = "\n\t"
_ALIKE = frozenset({"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "COPTIC", "LISU"})
"""Alphabets whose letters look like those of another: a word of two of them passes for a word of one."""


def clean_name(name: str, *, whose: str) -> str:
    """A name on one line, without invisible characters. `whose` begins the sentence of a refusal ("Your name")."""
    name = " ".join(unicodedata.normalize("NFC", name).split())
    if not name:
        raise HubError(f"{whose} is empty.")
    if len(name) > NAME_LENGTH:
        raise HubError(f"{whose} has {len(name)} characters; {NAME_LENGTH} are allowed.")
    if any(
        _is_hidden(before, each, after) for before, each, after in zip(f" {name}", name, f"{name[1:]} ", strict=False)
    ):
        raise HubError(f"{whose} contains characters that cannot be seen.")
    for word in re.findall(r"[^\W\d_]+", _letters(name)):
        if len(alphabets := {_alphabet(letter) for letter in word} & _ALIKE) > 1:
            mixed = " and ".join(sorted(each.capitalize() for each in alphabets))
            raise HubError(f"{whose} has {mixed} letters in one word, which look alike. Use those of one alphabet.")
    return name


def clean_topic(text: str) -> str:
    """A topic on one line; it may be empty."""
    topic = " ".join(unicodedata.normalize("NFC", text).split())
    if len(topic) > TOPIC_LENGTH:
        raise HubError(f"The topic has {len(topic)} characters; {TOPIC_LENGTH} are allowed.")
    if any(_is_invisible(character) and character not in _JOINERS for character in topic):
        raise HubError("The topic contains characters that cannot be seen.")
    return topic


def clean_text(text: str, *, may_be_empty: bool = False) -> str:
    """A message without control characters and trailing space."""
    text = _printable(text)
    if not text.strip():
        if may_be_empty:
            return ""
        raise HubError("The message is empty.")
    if len(text) > MESSAGE_LENGTH:
        raise HubError(f"The message has {len(text):,} characters; {MESSAGE_LENGTH:,} are allowed.")
    return text


def clean_prompt(text: str) -> str:
    """The instructions of a room; they may be empty."""
    prompt = _printable(text).strip()
    if len(prompt) > PROMPT_LENGTH:
        raise HubError(f"The instructions have {len(prompt):,} characters; {PROMPT_LENGTH:,} are allowed.")
    return prompt


def storable(text: str) -> str:
    """The text of a model, without characters that databases and encodings do not accept."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()


def one_line(text: str) -> str:
    """The name of a file or a tool, which others gave, on one line and without invisible characters."""
    return " ".join(
        "".join(" " if unicodedata.category(each)[0] in "CZ" or each in _BLANK else each for each in text).split()
    )


def check_days(days: int | None) -> None:
    """After how many days messages are deleted, as a person has chosen it."""
    if days is not None and days not in RETENTION_DAYS:
        raise HubError(f"Messages can be deleted after {RETENTION_DAYS[0]} to {RETENTION_DAYS[-1]:,} days.")


def check_id(value: str) -> None:
    """An id that a page has made."""
    if len(value) not in ID_LENGTHS or not value.isprintable():
        raise HubError("The message's id is not valid.")


def _printable(text: str) -> str:
    """A text of several lines without control characters and trailing space."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c for c in text if c in _LINE_BREAKS or unicodedata.category(c) not in ("Cc", "Cs")).rstrip()


def _alphabet(letter: str) -> str:
    """The first word of a letter's name in Unicode, which is its script."""
    return unicodedata.name(letter, "").partition(" ")[0]


def _letters(name: str) -> str:
    """A name without accents and joiners, which would cut its words in pieces that are of one alphabet each."""
    letters = unicodedata.normalize("NFD", name)
    return "".join(each for each in letters if each not in _JOINERS and not unicodedata.category(each).startswith("M"))


def _is_hidden(before: str, character: str, after: str) -> bool:
    """Whether a character of a name is there and not seen: "Ada" with it would be another name than "Ada".

    Joiners have a purpose between letters of other alphabets than ours, and in emoji; `_AS_EMOJI` has it behind a sign.
    """
    if character in _JOINERS:
        return any(_is_invisible(each) or each == " " or _alphabet(each) in _ALIKE for each in (before, after))
    if character == _AS_EMOJI:
        return not unicodedata.category(before).startswith(("S", "P", "N"))
    return _is_invisible(character) or character in _BLANK


def _is_invisible(character: str) -> bool:
    """Control, format, surrogate and private characters: those that turn the direction of text are among them."""
    return unicodedata.category(character).startswith("C")
