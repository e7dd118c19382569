"""How much of a password has to be guessed: what is left of it without names, common words, rows and repetitions."""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from hubline_chat.store.users import folded

LEAST = 6
"""Characters that must be left; each part that was taken out counts as one."""
COMMON = Path(__file__).parent / "common_passwords.txt"
"""The most common ones of published lists, of those that are long enough to be passwords here."""

_SHORTEST_WORD, _SHORTEST_RUN = 4, 4
_ROWS = (
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm",
    "1q2w3e4r5t6y7u8i9o0p",
)
_RUNS = frozenset(
    row[start : start + _SHORTEST_RUN]
    for there in _ROWS
    for row in (there, there[::-1])
    for start in range(len(row) - _SHORTEST_RUN + 1)
)
_REPEATED = re.compile(r"(.{1,4}?)\1{2,}", re.DOTALL)
_YEAR = re.compile(r"(?:19|20)\d\d")
_WRITTEN_FOR = str.maketrans("@4031$5!7", "aaoeissit")
"""Digits and signs that people write for letters."""


def left_to_guess(password: str, name: str) -> int:
    """The characters of a password of somebody called `name` that a guesser does not have at once."""
    text = folded(password)
    known = [False] * len(text)
    for start, end in _known(text, name):
        known[start:end] = [True] * (end - start)
    parts = sum(here and not before for before, here in zip([False, *known], known, strict=False))
    return known.count(False) + parts


@lru_cache(maxsize=1)
def common() -> frozenset[str]:
    return frozenset(COMMON.read_text("utf-8").split())


@lru_cache(maxsize=1)
def _words() -> frozenset[str]:
    """The words within the common passwords."""
    found = {word for each in common() for word in re.findall("[a-z]+", each)}
    return frozenset(word for word in found if len(word) >= _SHORTEST_WORD)


def _known(text: str, name: str) -> Iterator[tuple[int, int]]:
    """The places of what is known."""
    names = {word for word in re.split(r"\W+", folded(name)) if len(word) >= _SHORTEST_WORD - 1}
    spelled = text.translate(_WRITTEN_FOR)
    for word in _words() | names:
        for written in {text, spelled}:
            for found in re.finditer(re.escape(word), written):
                yield found.span()
    for start in range(len(text) - _SHORTEST_RUN + 1):
        if text[start : start + _SHORTEST_RUN] in _RUNS:
            yield start, start + _SHORTEST_RUN
    for pattern in (_REPEATED, _YEAR):
        for found in pattern.finditer(text):
            yield found.span()
