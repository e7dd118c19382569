"""Texts of others for a terminal: names that users chose, and what a server says, may hold commands for it."""

import re

_COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Control characters but tabs and line breaks, and those that turn the direction of what follows."""

_BREAKS = re.compile("[\t\n\u2028\u2029]")


def harmless(text: str, *, lines: bool = False) -> str:
    """The text with such characters as `\\u001b`, which JSON reads too; `lines`: it may have several."""
    text = _COMMANDS.sub(_escaped, text)
    return text if lines else _BREAKS.sub(_escaped, text)


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"
